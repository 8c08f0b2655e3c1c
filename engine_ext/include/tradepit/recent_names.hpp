#pragma once
#include <algorithm>
#include <array>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>

#include "tradepit/flat_table.hpp"
#include "tradepit/lazy_array.hpp"

namespace tradepit {

/// A client order id (0 = none) and whose it is.
struct OrderName {
  std::uint64_t client_order_id = 0;
  std::uint32_t account_index = 0;
  friend bool operator==(const OrderName&, const OrderName&) = default;
};

/// From the names of the last N orders to their numbers, in 4 bytes an entry: the low bits of the
/// number, and some of a hash of the name. Whoever asks compares the name itself, which stands
/// where the number leads.
///
/// An entry says by its number how old it is. Nothing is ever removed: a new entry takes the place
/// of one that is too old, and one line of the table after the other is swept, so that no entry
/// grows so old that it would look young again.
///
/// Neighbouring ids of an account share a cache line. An entry that finds its line full of young
/// ones goes to the next, and leaves its number as a note that one must look there as well.
class RecentNames {
 public:
  /// Of the last `max_recent` orders, at most 2^30.
  explicit RecentNames(std::uint32_t max_recent) noexcept
      : lines_(max_recent / line_load + 1),
        max_recent_(max_recent),
        stamp_bits_(static_cast<int>(std::bit_width(std::bit_ceil(max_recent))) + 1),
        stamp_mask_(static_cast<std::uint32_t>((std::uint64_t{1} << stamp_bits_) - 1)),
        numbers_a_line_(
            std::max<std::uint64_t>(max_recent / static_cast<std::uint64_t>(lines_.count()), 1)),
        stamp_(max_recent) {
    assert(stamp_bits_ <= 32);
  }

  /// The number of the recent order with this name for which `is_it(number)` holds, or 0.
  template <typename IsIt>
  [[nodiscard]] std::uint64_t find(OrderName name, IsIt is_it) const noexcept {
    const std::uint64_t hash = hash_of(name);
    const std::uint32_t tag = tag_of(hash, name);
    for (std::size_t at = line_of(hash);; at = after(at)) {
      const Line& line = lines_[at];
      std::uint32_t found = entries_where(
          line, [&](const Words& words) { return ((words ^ tag) & ~stamp_mask_) == 0; });
      for (; found != 0; found &= found - 1) {
        const std::uint32_t age =
            age_of(line.word(static_cast<std::size_t>(std::countr_zero(found))));
        if (age < max_recent_ && is_it(last_number_ - age)) {
          return last_number_ - age;
        }
      }
      if (age_of(line.word(note_place)) >= max_recent_) return 0;
    }
  }

  /// Asks for the memory of a name ahead of its use.
  void prefetch(OrderName name) const noexcept {
    const std::size_t line = line_of(hash_of(name));
    lines_.prefetch(line);
    lines_.prefetch(after(line));
  }

  /// Adds the name of the last order.
  void insert(OrderName name) noexcept {
    const std::uint64_t hash = hash_of(name);
    for (std::size_t at = line_of(hash);; at = after(at)) {
      Line& line = lines_[at];
      const std::uint32_t old = entries_where(line, [&](const Words& words) {
        return ((stamp_ - words) & stamp_mask_) >= max_recent_;
      });
      if (old != 0) {
        line.set(static_cast<std::size_t>(std::countr_zero(old)), tag_of(hash, name) | stamp_);
        return;
      }
      line.set(note_place, stamp_);
    }
  }

  /// Whether a name is the first of those that share a line.
  [[nodiscard]] static bool is_first_of_line(std::uint64_t client_order_id) noexcept {
    return client_order_id % run_names == 0;
  }

  /// The next order has been accepted: the oldest one is recent no longer.
  void advance() noexcept {
    ++last_number_;
    stamp_ = (stamp_ + 1) & stamp_mask_;
    if (last_number_ % numbers_a_line_ != 0) return;
    sweep(lines_[swept_]);
    swept_ = after(swept_);
    lines_.prefetch(swept_);
  }

  /// For restore, before anything else: as if `last_number` orders had been accepted, none of them
  /// recent.
  void begin_at(std::uint64_t last_number) noexcept { last_number_ = last_number; }

 private:
  static constexpr std::size_t line_words = 16;
  static constexpr std::size_t line_entries = line_words - 1;
  static constexpr std::size_t note_place = line_entries;
  static constexpr std::uint32_t line_load = 11;  // entries of 15: more would often overflow
  static constexpr std::uint64_t run_names = 8;

  // What every processor can compare at once.
  static constexpr std::size_t group_words = 4;
  using Words [[gnu::vector_size(group_words * sizeof(std::uint32_t))]] = std::uint32_t;

  struct alignas(64) Line {
    std::array<Words, line_words / group_words> groups;

    [[nodiscard]] std::uint32_t word(std::size_t place) const noexcept {
      return groups[place / group_words][place % group_words];
    }
    void set(std::size_t place, std::uint32_t word) noexcept {
      groups[place / group_words][place % group_words] = word;
    }
  };
  static_assert(sizeof(Line) == 64);

  /// One bit for each entry of a line for which `test`, asked for a group of words at once, holds.
  template <typename Test>
  [[nodiscard]] static std::uint32_t entries_where(const Line& line, Test test) noexcept {
    Words bits{1, 2, 4, 8};
    Words found{};
    for (const Words& words : line.groups) {
      found |= reinterpret_cast<Words>(test(words)) & bits;
      bits <<= group_words;
    }
    const std::uint32_t all = found[0] | found[1] | found[2] | found[3];
    return all & ~(1U << note_place);
  }

  [[nodiscard]] static std::uint64_t hash_of(OrderName name) noexcept {
    return mix_bits(name.client_order_id / run_names +
                    (name.account_index + std::uint64_t{1}) * 0x9E3779B97F4A7C15);
  }
  [[nodiscard]] std::size_t line_of(std::uint64_t hash) const noexcept {
    return static_cast<std::size_t>(((hash >> 32) * lines_.count()) >> 32);
  }
  /// The names of a run have tags that differ.
  [[nodiscard]] std::uint32_t tag_of(std::uint64_t hash, OrderName name) const noexcept {
    const std::uint64_t tag = hash << 3 | name.client_order_id % run_names;
    return static_cast<std::uint32_t>(tag << stamp_bits_);
  }
  [[nodiscard]] std::size_t after(std::size_t line) const noexcept {
    return line + 1 == lines_.count() ? 0 : line + 1;
  }
  [[nodiscard]] std::uint32_t age_of(std::uint32_t word) const noexcept {
    return (stamp_ - word) & stamp_mask_;
  }

  void sweep(Line& line) noexcept {
    const std::uint32_t oldest = (stamp_ - max_recent_) & stamp_mask_;
    for (Words& words : line.groups) {
      words = ((stamp_ - words) & stamp_mask_) >= max_recent_ ? Words{} + oldest : words;
    }
  }

  LazyArray<Line> lines_;
  std::uint32_t max_recent_;
  int stamp_bits_;  // room for four times as many numbers as are recent
  std::uint32_t stamp_mask_;
  std::uint64_t numbers_a_line_;  // all lines are swept while max_recent_ orders come
  std::uint64_t last_number_ = 0;
  // The low bits of the last number, shifted so that the table, which is all zero at first, is full
  // of entries that are too old.
  std::uint32_t stamp_;
  std::size_t swept_ = 0;
};

}  // namespace tradepit
