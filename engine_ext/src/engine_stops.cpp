// Stop orders: waiting for a trade to reach their trigger price, and what happens then.
#include "engine_rules.hpp"
#include "engine_state.hpp"

namespace tradepit::detail {
namespace {

using wire::CancelReason;
using wire::Side;

constexpr auto triggers_max = static_cast<std::uint32_t>(wire::triggers_per_command_max);

/// The waiting order that is next in the order of triggering among those that trades have reached,
/// or no_slot: buys by rising trigger price, then sells by falling; at one price the oldest.
std::uint32_t next_reached(const Instrument& instrument) noexcept {
  const Book& stops = instrument.stops;
  const std::uint32_t buys = stops.best(Side::sell);
  if (buys != no_slot && stops.level(buys).price_ticks <= instrument.reached_high_ticks) {
    return stops.level(buys).head;
  }
  const std::uint32_t sells = stops.best(Side::buy);
  if (sells != no_slot && stops.level(sells).price_ticks >= instrument.reached_low_ticks) {
    return stops.level(sells).head;
  }
  return no_slot;
}

}  // namespace

/// Holds the funds of an order and lets it wait, for its auction or for its trigger price. Buys
/// wait on the sell side of `stops`, where the lowest price is the best, so that the best level of
/// a side is the one to be triggered first.
void EngineState::wait(std::uint32_t order_slot, Instrument& instrument) noexcept {
  const Order& order = orders[order_slot];
  if (order.is_backed == 0) {
    accounts.balance(order.account_index, hold_asset_id(order.side, instrument.terms))
        .hold(hold_units(order, order.open_lots(), instrument.terms));
  }
  if (order.time_in_force == wire::TimeInForce::at_the_close) {
    instrument.closing.rest(order_slot, order.side, order.price_ticks, order.open_lots());
    return;
  }
  instrument.stops.rest(order_slot, opposite(order.side), terms_of(order).trigger_price_ticks,
                        order.open_lots());
}

/// Takes an order out of where it waits; its funds are free.
void EngineState::end_waiting(std::uint32_t order_slot, std::int64_t reached_price_ticks) noexcept {
  Order& order = orders[order_slot];
  Instrument& instrument = *find_instrument(order.instrument_id);
  release_hold(order, instrument);
  book_of(order, instrument).unlink(order_slot);
  if (order.order_type == wire::OrderType::trailing_stop) {
    instrument.trailing_stops.remove(follower_links, order_slot);
  } else if (order.time_in_force == wire::TimeInForce::at_the_close) {
    ++instrument.closing_resting_count;
  }
  report_triggered(order, reached_price_ticks);
}

void EngineState::report_triggered(Order& order, std::int64_t reached_price_ticks) noexcept {
  order.is_waiting = 0;
  accounts[order.account_index].changed_seq = seq;
  wire::OrderTriggered event;
  event.seq = seq;
  event.time_ns = time_ns;
  event.order_id = order.order_id;
  event.account_id = accounts[order.account_index].account_id;
  event.client_order_id = order.client_order_id;
  event.trigger_price_ticks = terms_of(order).trigger_price_ticks;
  event.reached_price_ticks = reached_price_ticks;
  event.instrument_id = order.instrument_id;
  event.side = order.side;
  event.order_type = order.order_type;
  emit(event);
  if (reports_ != nullptr) answer(report_of(order, wire::ExecutionKind::triggered));
}

/// Triggers what the trades of this command have reached, one order after the other: each trades
/// before the next is chosen, and what its trades reach comes in its turn. Orders whose first is
/// filled come before the next of them; when none of either is left, the
/// trailing ones follow the trades. What is left when the command has met fills_max makers stays
/// reached: its events must fit one message.
void EngineState::trigger_reached(Instrument& instrument) noexcept {
  is_cascade_ = true;
  for (std::uint32_t count = 0;;) {
    const std::uint32_t activated_slot = instrument.activating.oldest;
    const std::uint32_t order_slot = next_reached(instrument);
    if (activated_slot == no_slot && order_slot == no_slot) {
      if (follow_trades(instrument)) continue;
      break;
    }
    if (count == triggers_max || met_count_ >= fills_max ||
        !instrument.is_continuous()) {  // an order has tripped the circuit breaker
      break;
    }
    ++count;
    if (activated_slot != no_slot) {
      activate(activated_slot, instrument);
    } else {
      trigger_one(order_slot,
                  orders[order_slot].side == Side::buy ? instrument.reached_high_ticks
                                                       : instrument.reached_low_ticks,
                  instrument);
    }
    pull_quotes(instrument);
  }
  is_cascade_ = false;
}

/// Triggers a waiting order: it trades, or is canceled if its account is suspended.
void EngineState::trigger_one(std::uint32_t order_slot, std::int64_t reached_ticks,
                              Instrument& instrument) noexcept {
  leave_sibling(order_slot);
  end_waiting(order_slot, reached_ticks);
  const Order& order = orders[order_slot];
  if (accounts[order.account_index].state == wire::AccountState::active) {
    enter(order_slot, instrument);
    return;
  }
  report_canceled(order, CancelReason::account_suspended);
  close(order_slot);
  store.orders.release(order_slot);
}

}  // namespace tradepit::detail
