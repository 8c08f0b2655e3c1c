#pragma once
#include <array>
#include <bit>
#include <cassert>
#include <cstddef>
#include <cstdint>

#include "tradepit/flat_table.hpp"
#include "tradepit/lazy_array.hpp"
#include "tradepit/pool.hpp"
#include "tradepit/price_set.hpp"

namespace tradepit {

/// From prices to their levels, for each side of each book: a "set" is a side, even for bids, and
/// not 0.
///
/// 64 neighbouring prices are a band, which leads to each of them directly and says in one word
/// which have a level. The bands of a set are chained from the best to the worst. A small table
/// leads to those of the prices that are in use now, and a hash table to all, so that a narrow book
/// has the speed of an array and a wide one no more than the bands of its levels. The few bands
/// that ran empty last stay: where a book is thin, the next order often needs them again.
class PriceLadder {
 public:
  explicit PriceLadder(std::uint32_t max_levels) noexcept
      : bands_(max_levels + emptied_count),
        band_by_key_(max_levels + emptied_count),
        numbers_(max_levels + emptied_count),
        in_use_(in_use_count, /*has_large_pages=*/false) {}

  [[nodiscard]] std::size_t level_count() const noexcept { return level_count_; }

  /// The level of a price, or no_slot.
  [[nodiscard]] std::uint32_t find(std::uint32_t set, std::int64_t price_ticks) const noexcept {
    const std::uint64_t rank = rank_of(set, price_ticks);
    const std::uint32_t band = band_of(set, rank);
    return band == no_slot ? no_slot : bands_[band].next_level[place_of(rank)] - 1;
  }

  /// Gives a price that has none a level. `best_ticks` is the best price of the set, 0 if it is
  /// empty.
  void insert(std::uint32_t set, std::int64_t price_ticks, std::uint32_t level,
              std::int64_t best_ticks) noexcept {
    const std::uint64_t rank = rank_of(set, price_ticks);
    std::uint32_t slot = band_of(set, rank);
    if (slot == no_slot) {
      slot =
          make_band(set, rank, best_ticks == 0 ? no_slot : band_of(set, rank_of(set, best_ticks)));
    }
    in_use_[in_use_place(set, rank)] = slot;
    Band& band = bands_[slot];
    assert(band.next_level[place_of(rank)] == 0);
    band.next_level[place_of(rank)] = level + 1;
    band.bits |= bit_of(rank);
    ++level_count_;
  }

  /// Takes the level of a price away.
  void erase(std::uint32_t set, std::int64_t price_ticks) noexcept {
    const std::uint64_t rank = rank_of(set, price_ticks);
    const std::uint32_t slot = band_of(set, rank);
    Band& band = bands_[slot];
    assert(band.next_level[place_of(rank)] != 0);
    band.next_level[place_of(rank)] = 0;
    band.bits &= ~bit_of(rank);
    --level_count_;
    if (band.bits == 0 && band.is_emptied == 0) keep_emptied(slot);
  }

  /// The next level behind that of a price, seen from the touch, or no_slot.
  [[nodiscard]] std::uint32_t worse(std::uint32_t set, std::int64_t price_ticks) const noexcept {
    const std::uint64_t rank = rank_of(set, price_ticks);
    const Band* band = &bands_[band_of(set, rank)];
    std::uint64_t bits = band->bits & ~(bit_of(rank) | (bit_of(rank) - 1));
    while (bits == 0) {
      if (band->worse == no_slot) return no_slot;
      band = &bands_[band->worse];
      bits = band->bits;
    }
    return band->next_level[static_cast<std::size_t>(std::countr_zero(bits))] - 1;
  }

  /// The next level before that of a price, or no_slot.
  [[nodiscard]] std::uint32_t better(std::uint32_t set, std::int64_t price_ticks) const noexcept {
    const std::uint64_t rank = rank_of(set, price_ticks);
    const Band* band = &bands_[band_of(set, rank)];
    std::uint64_t bits = band->bits & (bit_of(rank) - 1);
    while (bits == 0) {
      if (band->better == no_slot) return no_slot;
      band = &bands_[band->better];
      bits = band->bits;
    }
    return band->next_level[static_cast<std::size_t>(63 - std::countl_zero(bits))] - 1;
  }

  /// Where the level of any price may stand, found without a branch, or no_slot: for prefetching
  /// alone.
  [[nodiscard]] std::uint32_t guess(std::uint32_t set, std::int64_t price_ticks) const noexcept {
    const std::uint64_t rank = rank_of(set, price_ticks);
    return bands_[in_use_[in_use_place(set, rank)]].next_level[place_of(rank)] - 1;
  }

  /// Verifies the bands of a set whose best price is `best_ticks`. Null, or what is broken;
  /// counts the levels.
  [[nodiscard]] const char* check(std::uint32_t set, std::int64_t best_ticks,
                                  std::uint64_t& level_count) const noexcept;

 private:
  static constexpr int rank_bits = 41;  // holds price_ticks_max = 2^40
  static constexpr int band_bits = 6;
  static constexpr int number_bits = rank_bits - band_bits;
  static constexpr std::uint64_t number_max = (std::uint64_t{1} << number_bits) - 1;
  static constexpr std::size_t band_prices = std::size_t{1} << band_bits;
  // A book's bands side by side: of one that has orders within a million ticks all are found.
  static constexpr std::size_t in_use_count = std::size_t{1} << 14;
  static constexpr std::uint32_t emptied_count = 32;

  struct Band {
    std::uint32_t better;  // band
    std::uint32_t worse;
    std::uint64_t key;  // set and number; 0 = free
    std::uint64_t bits;
    std::uint64_t is_emptied;  // one of emptied_, though it may have levels again
    std::array<std::uint32_t, band_prices> next_level;  // the level and 1; 0 = none
  };

  struct BandEntry {
    using Key = std::uint64_t;
    static constexpr int run_bits = 4;
    std::uint64_t band_key = 0;
    std::uint32_t band = 0;
    std::uint32_t unused = 0;
    [[nodiscard]] Key key() const noexcept { return band_key; }
    [[nodiscard]] static std::uint64_t home(Key key) noexcept {
      return home_in_runs<run_bits>(key & number_max, key >> number_bits);
    }
  };

  /// Orders both sides alike: a smaller rank is a better price.
  [[nodiscard]] static std::uint64_t rank_of(std::uint32_t set, std::int64_t price_ticks) noexcept {
    constexpr std::uint64_t rank_max = (std::uint64_t{1} << rank_bits) - 1;
    // rank_max - price for bids, without a branch that no processor could predict.
    const std::uint64_t flip = (std::uint64_t{set % 2} - 1) & rank_max;
    return static_cast<std::uint64_t>(price_ticks) ^ flip;
  }
  [[nodiscard]] static std::uint64_t key_of(std::uint32_t set, std::uint64_t rank) noexcept {
    return (static_cast<std::uint64_t>(set) << number_bits) | (rank >> band_bits);
  }
  [[nodiscard]] static std::size_t place_of(std::uint64_t rank) noexcept {
    return rank % band_prices;
  }
  [[nodiscard]] static std::uint64_t bit_of(std::uint64_t rank) noexcept {
    return std::uint64_t{1} << place_of(rank);
  }
  [[nodiscard]] static std::size_t in_use_place(std::uint32_t set, std::uint64_t rank) noexcept {
    return ((rank >> band_bits) + std::uint64_t{set} * 0x9E37) % in_use_count;
  }

  /// The band of a rank, or no_slot.
  [[nodiscard]] std::uint32_t band_of(std::uint32_t set, std::uint64_t rank) const noexcept {
    const std::uint32_t band = in_use_[in_use_place(set, rank)];
    const std::uint64_t key = key_of(set, rank);
    return bands_[band].key == key ? band : find_band(key);
  }
  [[nodiscard]] std::uint32_t find_band(std::uint64_t key) const noexcept;
  [[nodiscard]] std::uint32_t make_band(std::uint32_t set, std::uint64_t rank,
                                        std::uint32_t best_band) noexcept;
  void keep_emptied(std::uint32_t slot) noexcept;
  void drop_band(std::uint32_t slot) noexcept;
  [[nodiscard]] std::uint32_t head_of(std::uint32_t slot) const noexcept;

  Pool<Band> bands_;
  FlatTable<BandEntry> band_by_key_;
  PriceSet numbers_;  // of bands
  // Where a band stands, if its key says so.
  LazyArray<std::uint32_t> in_use_;
  std::array<std::uint32_t, emptied_count> next_emptied_{};  // a ring of bands and 1; 0 = none
  std::uint32_t emptied_end_ = 0;
  std::size_t level_count_ = 0;
};

}  // namespace tradepit
