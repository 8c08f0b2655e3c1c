#include "tradepit/price_ladder.hpp"

namespace tradepit {

std::uint32_t PriceLadder::find_band(std::uint64_t key) const noexcept {
  const BandEntry* const entry = band_by_key_.find(key);
  return entry == nullptr ? no_slot : entry->band;
}

std::uint32_t PriceLadder::make_band(std::uint32_t set, std::uint64_t rank,
                                     std::uint32_t best_band) noexcept {
  const std::uint64_t number = rank >> band_bits;
  const std::uint32_t slot = bands_.take();
  std::uint32_t better = no_slot;
  std::uint32_t worse = best_band;
  if (best_band != no_slot && bands_[best_band].key < key_of(set, rank)) {
    better = find_band(key_of(set, *numbers_.below(set, number) << band_bits));
    worse = bands_[better].worse;
  }
  // A free band has no levels left.
  Band& band = bands_[slot];
  band.better = better;
  band.worse = worse;
  band.key = key_of(set, rank);
  if (better != no_slot) bands_[better].worse = slot;
  if (worse != no_slot) bands_[worse].better = slot;
  band_by_key_.insert({band.key, slot, 0});
  numbers_.insert(set, number);
  return slot;
}

void PriceLadder::drop_band(std::uint32_t set, std::uint64_t rank, std::uint32_t slot) noexcept {
  Band& band = bands_[slot];
  if (band.better != no_slot) bands_[band.better].worse = band.worse;
  if (band.worse != no_slot) bands_[band.worse].better = band.better;
  band_by_key_.erase(band.key);
  numbers_.erase(set, rank >> band_bits);
  band.key = 0;
  bands_.release(slot);
}

const char* PriceLadder::check(std::uint32_t set, std::int64_t best_ticks,
                               std::uint64_t& level_count) const noexcept {
  std::uint32_t better = no_slot;
  for (std::uint32_t slot = band_of(set, rank_of(set, best_ticks)); slot != no_slot;
       slot = bands_[slot].worse) {
    const Band& band = bands_[slot];
    if (band.key >> (rank_bits - band_bits) != set) return "a band belongs to another side";
    if (band.better != better) return "a band's link to the better one is wrong";
    if (better != no_slot && bands_[better].key >= band.key) return "bands are out of order";
    if (find_band(band.key) != slot) return "a price leads to a wrong band";
    const std::uint64_t number = band.key & ((std::uint64_t{1} << (rank_bits - band_bits)) - 1);
    const auto below = numbers_.below(set, number);
    if (below.has_value() != (better != no_slot) ||
        (below && key_of(set, *below << band_bits) != bands_[better].key)) {
      return "the set of bands misses one";
    }
    if (band.bits == 0) return "an empty band stays";
    for (std::size_t place = 0; place < band_prices; ++place) {
      const bool has_level = (band.bits >> place & 1) != 0;
      if (has_level != (band.next_level[place] != 0)) return "a band's bits are not its levels";
      level_count += has_level ? 1 : 0;
    }
    better = slot;
  }
  return nullptr;
}

}  // namespace tradepit
