// Orders whose price follows others: trailing stops follow the trades, pegged orders the best
// prices.
#include "engine_rules.hpp"
#include "engine_state.hpp"

namespace tradepit::detail {
namespace {

using wire::OrderType;
using wire::PegReference;
using wire::Side;

constexpr std::int64_t bps_in_all = 10'000;

}  // namespace

/// Where a trailing stop order triggers after a trade at this price: its distance away, at least
/// one tick, and always at a possible price.
std::int64_t trailing_ticks(Side side, std::int64_t price_ticks, std::int64_t offset_ticks,
                            std::uint16_t offset_bps) noexcept {
  const std::int64_t distance_ticks = std::max<std::int64_t>(
      offset_ticks != 0 ? offset_ticks : price_ticks * offset_bps / bps_in_all, 1);
  return side == Side::buy ? std::min(price_ticks + distance_ticks, wire::price_ticks_max)
                           : std::max<std::int64_t>(price_ticks - distance_ticks, 1);
}

/// Lets trailing stop orders follow the trades since the last time: sells the highest price, buys
/// the lowest. True if the last trade reaches one of them where it is now.
bool EngineState::follow_trades(Instrument& instrument) noexcept {
  const std::int64_t high_ticks = instrument.reached_high_ticks;
  const std::int64_t low_ticks = instrument.reached_low_ticks;
  instrument.forget_reached();
  if (high_ticks == 0) return false;
  bool is_reached = false;
  for (std::uint32_t slot = instrument.trailing_stops.oldest; slot != no_slot;
       slot = follower_links[slot].younger) {
    const Order& order = orders[slot];
    OrderTerms& own = order_terms[order.terms_slot];
    const bool is_buy = order.side == Side::buy;
    const std::int64_t trigger_ticks = trailing_ticks(order.side, is_buy ? low_ticks : high_ticks,
                                                      own.offset_ticks, own.trail_offset_bps);
    if (is_buy ? trigger_ticks < own.trigger_price_ticks
               : trigger_ticks > own.trigger_price_ticks) {
      instrument.stops.unlink(slot);
      own.trigger_price_ticks = trigger_ticks;
      instrument.stops.rest(slot, opposite(order.side), trigger_ticks, order.open_lots());
    }
    const std::int64_t last_ticks = instrument.last_price_ticks;
    is_reached |=
        is_buy ? last_ticks >= own.trigger_price_ticks : last_ticks <= own.trigger_price_ticks;
  }
  if (is_reached) instrument.reach(instrument.last_price_ticks);
  return is_reached;
}

/// The best price of a side that an order names which is not pegged, or 0. One in `gone_slot` does
/// not count.
std::int64_t EngineState::best_unpegged_ticks(const Book& book, Side side,
                                              std::uint32_t gone_slot) const noexcept {
  for (std::uint32_t level_slot = book.best(side); level_slot != no_slot;
       level_slot = book.worse(level_slot)) {
    for (std::uint32_t slot = book.level(level_slot).head; slot != no_slot;
         slot = store.orders[slot].next) {
      if (slot != gone_slot && orders[slot].order_type != OrderType::pegged) {
        return book.level(level_slot).price_ticks;
      }
    }
  }
  return 0;
}

/// Where a pegged order should rest now: its reference and its offset, up to its own price, and
/// where it does not trade. 0 if there is no such price.
std::int64_t EngineState::pegged_ticks(const Instrument& instrument, const Order& order,
                                       const OrderTerms& own,
                                       std::uint32_t gone_slot) const noexcept {
  const Book& book = instrument.book;
  const bool is_buy = order.side == Side::buy;
  std::int64_t price_ticks = 0;
  if (own.peg_reference == PegReference::middle) {
    const std::int64_t bid_ticks = best_unpegged_ticks(book, Side::buy, gone_slot);
    const std::int64_t ask_ticks = best_unpegged_ticks(book, Side::sell, gone_slot);
    if (bid_ticks == 0 || ask_ticks == 0) return 0;
    price_ticks = (bid_ticks + ask_ticks + (is_buy ? 0 : 1)) / 2;
  } else {
    const bool is_bid = own.peg_reference == PegReference::best_bid;
    price_ticks = best_unpegged_ticks(book, is_bid ? Side::buy : Side::sell, gone_slot);
    if (price_ticks == 0) return 0;
  }
  price_ticks += own.offset_ticks;
  price_ticks =
      is_buy ? std::min(price_ticks, order.price_ticks) : std::max(price_ticks, order.price_ticks);
  const std::int64_t other_ticks = best_ticks_of(book, opposite(order.side), gone_slot);
  if (other_ticks != 0) {
    price_ticks =
        is_buy ? std::min(price_ticks, other_ticks - 1) : std::max(price_ticks, other_ticks + 1);
  }
  return instrument.nearest_price(order.side, price_ticks);
}

/// Puts a pegged order that is in no book to rest at a price, and says so. Its funds are held.
void EngineState::rest_pegged(std::uint32_t order_slot, std::int64_t price_ticks,
                              Instrument& instrument) noexcept {
  const Order& order = orders[order_slot];
  order_terms[order.terms_slot].resting_ticks = price_ticks;
  instrument.book.rest(order_slot, order.side, price_ticks, order.open_lots());
  accounts[order.account_index].changed_seq = seq;

  wire::OrderReplaced event;
  event.seq = seq;
  event.time_ns = time_ns;
  event.order_id = order.order_id;
  event.account_id = accounts[order.account_index].account_id;
  event.client_order_id = order.client_order_id;
  event.price_ticks = price_ticks;
  event.quantity_lots = order.quantity_lots;
  event.filled_lots = order.filled_lots;
  event.instrument_id = order.instrument_id;
  event.side = order.side;
  event.flags = wire::replace_flag::pegged;
  emit(event);
  if (reports_ != nullptr) answer(report_of(order, wire::ExecutionKind::replaced));
}

/// After a command that changed the book: moves the pegged orders that no longer rest where they
/// should, the oldest first, each to the back of its new price. One without a price stays.
void EngineState::follow_best_prices(Instrument& instrument) noexcept {
  is_cascade_ = true;
  for (std::uint32_t slot = instrument.pegged_orders.oldest; slot != no_slot;
       slot = follower_links[slot].younger) {
    const Order& order = orders[slot];
    const OrderTerms& own = terms_of(order);
    const std::int64_t price_ticks = pegged_ticks(instrument, order, own, no_slot);
    if (price_ticks == 0 || price_ticks == own.resting_ticks) continue;
    instrument.book.unlink(slot);
    rest_pegged(slot, price_ticks, instrument);
  }
  is_cascade_ = false;
}

}  // namespace tradepit::detail
