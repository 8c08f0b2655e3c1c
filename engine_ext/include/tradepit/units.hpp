#pragma once
#include <cassert>
#include <cstdint>

#include "tradepit/wire.hpp"

namespace tradepit {

__extension__ using int128 = __int128;

inline constexpr std::int64_t millionths = 1'000'000;

/// The ids of orders and trades: the shard's, and a number that counts from 1 in it.
inline constexpr int id_number_bits = 48;
[[nodiscard]] constexpr std::uint64_t make_id(std::uint32_t shard_id,
                                              std::uint64_t number) noexcept {
  return std::uint64_t{shard_id} << id_number_bits | number;
}
[[nodiscard]] constexpr std::uint64_t number_of_id(std::uint64_t id) noexcept {
  return id & ((std::uint64_t{1} << id_number_bits) - 1);
}

/// Price times quantity in the quote asset's smallest unit. SetInstrument admits no limits under
/// which it could pass units_max, so a larger one is a fault of ours.
[[nodiscard]] inline std::int64_t notional_units(std::int64_t price_ticks,
                                                 std::int64_t quantity_lots,
                                                 std::int64_t tick_lot_units) noexcept {
  const int128 product = static_cast<int128>(price_ticks) * quantity_lots * tick_lot_units;
  assert(product >= 0 && product < wire::units_max);
  return static_cast<std::int64_t>(product);
}

/// The fee on a notional, rounded down; a rebate (negative) is rounded towards zero. Splitting off
/// the whole millions keeps it within 64 bits.
[[nodiscard]] constexpr std::int64_t fee_units(std::int64_t notional, std::int64_t ppm) noexcept {
  return notional / millionths * ppm + notional % millionths * ppm / millionths;
}

/// What a buy order holds: its notional and the larger of the two fees.
[[nodiscard]] inline std::int64_t buy_hold_units(std::int64_t price_ticks, std::int64_t open_lots,
                                                 std::int64_t tick_lot_units,
                                                 std::uint32_t fee_ppm) noexcept {
  const std::int64_t notional = notional_units(price_ticks, open_lots, tick_lot_units);
  return notional + fee_units(notional, fee_ppm);
}

/// One tick times one lot in the quote asset's smallest unit, or 0 if that is not a whole number
/// from 1 to units_max. All arguments lie within the limits of SetInstrument.
[[nodiscard]] std::int64_t tick_lot_units_of(std::int64_t tick_size, std::int64_t lot_size_units,
                                             int price_decimals, int base_decimals,
                                             int quote_decimals) noexcept;

}  // namespace tradepit
