#include "tradepit/units.hpp"

namespace tradepit {

std::int64_t tick_lot_units_of(std::int64_t tick_size, std::int64_t lot_size_units,
                               int price_decimals, int base_decimals, int quote_decimals) noexcept {
  // tick_size * 10^-price_decimals quote units for a whole base unit, times lot_size_units *
  // 10^-base_decimals base units, in steps of 10^-quote_decimals.
  int128 units = static_cast<int128>(tick_size) * lot_size_units;
  for (int exponent = quote_decimals - price_decimals - base_decimals; exponent > 0; --exponent) {
    if (units > wire::units_max) return 0;
    units *= 10;
  }
  for (int exponent = quote_decimals - price_decimals - base_decimals; exponent < 0; ++exponent) {
    if (units % 10 != 0) return 0;
    units /= 10;
  }
  return units >= 1 && units <= wire::units_max ? static_cast<std::int64_t>(units) : 0;
}

}  // namespace tradepit
