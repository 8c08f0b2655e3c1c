#pragma once
#include <bit>
#include <cstdint>
#include <optional>

#include "tradepit/flat_table.hpp"

namespace tradepit {

/// Sets of ranks, one set for each side of each book, that find the neighbour of a rank.
///
/// A set is a tree of 64-bit words: a bit of a word of height 0 is a rank, a bit of a word above is
/// a word below that is not empty. Only words that are not empty exist, in one hash table, so that
/// a narrow book stays in a few cache lines and a wide one costs no more than its levels.
class PriceSet {
 public:
  static constexpr int rank_bits = 35;

  PriceSet() noexcept = default;
  explicit PriceSet(std::uint32_t max_ranks) noexcept
      : words_(static_cast<std::size_t>(max_ranks) * heights) {}

  /// Adds a rank that is not in the set.
  void insert(std::uint32_t set, std::uint64_t rank) noexcept {
    for (int height = 0; height < heights; ++height) {
      const std::uint64_t key = word_key(set, height, rank);
      Word& word = words_.find_or_insert(key, [key] { return Word{key, 0}; });
      const bool was_empty = word.bits == 0;
      word.bits |= std::uint64_t{1} << bit_of(rank, height);
      if (!was_empty) return;  // the words above know of this one
    }
  }

  /// Removes a rank that is in the set.
  void erase(std::uint32_t set, std::uint64_t rank) noexcept {
    for (int height = 0; height < heights; ++height) {
      const std::uint64_t key = word_key(set, height, rank);
      Word& word = *words_.find(key);
      word.bits &= ~(std::uint64_t{1} << bit_of(rank, height));
      if (word.bits != 0) return;
      words_.erase(key);
    }
  }

  /// The largest rank of the set below `rank`.
  [[nodiscard]] std::optional<std::uint64_t> below(std::uint32_t set,
                                                   std::uint64_t rank) const noexcept {
    for (int height = 0; height < heights; ++height) {
      const Word* const word = words_.find(word_key(set, height, rank));
      if (word == nullptr) continue;
      const std::uint64_t lower = word->bits & ((std::uint64_t{1} << bit_of(rank, height)) - 1);
      if (lower != 0) return largest_under(set, height, rank, lower);
    }
    return std::nullopt;
  }

 private:
  static constexpr int heights = (rank_bits + 5) / 6;

  struct Word {
    using Key = std::uint64_t;
    static constexpr int run_bits = 4;
    std::uint64_t word_key = 0;  // set, height, and the bits of the rank above the word's own
    std::uint64_t bits = 0;
    [[nodiscard]] Key key() const noexcept { return word_key; }
    [[nodiscard]] static std::uint64_t home(Key key) noexcept {
      return home_in_runs<run_bits>(key & 0xFFFFFFFFFF, key >> 40);
    }
  };

  [[nodiscard]] static int bit_of(std::uint64_t rank, int height) noexcept {
    return static_cast<int>((rank >> (6 * height)) & 63);
  }
  [[nodiscard]] static std::uint64_t word_key(std::uint32_t set, int height,
                                              std::uint64_t rank) noexcept {
    return (static_cast<std::uint64_t>(set) << 40) | (static_cast<std::uint64_t>(height) << 36) |
           (rank >> (6 * (height + 1)));
  }

  /// The largest rank under the highest bit of `bits`, a part of the word over `rank` at `height`.
  [[nodiscard]] std::uint64_t largest_under(std::uint32_t set, int height, std::uint64_t rank,
                                            std::uint64_t bits) const noexcept {
    std::uint64_t found = rank >> (6 * (height + 1));
    for (;;) {
      found = (found << 6) | static_cast<std::uint64_t>(63 - std::countl_zero(bits));
      if (height == 0) return found;
      --height;
      bits = words_.find(word_key(set, height, found << (6 * (height + 1))))->bits;
    }
  }

  FlatTable<Word> words_;
};

}  // namespace tradepit
