#pragma once
#include <cstdint>
#include <string>

#include "tradepit/journal.hpp"

/// What lies beside the segments and says more of their end than they do: the mark of a journal
/// that was closed in order, and the bytes of torn groups.
namespace tradepit::detail {

/// Marks, durably, that the journal was closed in order behind `seq`. Returns an error text or an
/// empty one.
[[nodiscard]] std::string write_closed_mark(const std::string& directory, std::uint64_t seq,
                                            std::uint64_t digest);

/// Removes the mark, durably: from the next append on it would not be true. Returns an error text
/// or an empty one.
[[nodiscard]] std::string remove_closed_mark(const std::string& directory);

/// Saves what a torn group left behind `end`, durably, before it is zeroed; not if the disk is
/// full. Returns an error text or an empty one.
[[nodiscard]] std::string save_torn_tail(const JournalEnd& end);

}  // namespace tradepit::detail
