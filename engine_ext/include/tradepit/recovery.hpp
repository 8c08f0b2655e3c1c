#pragma once
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "tradepit/buffer.hpp"
#include "tradepit/engine.hpp"
#include "tradepit/journal.hpp"

/// From files to an engine: the newest snapshot that can be used, then the journal behind it.
namespace tradepit {

/// An engine, and where the journal goes on from it.
struct EngineStart {
  std::unique_ptr<Engine> engine;  ///< null if `error` is set
  OrderPlaces places;              ///< of its recent orders
  JournalPosition next;
  std::uint64_t snapshot_seq = 0;     ///< 0 = from the beginning of the journal
  std::vector<std::string> refusals;  ///< newer snapshots, and why each was not used
  std::string error;
};

/// The engine of the newest snapshot that can be used, or a new one if there is none and the
/// journal begins with seq 1. Changes nothing on disk.
[[nodiscard]] EngineStart start_engine(const std::string& directory, const EngineConfig& config);

/// Empty if no snapshot of this shard and configuration is ahead of `last_seq`, where the journal
/// ends. One that is, where the journal syncs, proves that synced commands are gone: to go on would
/// give their seqs and order ids to others.
[[nodiscard]] std::string check_snapshots_behind(const std::string& directory,
                                                 const EngineConfig& config,
                                                 std::uint64_t last_seq);

/// Applies the commands of `entries` in order, and compares events and digest with what was
/// recorded. Returns how many were the same; if not all, `error` says so. `places` learns of the
/// orders that they accepted.
[[nodiscard]] std::size_t replay_entries(Engine& engine, OrderPlaces& places, ByteBuffer& scratch,
                                         std::span<const EntryView> entries, std::string& error);

}  // namespace tradepit
