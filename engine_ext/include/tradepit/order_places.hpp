#pragma once
#include <cstdint>
#include <span>
#include <vector>

#include "tradepit/buffer.hpp"
#include "tradepit/lazy_array.hpp"

namespace tradepit {

/// Where an entry begins: in the segment that is named after `segment_first_seq`. Offset 0 is no
/// place: there the segment's header stands.
struct EntryPlace {
  std::uint64_t segment_first_seq = 0;
  std::uint64_t offset = 0;
  friend bool operator==(const EntryPlace&, const EntryPlace&) = default;
};

/// Where the journal holds the entries of the last N accepted orders, by number, in 4 bytes an
/// order: orders are numbered as they are accepted, so that those of a segment follow each other.
class OrderPlaces {
 public:
  /// At most 2^30.
  explicit OrderPlaces(std::uint32_t max_recent = 1) noexcept;

  /// The orders up to `last_number` that are not known yet were accepted by the entry at `place`.
  void add(std::uint64_t last_number, const EntryPlace& place) noexcept {
    collect(last_number, place.offset);
    settle({place.segment_first_seq, 0});
  }
  /// The same for a group of entries that will stand together: first each entry, with its offset in
  /// the group, then where the group begins. Until then the orders have no place.
  void collect(std::uint64_t last_number, std::uint64_t group_offset) noexcept {
    while (last_number_ < last_number) words_[index_of(++last_number_)] = word_of(group_offset);
  }
  void settle(const EntryPlace& begin) noexcept;

  /// The place of an order's entry; offset 0 if it is not known.
  [[nodiscard]] EntryPlace find(std::uint64_t number) const noexcept;

  [[nodiscard]] std::uint64_t last_number() const noexcept { return last_number_; }

  /// Appends what load() takes. Everything must be settled.
  void save(ByteBuffer& out) const noexcept;
  /// Takes the place of what it knows. False if the bytes are not those of save() after
  /// `last_number` orders; then it knows nothing of use.
  [[nodiscard]] bool load(std::span<const std::byte> bytes, std::uint64_t last_number) noexcept;

 private:
  struct Segment {
    std::uint64_t first_number;  // of the first order in it
    std::uint64_t first_seq;
  };

  /// 0 if it does not fit, beyond 32 GB: then the order has no place.
  [[nodiscard]] static std::uint32_t word_of(std::uint64_t offset) noexcept {
    return offset / 8 > UINT32_MAX ? 0 : static_cast<std::uint32_t>(offset / 8);
  }
  [[nodiscard]] std::size_t index_of(std::uint64_t number) const noexcept {
    return static_cast<std::size_t>(number & (words_.count() - 1));
  }
  [[nodiscard]] std::uint64_t recent_count() const noexcept {
    return last_number_ < max_recent_ ? last_number_ : max_recent_;
  }

  std::uint64_t max_recent_;
  LazyArray<std::uint32_t> words_;  // ring by number: offset / 8
  std::vector<Segment> segments_;   // that hold recent orders
  std::uint64_t last_number_ = 0;
  std::uint64_t settled_number_ = 0;
};

}  // namespace tradepit
