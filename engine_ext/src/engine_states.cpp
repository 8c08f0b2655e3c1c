// Trading states: what may be done in each, and how an instrument moves from one to the next.
#include "engine_rules.hpp"
#include "engine_state.hpp"

namespace tradepit::detail {
namespace {

using wire::OrderType;
using wire::Reason;
using wire::TradingState;

bool is_state(TradingState state) noexcept {
  return state >= TradingState::continuous && state <= TradingState::closed;
}

bool is_before_end_of_opening(const Instrument& instrument) noexcept {
  return instrument.terms.trading_state == TradingState::pre_open ||
         instrument.terms.trading_state == TradingState::opening_auction;
}

}  // namespace

/// Whether orders may be placed or replaced at all.
Reason judge_state(const Instrument& instrument) noexcept {
  if (instrument.terms.trading_state == TradingState::halted) return Reason::instrument_halted;
  if (instrument.terms.trading_state == TradingState::closed) return Reason::not_in_this_state;
  if (instrument.uncross_price_ticks != 0) return Reason::auction_ending;
  return Reason::none;
}

/// Outside continuous trading only what can rest or wait may be placed.
Reason judge_state(const wire::NewOrder& command, const Instrument& instrument) noexcept {
  if (instrument.is_continuous()) {
    return command.time_in_force == wire::TimeInForce::at_the_open ? Reason::not_in_this_state
                                                                   : Reason::none;
  }
  if (const Reason reason = judge_state(instrument); reason != Reason::none) return reason;
  if (!is_before_end_of_opening(instrument) &&
      command.time_in_force == wire::TimeInForce::at_the_open) {
    return Reason::not_in_this_state;
  }
  const bool is_limit = command.order_type == OrderType::limit && may_rest(command.time_in_force) &&
                        (command.flags & post_only_flags) == 0;
  return is_limit || is_stop(command.order_type) ? Reason::none : Reason::not_in_this_state;
}

void EngineState::set_trading_state(const wire::SetTradingState& command) noexcept {
  Instrument* const instrument = find_instrument(command.instrument_id);
  if (instrument == nullptr) return reject_command(0, Reason::unknown_instrument);
  if (instrument->uncross_price_ticks != 0) return reject_command(0, Reason::auction_ending);
  const bool has_end = command.end_time_ns != 0;
  if (!is_state(command.state) ||
      (has_end ? !is_state(command.next_state) || command.next_state == command.state ||
                     command.end_time_ns <= time_ns || command.end_time_ns == never_ns
               : command.next_state != TradingState{})) {
    return reject_command(0, Reason::invalid_trading_state);
  }
  change_state(*instrument, {command.end_time_ns, command.state, command.next_state});
}

/// Moves an instrument to a state. Continuous trading and the close begin with a book that is not
/// crossed: what is, trades first.
void EngineState::change_state(Instrument& instrument, const StateChange& change) noexcept {
  instrument.change = change;
  const bool uncrosses =
      change.state == TradingState::continuous || change.state == TradingState::closed;
  if (uncrosses && instrument.book.is_crossed()) {
    begin_uncross(instrument);
    if (!go_on_uncrossing(instrument)) return expect_state(instrument, due_now_ns());
  }
  enter_state(instrument);
}

/// Completes a change of state.
void EngineState::enter_state(Instrument& instrument) noexcept {
  const StateChange& change = instrument.change;
  wire::TradingStateChanged event;
  event.seq = seq;
  event.time_ns = time_ns;
  event.end_time_ns = change.end_time_ns;
  event.instrument_id = instrument.terms.instrument_id;
  event.state = change.state;
  event.previous_state = instrument.terms.trading_state;
  event.next_state = change.next_state;
  emit(event);
  const wire::InstrumentChanged& terms = instrument.terms;
  instrument.terms.trading_state = change.state;
  if (change.state == TradingState::closed) end_day(instrument);
  change_auction(instrument);
  touch(instrument);
  if (change.next_state != TradingState{}) {
    expect_state(instrument, change.end_time_ns);
  } else {
    deadlines.clear(deadline_owner(instrument));
  }
  const bool is_auction_left =
      deadlines.has(deadline_owner(DeadlineKind::auction_over, terms.instrument_id));
  if (instrument.is_continuous() && instrument.reached_high_ticks != 0 && !is_auction_left) {
    trigger_reached(instrument);
  }
}

/// Sees to it that the next Tick, which is due now, does with the orders for one auction alone what
/// the new state asks for.
void EngineState::change_auction(const Instrument& instrument) noexcept {
  const std::uint32_t instrument_id = instrument.terms.instrument_id;
  const TradingState state = instrument.terms.trading_state;
  clear_deadline(DeadlineKind::closing_begins, instrument_id);
  clear_deadline(DeadlineKind::auction_over, instrument_id);
  if (state == TradingState::halted) return;
  const bool has_waiting = instrument.closing.best(wire::Side::buy) != no_slot ||
                           instrument.closing.best(wire::Side::sell) != no_slot;
  if (state == TradingState::closing_auction && has_waiting) {
    set_deadline(DeadlineKind::closing_begins, instrument_id, due_now_ns());
  }
  if ((!is_before_end_of_opening(instrument) && !instrument.opening_orders.is_empty()) ||
      (state != TradingState::closing_auction && instrument.closing_resting_count != 0) ||
      (state == TradingState::closed && has_waiting)) {
    set_deadline(DeadlineKind::auction_over, instrument_id, due_now_ns());
  }
}

/// The order that waits longest at the best price, buys first, or no_slot.
std::uint32_t EngineState::next_for_closing(const Instrument& instrument) const noexcept {
  for (const wire::Side side : {wire::Side::buy, wire::Side::sell}) {
    const std::uint32_t level_slot = instrument.closing.best(side);
    if (level_slot != no_slot) return instrument.closing.level(level_slot).head;
  }
  return no_slot;
}

/// The closing auction has begun: the orders that wait for it come to the book, as many as one
/// command may move.
void EngineState::begin_closing(Instrument& instrument) noexcept {
  is_cascade_ = true;
  std::uint32_t slot = next_for_closing(instrument);
  for (std::uint32_t count = 0; slot != no_slot && count < cancels_max; ++count) {
    end_waiting(slot, 0);
    rest(slot, instrument);
    slot = next_for_closing(instrument);
  }
  is_cascade_ = false;
  if (slot == no_slot) clear_deadline(DeadlineKind::closing_begins, instrument.terms.instrument_id);
}

/// Cancels the orders for an auction that is over. True if none is left; what the auction's trades
/// have reached triggers then.
bool EngineState::end_auction(Instrument& instrument, std::uint32_t& canceled_count) noexcept {
  const TradingState state = instrument.terms.trading_state;
  const auto cancel_all_of = [&](const OrderList& list, bool waits_too) {
    for (std::uint32_t slot = list.oldest; slot != no_slot;) {
      const std::uint32_t younger_slot = time_links[slot].younger;
      if (waits_too || orders[slot].is_waiting == 0) {
        if (!may_cancel(canceled_count)) return false;
        cancel(slot, wire::CancelReason::auction_over, false);
        ++canceled_count;
      }
      slot = younger_slot;
    }
    return true;
  };
  if (!is_before_end_of_opening(instrument) && !cancel_all_of(instrument.opening_orders, true)) {
    return false;
  }
  if (state != TradingState::closing_auction &&
      !cancel_all_of(instrument.closing_orders, state == TradingState::closed)) {
    return false;
  }
  if (instrument.is_continuous() && instrument.reached_high_ticks != 0) {
    trigger_reached(instrument);
  }
  return true;
}

/// A trade would be too far from the reference price: an auction takes over.
void EngineState::trip_breaker(Instrument& instrument) noexcept {
  const std::int64_t auction_ns = instrument.terms.breaker_auction_ns;
  const std::int64_t end_ns =
      time_ns > never_ns - 1 - auction_ns ? never_ns - 1 : time_ns + auction_ns;
  change_state(instrument, {end_ns, TradingState::volatility_auction, TradingState::continuous});
}

/// What is due for an instrument: the rest of its auction's trades, or its next state.
void EngineState::advance(Instrument& instrument) noexcept {
  if (instrument.uncross_price_ticks == 0) {
    change_state(instrument, {0, instrument.change.next_state, TradingState{}});
  } else if (go_on_uncrossing(instrument)) {
    enter_state(instrument);
  } else {
    expect_state(instrument, due_now_ns());
  }
}

}  // namespace tradepit::detail
