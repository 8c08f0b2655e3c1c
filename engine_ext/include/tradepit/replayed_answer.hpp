#pragma once
#include <cstdint>
#include <string>

#include "tradepit/buffer.hpp"
#include "tradepit/journal.hpp"
#include "tradepit/wire.hpp"

/// The answer to an order that was sent again, from what the journal holds of the first time.
namespace tradepit {

/// Reads single entries of a journal that is being written. Keeps one segment open.
class EntryReader {
 public:
  explicit EntryReader(std::string directory) : directory_(std::move(directory)) {}
  ~EntryReader();
  EntryReader(const EntryReader&) = delete;
  EntryReader& operator=(const EntryReader&) = delete;

  /// The entry at a place, which must have been written; it holds until the next call. False if the
  /// segment is gone, or there is no sound entry.
  [[nodiscard]] bool read(const EntryPlace& place, EntryView& entry);

 private:
  [[nodiscard]] bool open(std::uint64_t segment_first_seq);

  std::string directory_;
  std::uint64_t segment_first_seq_ = 0;  // of file_
  int file_ = -1;
  ByteBuffer bytes_;
};

/// Appends the reports that answered the NewOrder of `entry`, as far as they are about the order
/// with this id: as they were, but for the request_id, which is the retry's, and the flag
/// `replayed`. False, and nothing is appended, if the entry did not place that order, or if `retry`
/// has other terms than its command.
[[nodiscard]] bool replay_answer(const EntryView& entry, const wire::NewOrder& retry,
                                 std::uint64_t order_id, ByteBuffer& out) noexcept;

}  // namespace tradepit
