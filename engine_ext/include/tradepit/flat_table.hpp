#pragma once
#include <algorithm>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>

#include "tradepit/lazy_array.hpp"

namespace tradepit {

/// Spreads the bits of `value` over the whole word (the finalizer of splitmix64). The same on every
/// machine.
[[nodiscard]] constexpr std::uint64_t mix_bits(std::uint64_t value) noexcept {
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EB;
  return value ^ (value >> 31);
}

/// Where a key that counts upward belongs: runs of 2^run_bits keep together, so that neighbours are
/// found in the cache, and are scattered, so that a run which stays for long does not stand in the
/// way of later ones. In each a run begins elsewhere: keys that count in steps fill all places
/// alike.
template <int run_bits>
[[nodiscard]] constexpr std::uint64_t home_in_runs(std::uint64_t counter,
                                                   std::uint64_t salt) noexcept {
  constexpr std::uint64_t run_mask = (1U << run_bits) - 1;
  const std::uint64_t run = mix_bits((counter >> run_bits) + salt * 0x9E3779B97F4A7C15);
  return (run & ~run_mask) | ((counter + run) & run_mask);
}

/// An open-addressing hash table with a fixed capacity, linear probing and no tombstones.
///
/// `Entry` has a member type `Key` (comparable; a default Key marks an empty entry and is never
/// stored), `Key key() const`, `static std::uint64_t home(Key)`, and `run_bits`, with which that
/// calls home_in_runs(). The next place to probe is the same one of the run behind, so that no key
/// of a run stands in the way of its neighbours. Nothing observable depends on the order of
/// entries. Pointers to entries hold until the next insert or erase.
template <typename Entry>
class FlatTable {
 public:
  using Key = typename Entry::Key;

  FlatTable() noexcept = default;

  /// Takes up to `max_entries`, at most half full.
  explicit FlatTable(std::size_t max_entries) noexcept
      : entries_(std::bit_ceil(max_entries * 2 + 4), /*has_large_pages=*/false),
        mask_(entries_.count() - 1),
        stride_(std::min(entries_.count(), std::size_t{1} << Entry::run_bits)),
        max_entries_(max_entries) {}

  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Asks for the memory of a key ahead of its use.
  void prefetch(Key key) const noexcept { entries_.prefetch(Entry::home(key) & mask_); }

  [[nodiscard]] Entry* find(Key key) noexcept {
    Entry& entry = entries_[slot_of(key)];
    return entry.key() == Key{} ? nullptr : &entry;
  }
  [[nodiscard]] const Entry* find(Key key) const noexcept {
    const Entry& entry = entries_[slot_of(key)];
    return entry.key() == Key{} ? nullptr : &entry;
  }

  /// Adds an entry whose key is not in the table.
  void insert(const Entry& entry) noexcept {
    assert(size_ < max_entries_);
    Entry& place = entries_[slot_of(entry.key())];
    assert(place.key() == Key{});
    place = entry;
    ++size_;
  }

  /// The entry of `key`, made by `make()` if there is none.
  template <typename Make>
  [[nodiscard]] Entry& find_or_insert(Key key, Make make) noexcept {
    Entry& place = entries_[slot_of(key)];
    if (place.key() == Key{}) {
      assert(size_ < max_entries_);
      place = make();
      ++size_;
    }
    return place;
  }

  /// Removes the entry of `key`, which is in the table; entries behind it close the gap.
  void erase(Key key) noexcept {
    std::size_t gap = slot_of(key);
    assert(entries_[gap].key() != Key{});
    for (std::size_t next = after(gap); entries_[next].key() != Key{}; next = after(next)) {
      const std::size_t home = Entry::home(entries_[next].key()) & mask_;
      // An entry may move to the gap unless its home lies behind the gap.
      if (distance(home, next) >= distance(gap, next)) {
        entries_[gap] = entries_[next];
        gap = next;
      }
    }
    entries_[gap] = Entry{};
    --size_;
  }

  /// Calls `visit(entry)` in no particular order: for checks, never for anything observable.
  template <typename Visit>
  void for_each(Visit visit) const {
    for (std::size_t slot = 0; slot < entries_.count(); ++slot) {
      if (entries_[slot].key() != Key{}) visit(entries_[slot]);
    }
  }

 private:
  /// Where `key` stands, or the empty place where it would.
  [[nodiscard]] std::size_t slot_of(Key key) const noexcept {
    assert(key != Key{});
    std::size_t slot = Entry::home(key) & mask_;
    while (entries_[slot].key() != key && entries_[slot].key() != Key{}) slot = after(slot);
    return slot;
  }
  /// The same place of the next run; behind the last run, the next place of the first.
  [[nodiscard]] std::size_t after(std::size_t slot) const noexcept {
    return slot + stride_ <= mask_ ? slot + stride_ : (slot + 1) & (stride_ - 1);
  }
  /// How many steps lead from one place to another.
  [[nodiscard]] std::size_t distance(std::size_t from, std::size_t to) const noexcept {
    const auto steps = [&](std::size_t slot) {
      return (slot & (stride_ - 1)) * (entries_.count() / stride_) + slot / stride_;
    };
    return (steps(to) - steps(from)) & mask_;
  }

  LazyArray<Entry> entries_;
  std::size_t mask_ = 0;
  std::size_t stride_ = 1;  // a run, or all of a smaller table
  std::size_t max_entries_ = 0;
  std::size_t size_ = 0;
};

}  // namespace tradepit
