#pragma once
// An instrument: its terms, its trading state, its books and the lists of its orders.
#include <algorithm>
#include <cstdint>
#include <limits>
#include <span>

#include "tradepit/book.hpp"
#include "tradepit/order_list.hpp"
#include "tradepit/units.hpp"

namespace tradepit::detail {

/// What the fee tiers from 1 on pay; those behind the last pay as tier 0.
struct FeeTiers {
  wire::FeeTerms items[wire::SetFeeSchedule::repeated_max];
  std::uint32_t count = 0;

  [[nodiscard]] std::span<const wire::FeeTerms> set() const noexcept { return {items, count}; }
};

/// Which prices an order may name: from each band on, the multiples of its step.
struct TickTable {
  wire::PriceBand items[wire::SetTickTable::repeated_max];
  std::uint32_t count = 0;

  [[nodiscard]] std::span<const wire::PriceBand> set() const noexcept { return {items, count}; }
  [[nodiscard]] bool is_sound() const noexcept;
  [[nodiscard]] std::int64_t step_at(std::int64_t price_ticks) const noexcept;
};

/// A trading state, and when the next one begins: next_state 0 = when told.
struct StateChange {
  std::int64_t end_time_ns;
  wire::TradingState state;
  wire::TradingState next_state;
};

/// What an auction would do: price_ticks 0 = nothing.
struct Auction {
  std::int64_t price_ticks = 0;
  std::int64_t volume_lots = 0;
  std::int64_t surplus_lots = 0;  // of buys over sells, at that price

  [[nodiscard]] wire::Side surplus_side() const noexcept {
    return surplus_lots == 0 ? wire::Side{} : surplus_lots > 0 ? wire::Side::buy : wire::Side::sell;
  }
};

/// Which trading state begins at which time of the week.
struct Calendar {
  wire::CalendarEntry items[wire::SetCalendar::repeated_max];
  std::uint32_t count = 0;

  [[nodiscard]] std::span<const wire::CalendarEntry> set() const noexcept { return {items, count}; }
  [[nodiscard]] bool is_sound() const noexcept;
  [[nodiscard]] const wire::CalendarEntry& last_at(std::int64_t time_ns) const noexcept;
  [[nodiscard]] std::int64_t next_after(std::int64_t time_ns) const noexcept;
};

/// When an account's quotes are pulled, and how far it is. Snapshots hold it as it is.
struct QuoteProtection {
  std::int64_t window_ns;
  std::int64_t filled_lots_max;  // 0 = any
  std::int64_t window_begin_ns;
  std::int64_t filled_lots;      // in the window
  std::uint64_t fill_count;      // in the window, which has begun with the first
  std::uint32_t fill_count_max;  // 0 = any
  std::uint32_t account_index;
  std::uint32_t is_pulled;
  std::uint32_t is_due;  // the command at work has reached the limit
};

struct Instrument {
  explicit Instrument(BookStore& store, const wire::InstrumentChanged& as_listed) noexcept
      : terms(as_listed),
        change{0, as_listed.trading_state, {}},
        book(store, as_listed.instrument_id),
        stops(store, as_listed.instrument_id + instruments_end),
        closing(store, as_listed.instrument_id + 2 * instruments_end) {}

  /// instrument_id stays below; the books of waiting orders have the ids from here.
  static constexpr std::uint32_t instruments_end = 1U << 19;

  wire::InstrumentChanged terms;         // as the last SetInstrument left it
  StateChange change;                    // as the last change of state left it, or will leave it
  std::int64_t uncross_price_ticks = 0;  // of an auction whose trades are not all made; 0 = none
  FeeTiers fee_tiers;
  TickTable tick_table;
  Calendar calendar;
  Book book;
  std::uint64_t touched_seq = 0;  // last command that changed the book

  OrderList day_orders;
  OrderList opening_orders;                 // at the open
  OrderList closing_orders;                 // at the close
  std::uint32_t closing_resting_count = 0;  // of them, in the book
  OrderList trailing_stops;                 // that wait
  OrderList pegged_orders;
  OrderList activating;  // pending orders whose first is filled; of two the older
  OrderList quotes;      // of every account, by the links that pegged orders have

  /// The account's protection, or null.
  [[nodiscard]] QuoteProtection* protection_of(std::uint32_t account_index) noexcept;
  std::uint32_t reduce_only_count = 0;  // of all open orders

  Book stops;                         // waiting orders, by trigger price; see EngineState::wait
  Book closing;                       // orders that wait for the closing auction, as in the book
  std::int64_t last_price_ticks = 0;  // of the last trade; 0 = none yet
  // The prices between which trades may have reached waiting orders that are still waiting.
  std::int64_t reached_low_ticks = std::numeric_limits<std::int64_t>::max();
  std::int64_t reached_high_ticks = 0;

  [[nodiscard]] wire::FeeTerms fees_of(std::uint8_t tier) const noexcept {
    if (tier != 0 && tier <= fee_tiers.count) return fee_tiers.items[tier - 1];
    return {terms.maker_fee_ppm, terms.taker_fee_ppm};
  }
  /// The farthest price from the reference price at which a taker trades without an auction.
  [[nodiscard]] std::int64_t breaker_ticks(wire::Side taker_side) const noexcept {
    if (terms.breaker_ppm == 0 || terms.reference_price_ticks == 0) {
      return taker_side == wire::Side::buy ? wire::price_ticks_max : 0;
    }
    return beyond(terms.reference_price_ticks, terms.breaker_ppm, taker_side);
  }
  /// Whether the collars allow this price. Orders that wait are not measured by the last price.
  [[nodiscard]] bool is_within_collars(wire::Side side, std::int64_t price_ticks,
                                       bool is_to_wait) const noexcept {
    const std::int64_t reference_ticks = terms.reference_price_ticks;
    if (terms.static_collar_ppm != 0 && reference_ticks != 0 &&
        (price_ticks > beyond(reference_ticks, terms.static_collar_ppm, wire::Side::buy) ||
         price_ticks < beyond(reference_ticks, terms.static_collar_ppm, wire::Side::sell))) {
      return false;
    }
    if (terms.dynamic_collar_ppm == 0 || last_price_ticks == 0 || is_to_wait) return true;
    const std::int64_t bound_ticks = beyond(last_price_ticks, terms.dynamic_collar_ppm, side);
    return side == wire::Side::buy ? price_ticks <= bound_ticks : price_ticks >= bound_ticks;
  }
  /// A price and this share of it more for a buy, less for a sell.
  [[nodiscard]] static std::int64_t beyond(std::int64_t price_ticks, std::uint32_t ppm,
                                           wire::Side side) noexcept {
    const std::int64_t share_ticks = price_ticks * ppm / millionths;
    return side == wire::Side::buy ? price_ticks + share_ticks : price_ticks - share_ticks;
  }
  /// Whether orders trade as they come.
  [[nodiscard]] bool is_continuous() const noexcept {
    return terms.trading_state == wire::TradingState::continuous;
  }
  [[nodiscard]] bool is_pro_rata() const noexcept {
    return terms.allocation == wire::Allocation::pro_rata;
  }
  [[nodiscard]] bool is_auction() const noexcept {
    return terms.trading_state >= wire::TradingState::opening_auction &&
           terms.trading_state <= wire::TradingState::closing_auction;
  }
  /// The price near which an auction should be; 0 = any.
  [[nodiscard]] std::int64_t auction_reference_ticks() const noexcept {
    return last_price_ticks != 0 ? last_price_ticks : terms.reference_price_ticks;
  }
  /// Whether an order may name this price.
  [[nodiscard]] bool is_price(std::int64_t price_ticks) const noexcept {
    return price_ticks >= terms.price_ticks_min && price_ticks <= terms.price_ticks_max &&
           (tick_table.count == 0 || price_ticks % tick_table.step_at(price_ticks) == 0);
  }
  /// The price nearest to `price_ticks` that an order may name and that is no better for the other
  /// side: for a buy at most that, for a sell at least that. 0 if there is none.
  [[nodiscard]] std::int64_t nearest_price(wire::Side side,
                                           std::int64_t price_ticks) const noexcept;
  /// Whether an order with a price may be worth this much.
  [[nodiscard]] bool is_notional(std::int64_t price_ticks,
                                 std::int64_t quantity_lots) const noexcept {
    if (terms.notional_units_min == 0 && terms.notional_units_max == 0) return true;
    const std::int64_t units = notional_units(price_ticks, quantity_lots, terms.tick_lot_units);
    return units >= terms.notional_units_min &&
           (terms.notional_units_max == 0 || units <= terms.notional_units_max);
  }
  void reach(std::int64_t price_ticks) noexcept {
    last_price_ticks = price_ticks;
    reached_low_ticks = std::min(reached_low_ticks, price_ticks);
    reached_high_ticks = std::max(reached_high_ticks, price_ticks);
  }
  void forget_reached() noexcept {
    reached_low_ticks = std::numeric_limits<std::int64_t>::max();
    reached_high_ticks = 0;
  }

  // Behind all that trading looks at.
  std::uint32_t protection_count = 0;
  QuoteProtection protections[wire::quote_protections_max];
};

}  // namespace tradepit::detail
