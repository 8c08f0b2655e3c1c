#pragma once
// What placing and trading share: prices that an order accepts, and what it holds.
#include <algorithm>
#include <cstdint>
#include <limits>

#include "engine_state.hpp"

namespace tradepit::detail {

inline constexpr auto fills_max = static_cast<std::uint32_t>(wire::fills_per_command_max);
inline constexpr auto cancels_max = static_cast<std::uint32_t>(wire::cancels_per_command_max);

/// Whether the order names the price that triggers it.
inline bool has_trigger_price(wire::OrderType order_type) noexcept {
  return order_type == wire::OrderType::stop || order_type == wire::OrderType::stop_limit;
}

inline bool is_stop(wire::OrderType order_type) noexcept {
  return has_trigger_price(order_type) || order_type == wire::OrderType::trailing_stop;
}

/// Whether an order must name a price. A sell stop order accepts any, as a market order does.
inline bool has_price(wire::OrderType order_type, wire::Side side) noexcept {
  return order_type == wire::OrderType::stop || order_type == wire::OrderType::trailing_stop
             ? side == wire::Side::buy
             : order_type != wire::OrderType::market;
}

/// Whether an order takes part in one auction alone.
inline bool is_for_auction(wire::TimeInForce time_in_force) noexcept {
  return time_in_force == wire::TimeInForce::at_the_open ||
         time_in_force == wire::TimeInForce::at_the_close;
}

inline constexpr std::uint8_t post_only_flags =
    wire::order_flag::post_only | wire::order_flag::post_only_slide;

[[nodiscard]] std::int64_t slid_ticks(const Instrument& instrument, wire::Side side,
                                      std::int64_t price_ticks, std::int64_t best_ticks) noexcept;

/// A price that every other is better than.
inline std::int64_t any_ticks(wire::Side side) noexcept {
  return side == wire::Side::buy ? std::numeric_limits<std::int64_t>::max() : 0;
}

/// The worst price that a taker accepts. One without a price accepts any, or what the instrument's
/// protection band allows from the other side's best price (0 = there is none).
inline std::int64_t limit_ticks_of(wire::Side side, std::int64_t price_ticks,
                                   std::int64_t best_ticks,
                                   const wire::InstrumentChanged& terms) noexcept {
  if (price_ticks != 0) return price_ticks;
  if (terms.market_protection_ppm == 0 || best_ticks == 0) return any_ticks(side);
  const std::int64_t band_ticks = best_ticks * terms.market_protection_ppm / 1'000'000;
  return side == wire::Side::buy ? best_ticks + band_ticks : best_ticks - band_ticks;
}

/// `limit_ticks`, or where the circuit breaker stops the taker before that.
inline std::int64_t limit_before_breaker(wire::Side side, std::int64_t limit_ticks,
                                         const Instrument& instrument) noexcept {
  const std::int64_t breaker_ticks = instrument.breaker_ticks(side);
  return side == wire::Side::buy ? std::min(limit_ticks, breaker_ticks)
                                 : std::max(limit_ticks, breaker_ticks);
}

/// The best price of a side, or 0. An order in `gone_slot` does not count.
inline std::int64_t best_ticks_of(const Book& book, wire::Side side,
                                  std::uint32_t gone_slot = no_slot) noexcept {
  std::uint32_t level_slot = book.best(side);
  if (level_slot != no_slot && book.level(level_slot).head == gone_slot &&
      book.level(level_slot).order_count == 1) {
    level_slot = book.worse(level_slot);
  }
  return level_slot == no_slot ? 0 : book.level(level_slot).price_ticks;
}

/// Whether what does not trade at once may stay in the book.
inline bool may_rest(wire::TimeInForce time_in_force) noexcept {
  return time_in_force == wire::TimeInForce::gtc || time_in_force == wire::TimeInForce::day ||
         time_in_force == wire::TimeInForce::gtd || is_for_auction(time_in_force);
}

/// Whether an order that is placed now waits before it can trade.
inline bool is_to_wait(wire::OrderType order_type, wire::TimeInForce time_in_force,
                       const Instrument& instrument) noexcept {
  return is_stop(order_type) ||
         (time_in_force == wire::TimeInForce::at_the_close &&
          instrument.terms.trading_state != wire::TradingState::closing_auction);
}

/// Positions count no further: only a shard that has traded 2^62 lots of an instrument gets here.
inline constexpr std::int64_t position_lots_max = std::int64_t{1} << 62;

[[nodiscard]] std::int64_t trailing_ticks(wire::Side side, std::int64_t price_ticks,
                                          std::int64_t offset_ticks,
                                          std::uint16_t offset_bps) noexcept;

/// Whether an order may have a deadline or stand in one of its instrument's lists: most do not.
inline bool may_be_listed(const Order& order) noexcept {
  return order.time_in_force != wire::TimeInForce::gtc || order.flags != 0 ||
         order.order_type != wire::OrderType::limit;
}

[[nodiscard]] wire::SetInstrument command_of(const wire::InstrumentChanged& terms) noexcept;

[[nodiscard]] wire::Reason judge_state(const Instrument& instrument) noexcept;
[[nodiscard]] wire::Reason judge_state(const wire::NewOrder& command,
                                       const Instrument& instrument) noexcept;

/// What an order reserves for fees: the larger of the two.
inline std::uint32_t hold_fee_ppm(const wire::FeeTerms& fees) noexcept {
  return std::max(fees.taker_fee_ppm, static_cast<std::uint32_t>(std::max(fees.maker_fee_ppm, 0)));
}

inline wire::FeeTerms fees_of(const Order& order) noexcept {
  wire::FeeTerms fees;
  fees.maker_fee_ppm = order.maker_fee_ppm;
  fees.taker_fee_ppm = order.taker_fee_ppm;
  return fees;
}

inline void set_fees(Order& order, const wire::FeeTerms& fees) noexcept {
  static_assert(wire::fee_ppm_max < (1 << 17));  // fits, whatever the compiler thinks
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wconversion"
  order.maker_fee_ppm = fees.maker_fee_ppm;
  order.taker_fee_ppm = fees.taker_fee_ppm;
#pragma GCC diagnostic pop
}

[[nodiscard]] bool are_fees_sound(const wire::FeeTerms& fees, std::span<const wire::FeeTerms> tiers,
                                  std::int64_t largest_notional) noexcept;

/// How many of the open lots the book shows when the order comes to the back of its level.
inline std::int64_t part_lots(const Order& order, const OrderTerms& terms) noexcept {
  return terms.display_quantity_lots == 0
             ? order.open_lots()
             : std::min(order.open_lots(), terms.display_quantity_lots);
}

/// What `open_lots` of the order hold, in the asset that hold_asset_id() names.
inline std::int64_t hold_units(const Order& order, std::int64_t open_lots,
                               const wire::InstrumentChanged& terms) noexcept {
  if (order.side == wire::Side::sell) return open_lots * terms.lot_size_units;
  return buy_hold_units(order.price_ticks, open_lots, terms.tick_lot_units,
                        hold_fee_ppm(fees_of(order)));
}

inline std::uint32_t hold_asset_id(wire::Side side, const wire::InstrumentChanged& terms) noexcept {
  return side == wire::Side::sell ? terms.base_asset_id : terms.quote_asset_id;
}

}  // namespace tradepit::detail
