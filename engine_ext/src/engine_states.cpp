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
  if (instrument.is_continuous()) return Reason::none;
  if (const Reason reason = judge_state(instrument); reason != Reason::none) return reason;
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
  if (uncrosses && instrument.is_crossed()) {
    begin_uncross(instrument);
    if (!go_on_uncrossing(instrument)) return expect_state(instrument, time_ns);
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
  instrument.terms.trading_state = change.state;
  if (change.state == TradingState::closed) end_day(instrument);
  touch(instrument);
  if (change.next_state != TradingState{}) {
    expect_state(instrument, change.end_time_ns);
  } else {
    deadlines.clear(deadline_owner(instrument));
  }
  if (instrument.is_continuous() && instrument.reached_high_ticks != 0) {
    trigger_reached(instrument);
  }
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
    expect_state(instrument, time_ns);
  }
}

}  // namespace tradepit::detail
