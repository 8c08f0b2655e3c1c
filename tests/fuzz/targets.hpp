#pragma once
// What is fuzzed. Each function takes any bytes and ends the process if the engine breaks a
// promise.
#include <cstddef>
#include <cstdint>
#include <span>

namespace fuzz {

using Input = std::span<const std::byte>;

/// Messages as a client could send them: what check_record() lets through is applied or answered.
void records(Input input);

/// A command stream, driven through two engines.
void commands(Input input);

/// A snapshot, its checksum set right, and behind it commands: what restores has to be sound, to go
/// on, and to write snapshots that restore to the same bytes.
void snapshot(Input input);

/// A journal segment, the checksums of its header and entries set right as far as they can be.
void journal(Input input);

/// Commands that the targets have applied so far.
inline std::uint64_t applied_count = 0;

struct Target {
  const char* name;
  void (*run)(Input input);
};
inline constexpr Target targets[] = {
    {"records", records}, {"commands", commands}, {"snapshot", snapshot}, {"journal", journal}};

}  // namespace fuzz
