#include "tradepit/price_ladder.hpp"

namespace tradepit {

std::uint32_t PriceLadder::find_band(std::uint64_t key) const noexcept {
  const BandEntry* const entry = band_by_key_.find(key);
  return entry == nullptr ? no_slot : entry->band;
}

/// The best band of the set of a band.
std::uint32_t PriceLadder::head_of(std::uint32_t slot) const noexcept {
  while (bands_[slot].better != no_slot) slot = bands_[slot].better;
  return slot;
}

std::uint32_t PriceLadder::make_band(std::uint32_t set, std::uint64_t rank,
                                     std::uint32_t best_band) noexcept {
  const std::uint64_t number = rank >> band_bits;
  std::uint32_t better = no_slot;
  std::uint32_t worse = no_slot;
  if (const auto below = numbers_.below(set, number); below) {
    better = find_band(key_of(set, *below << band_bits));
    worse = bands_[better].worse;
  } else if (best_band != no_slot) {
    worse = head_of(best_band);
  } else if (const auto last = numbers_.below(set, number_max); last) {
    worse = head_of(find_band(key_of(set, *last << band_bits)));  // all of them are empty
  }
  // A free band has no levels left.
  const std::uint32_t slot = bands_.take();
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

/// The band that ran empty longest ago makes room, and goes if it is empty still.
void PriceLadder::keep_emptied(std::uint32_t slot) noexcept {
  std::uint32_t& place = next_emptied_[emptied_end_++ % emptied_count];
  if (place != 0) {
    const std::uint32_t old_slot = place - 1;
    bands_[old_slot].is_emptied = 0;
    if (bands_[old_slot].bits == 0) drop_band(old_slot);
  }
  place = slot + 1;
  bands_[slot].is_emptied = 1;
}

void PriceLadder::drop_band(std::uint32_t slot) noexcept {
  Band& band = bands_[slot];
  if (band.better != no_slot) bands_[band.better].worse = band.worse;
  if (band.worse != no_slot) bands_[band.worse].better = band.better;
  band_by_key_.erase(band.key);
  numbers_.erase(static_cast<std::uint32_t>(band.key >> number_bits), band.key & number_max);
  band.key = 0;
  bands_.release(slot);
}

const char* PriceLadder::check(std::uint32_t set, std::int64_t best_ticks,
                               std::uint64_t& level_count) const noexcept {
  std::uint32_t better = no_slot;
  const std::uint32_t best_band = band_of(set, rank_of(set, best_ticks));
  for (std::uint32_t slot = head_of(best_band); slot != no_slot; slot = bands_[slot].worse) {
    const Band& band = bands_[slot];
    if (band.key >> number_bits != set) return "a band belongs to another side";
    if (band.better != better) return "a band's link to the better one is wrong";
    if (better != no_slot && bands_[better].key >= band.key) return "bands are out of order";
    if (find_band(band.key) != slot) return "a price leads to a wrong band";
    const auto below = numbers_.below(set, band.key & number_max);
    if (below.has_value() != (better != no_slot) ||
        (below && key_of(set, *below << band_bits) != bands_[better].key)) {
      return "the set of bands misses one";
    }
    if (band.bits == 0 && band.is_emptied == 0) return "an empty band stays";
    if (band.bits != 0 && band.key < bands_[best_band].key)
      return "a level is better than the best";
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
