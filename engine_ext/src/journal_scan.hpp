#pragma once
#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

#include "tradepit/journal.hpp"

/// What those who read a journal share.
namespace tradepit::detail {

/// Reads the entry at the start of `bytes`; false if it is not a whole, sound one.
[[nodiscard]] bool read_entry(std::span<const std::byte> bytes, EntryView& entry) noexcept;

/// "damaged journal: path offset seq: what".
[[nodiscard]] std::string damage(const std::string& path, std::uint64_t offset, std::uint64_t seq,
                                 const std::string& what);
/// True if a text came from damage(): the bytes are wrong, as opposed to out of reach.
[[nodiscard]] bool is_damage(const std::string& error) noexcept;

/// "seq 5 is missing" or "seqs 5 to 9 are missing".
[[nodiscard]] std::string missing(std::uint64_t first_seq, std::uint64_t last_seq);

}  // namespace tradepit::detail
