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

/// Holds the funds of an order and lets it wait. Buys wait on the sell side of `stops`, where the
/// lowest price is the best, so that the best level of a side is the one to be triggered first.
void EngineState::wait(std::uint32_t order_slot, Instrument& instrument) noexcept {
  const Order& order = orders[order_slot];
  accounts.balance(order.account_index, hold_asset_id(order.side, instrument.terms))
      .hold(hold_units(order, order.open_lots(), instrument.terms));
  instrument.stops.rest(order_slot, opposite(order.side), terms_of(order).trigger_price_ticks,
                        order.open_lots());
}

void EngineState::end_waiting(Order& order, std::int64_t reached_price_ticks) noexcept {
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
/// before the next is chosen, and what its trades reach comes in its turn. What is left when the
/// command has met fills_max makers stays reached: its events must fit one message.
void EngineState::trigger_reached(Instrument& instrument) noexcept {
  is_cascade_ = true;
  std::uint32_t order_slot = next_reached(instrument);
  for (std::uint32_t count = 0;
       order_slot != no_slot && count < triggers_max && met_count_ < fills_max &&
       instrument.is_continuous();  // no longer where an order has tripped the circuit breaker
       ++count) {
    Order& order = orders[order_slot];
    release_hold(order, instrument);
    instrument.stops.unlink(order_slot);
    end_waiting(order, order.side == Side::buy ? instrument.reached_high_ticks
                                               : instrument.reached_low_ticks);
    if (accounts[order.account_index].state == wire::AccountState::active) {
      enter(order_slot, instrument);
    } else {
      report_canceled(order, CancelReason::account_suspended);
      close(order_slot);
      store.orders.release(order_slot);
    }
    order_slot = next_reached(instrument);
  }
  is_cascade_ = false;
  if (order_slot == no_slot) instrument.forget_reached();
}

}  // namespace tradepit::detail
