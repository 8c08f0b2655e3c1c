#pragma once
#include <cassert>
#include <cstddef>
#include <cstdint>

#include "tradepit/flat_table.hpp"
#include "tradepit/lazy_array.hpp"
#include "tradepit/pool.hpp"

namespace tradepit {

/// From 64-bit keys to 32-bit values, in 8 bytes an entry: the entry keeps a hash of its key, and
/// whoever asks compares the key itself, which stands where the value leads. Open addressing with
/// a fixed capacity, linear probing and no tombstones; nothing observable depends on the order of
/// entries.
///
/// Neighbouring keys share a cache line, yet the next place to probe is that of the line behind: in
/// a run of keys none stands in another's way, and to remove one takes a look at one place behind
/// it instead of all the others.
class HashIndex {
 public:
  /// Values are below this.
  static constexpr std::uint32_t values_end = no_slot;
  /// Runs of as many keys share a cache line.
  static constexpr std::uint64_t line_entries = 8;

  /// Takes up to `max_entries`, at most four fifths full.
  explicit HashIndex(std::size_t max_entries) noexcept
      : entries_((max_entries * 5 / 4 / line_entries + 1) * line_entries),
        line_count_(entries_.count() / line_entries),
        max_entries_(max_entries) {
    assert(line_count_ <= (std::uint64_t{1} << line_hash_bits));
  }

  /// The hash of a key that counts upward, in one of many countings. Runs of keys share a cache
  /// line; the lines are scattered, so that keys which stay for long do not stand in the way of a
  /// whole later counting. In each line a run begins elsewhere: keys which count in steps fill all
  /// places alike.
  [[nodiscard]] static std::uint32_t hash_of(std::uint64_t counter, std::uint64_t salt) noexcept {
    const std::uint64_t line = mix_bits(counter / line_entries + salt * 0x9E3779B97F4A7C15);
    return static_cast<std::uint32_t>((line >> 32) & ~(line_entries - 1)) |
           static_cast<std::uint32_t>((counter + line) % line_entries);
  }

  [[nodiscard]] std::size_t size() const noexcept { return size_; }

  /// Asks for the memory of a key ahead of its use, and for what is probed or closed up next.
  void prefetch(std::uint32_t hash) const noexcept {
    entries_.prefetch(home(hash));
    entries_.prefetch(after(home(hash)));
  }

  /// The value with this hash for which `is_it(value)` holds, or no_slot.
  template <typename IsIt>
  [[nodiscard]] std::uint32_t find(std::uint32_t hash, IsIt is_it) const noexcept {
    for (std::size_t place = home(hash); entries_[place].next_value != 0; place = after(place)) {
      const Entry& entry = entries_[place];
      if (entry.hash == hash && is_it(entry.next_value - 1)) return entry.next_value - 1;
    }
    return no_slot;
  }

  /// Adds a value that is not in the index.
  void insert(std::uint32_t hash, std::uint32_t value) noexcept {
    assert(size_ < max_entries_ && value < values_end);
    std::size_t place = home(hash);
    while (entries_[place].next_value != 0) place = after(place);
    entries_[place] = {hash, value + 1};
    ++size_;
  }

  /// Removes a value that is in the index with this hash; entries behind it close the gap.
  void erase(std::uint32_t hash, std::uint32_t value) noexcept {
    std::size_t gap = place_of(hash, value);
    for (std::size_t place = after(gap); entries_[place].next_value != 0; place = after(place)) {
      // An entry may move to the gap unless its home lies behind the gap.
      if (distance(home(entries_[place].hash), place) >= distance(gap, place)) {
        entries_[gap] = entries_[place];
        gap = place;
      }
    }
    entries_[gap] = {};
    --size_;
  }

 private:
  struct Entry {
    std::uint32_t hash;
    std::uint32_t next_value;  // the value and 1; 0 = empty
  };
  static_assert(line_entries * sizeof(Entry) == 64);
  static constexpr int line_hash_bits = 29;

  [[nodiscard]] std::size_t home(std::uint32_t hash) const noexcept {
    const std::uint64_t line = (hash / line_entries * line_count_) >> line_hash_bits;
    return line * line_entries + hash % line_entries;
  }
  /// The same place of the next line; behind the last line, the next place of the first.
  [[nodiscard]] std::size_t after(std::size_t place) const noexcept {
    if (place + line_entries < entries_.count()) return place + line_entries;
    return (place + 1) % line_entries;
  }
  /// How many steps lead from one place to another.
  [[nodiscard]] std::size_t distance(std::size_t from, std::size_t to) const noexcept {
    const auto steps = [&](std::size_t place) {
      return place % line_entries * line_count_ + place / line_entries;
    };
    return steps(to) >= steps(from) ? steps(to) - steps(from)
                                    : steps(to) + entries_.count() - steps(from);
  }
  [[nodiscard]] std::size_t place_of(std::uint32_t hash, std::uint32_t value) const noexcept {
    std::size_t place = home(hash);
    while (entries_[place].next_value != value + 1) {
      assert(entries_[place].next_value != 0);
      place = after(place);
    }
    return place;
  }

  LazyArray<Entry> entries_;
  std::uint64_t line_count_;
  std::size_t max_entries_;
  std::size_t size_ = 0;
};

}  // namespace tradepit
