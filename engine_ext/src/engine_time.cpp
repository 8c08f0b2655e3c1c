// What happens because time passes. Only a Tick does any of it, so that a replay needs no clock.
#include "engine_rules.hpp"
#include "engine_state.hpp"

namespace tradepit::detail {
namespace {

using wire::CancelReason;
using wire::TimeInForce;

// A deadline's rank: its kind, then what never changes of its owner.
constexpr int rank_bits = 48;
constexpr std::uint64_t rank_mask = (std::uint64_t{1} << rank_bits) - 1;

std::uint64_t rank_of(DeadlineKind kind, std::uint64_t number) noexcept {
  return static_cast<std::uint64_t>(kind) << rank_bits | (number & rank_mask);
}

std::uint32_t number_of_owner(const Deadlines::Entry& entry) noexcept {
  return static_cast<std::uint32_t>(entry.rank & rank_mask);
}

DeadlineKind kind_of(const Deadlines::Entry& entry) noexcept {
  return static_cast<DeadlineKind>(entry.rank >> rank_bits);
}

bool is_of_instrument(DeadlineKind kind) noexcept {
  return kind == DeadlineKind::day_end || kind == DeadlineKind::closing_begins ||
         kind == DeadlineKind::auction_over;
}

}  // namespace

/// The deadline's owner: an order's slot, an instrument_id or an account's index, by kind.
std::uint64_t EngineState::deadline_owner(DeadlineKind kind, std::uint64_t index) const noexcept {
  const std::uint64_t instruments_begin = config.max_orders;
  const std::uint64_t instrument_count = std::uint64_t{config.max_instruments} + 1;
  const std::uint64_t accounts_begin = instruments_begin + 2 * instrument_count;
  const std::uint64_t accounts_end = accounts_begin + 2 * (std::uint64_t{config.max_accounts} + 1);
  switch (kind) {
    case DeadlineKind::order_expiry:
      return index;
    case DeadlineKind::trading_state:
      return instruments_begin + index;
    case DeadlineKind::day_end:
      return instruments_begin + instrument_count + index;
    case DeadlineKind::dead_man:
      return accounts_begin + index;
    case DeadlineKind::kill_switch:
      return accounts_begin + config.max_accounts + 1 + index;
    case DeadlineKind::calendar:
      return accounts_end + index;
    case DeadlineKind::closing_begins:
      return accounts_end + instrument_count + index;
    case DeadlineKind::auction_over:
      return accounts_end + 2 * instrument_count + index;
  }
  return 0;
}

void EngineState::set_deadline(DeadlineKind kind, std::uint64_t index,
                               std::int64_t at_ns) noexcept {
  deadlines.set(deadline_owner(kind, index), at_ns, rank_of(kind, index));
}

/// Sets a deadline that a snapshot has. False if it cannot be.
bool EngineState::take_deadline(std::uint64_t kind_number, std::uint64_t index,
                                std::int64_t at_ns) noexcept {
  if (kind_number > 0xFF || at_ns < 1 || at_ns == never_ns) return false;
  const auto kind = static_cast<DeadlineKind>(kind_number);
  const bool is_possible =
      is_of_instrument(kind)
          ? index < instruments.size() && instruments[index] != nullptr
          : (kind == DeadlineKind::dead_man || kind == DeadlineKind::kill_switch) &&
                index < accounts.count();
  if (!is_possible || deadlines.has(deadline_owner(kind, index))) return false;
  set_deadline(kind, index, at_ns);
  return true;
}

/// Where an order that has a slot is kept for what will happen to it: the end of its time, an
/// auction, prices that it follows.
void EngineState::enlist(std::uint32_t order_slot) noexcept {
  const Order& order = orders[order_slot];
  Instrument& instrument = *find_instrument(order.instrument_id);
  if (order.time_in_force == TimeInForce::gtd) {
    deadlines.set(order_slot, terms_of(order).expire_time_ns,
                  rank_of(DeadlineKind::order_expiry, order.order_id));
  } else if (order.time_in_force == TimeInForce::day) {
    instrument.day_orders.push(time_links, order_slot);
  } else if (order.time_in_force == TimeInForce::at_the_open) {
    instrument.opening_orders.push(time_links, order_slot);
  } else if (order.time_in_force == TimeInForce::at_the_close) {
    instrument.closing_orders.push(time_links, order_slot);
    if (order.is_waiting == 0) ++instrument.closing_resting_count;
  }
  if (order.order_type == wire::OrderType::pegged) {
    instrument.pegged_orders.push(follower_links, order_slot);
  } else if (order.order_type == wire::OrderType::trailing_stop && order.is_waiting != 0 &&
             order.is_pending == 0) {
    instrument.trailing_stops.push(follower_links, order_slot);
  }
  if ((order.flags & wire::order_flag::reduce_only) != 0) ++instrument.reduce_only_count;
  if ((order.flags & wire::order_flag::quote) != 0)
    instrument.quotes.push(follower_links, order_slot);
}

void EngineState::delist(std::uint32_t order_slot) noexcept {
  const Order& order = orders[order_slot];
  Instrument& instrument = *find_instrument(order.instrument_id);
  if (order.time_in_force == TimeInForce::gtd) {
    deadlines.clear(order_slot);
  } else if (order.time_in_force == TimeInForce::day) {
    instrument.day_orders.remove(time_links, order_slot);
  } else if (order.time_in_force == TimeInForce::at_the_open) {
    instrument.opening_orders.remove(time_links, order_slot);
  } else if (order.time_in_force == TimeInForce::at_the_close) {
    instrument.closing_orders.remove(time_links, order_slot);
    if (order.is_waiting == 0) --instrument.closing_resting_count;
  }
  if (order.order_type == wire::OrderType::pegged) {
    instrument.pegged_orders.remove(follower_links, order_slot);
  } else if (order.order_type == wire::OrderType::trailing_stop && order.is_waiting != 0 &&
             order.is_pending == 0) {
    instrument.trailing_stops.remove(follower_links, order_slot);
  }
  if ((order.flags & wire::order_flag::reduce_only) != 0) --instrument.reduce_only_count;
  if ((order.flags & wire::order_flag::quote) != 0) {
    instrument.quotes.remove(follower_links, order_slot);
  }
}

/// The instrument has closed: its day orders expire with the next Tick, which is due now.
void EngineState::end_day(Instrument& instrument) noexcept {
  if (instrument.day_orders.is_empty()) return;
  set_deadline(DeadlineKind::day_end, instrument.terms.instrument_id, due_now_ns());
}

/// Does what is due, as far as one command may. True if it is done.
bool EngineState::meet(const Deadlines::Entry& due, std::uint32_t& canceled_count) noexcept {
  const std::uint32_t index = number_of_owner(due);
  switch (kind_of(due)) {
    case DeadlineKind::trading_state:
    case DeadlineKind::calendar:
    case DeadlineKind::closing_begins:
      break;  // tick() sees to it
    case DeadlineKind::auction_over:
      return end_auction(*find_instrument(index), canceled_count);
    case DeadlineKind::order_expiry:
      cancel(static_cast<std::uint32_t>(due.owner), CancelReason::expired, false);
      ++canceled_count;
      return true;
    case DeadlineKind::day_end: {
      const Instrument& instrument = *find_instrument(index);
      while (!instrument.day_orders.is_empty() && may_cancel(canceled_count)) {
        cancel(instrument.day_orders.oldest, CancelReason::expired, false);
        ++canceled_count;
      }
      return instrument.day_orders.is_empty();
    }
    case DeadlineKind::dead_man:
      if (!cancel_all(index, CancelReason::dead_man, canceled_count)) return false;
      report_timer(index, 0);
      return true;
    case DeadlineKind::kill_switch:
      return kill(index, canceled_count);
  }
  return true;
}

/// `due_ns` may be never_ns.
void EngineState::expect_entry(const Instrument& instrument, std::int64_t due_ns) noexcept {
  if (due_ns == never_ns) return deadlines.clear(calendar_owner(instrument));
  set_deadline(DeadlineKind::calendar, instrument.terms.instrument_id, due_ns);
}

void EngineState::expect_state(const Instrument& instrument, std::int64_t due_ns) noexcept {
  set_deadline(DeadlineKind::trading_state, instrument.terms.instrument_id, due_ns);
}

void EngineState::tick() noexcept {
  wire::Ticked ended;
  ended.seq = seq;
  ended.time_ns = time_ns;
  for (std::uint32_t met_count = 0; deadlines.size() > 0 && deadlines.first_ns() <= time_ns &&
                                    met_count < cancels_max && may_cancel(ended.canceled_count);
       ++met_count) {
    const Deadlines::Entry due = deadlines.first();
    if (kind_of(due) == DeadlineKind::calendar) {
      if (met_count == 0) follow_calendar(*find_instrument(number_of_owner(due)));
      break;
    }
    if (kind_of(due) == DeadlineKind::trading_state) {
      // A change of state may have many events: it has a Tick for itself.
      if (met_count == 0) advance(*find_instrument(number_of_owner(due)));
      break;
    }
    if (kind_of(due) == DeadlineKind::closing_begins) {
      if (met_count == 0) begin_closing(*find_instrument(number_of_owner(due)));
      break;
    }
    if (meet(due, ended.canceled_count)) deadlines.clear(due.owner);
  }
  const std::int64_t next_ns = deadlines.first_ns();
  ended.next_deadline_ns = next_ns == never_ns ? 0 : next_ns;
  emit(ended);
}

/// The invariants of deadlines: `order_count` orders and instruments' states have one. Null, or
/// what is broken.
const char* EngineState::check_deadlines(std::uint64_t order_count) const noexcept {
  std::uint64_t count = order_count;
  for (const std::unique_ptr<Instrument>& instrument : instruments) {
    if (instrument == nullptr) continue;
    for (const DeadlineKind kind :
         {DeadlineKind::day_end, DeadlineKind::closing_begins, DeadlineKind::auction_over}) {
      if (deadlines.has(deadline_owner(kind, instrument->terms.instrument_id))) ++count;
    }
  }
  for (std::uint32_t index = 0; index < accounts.count(); ++index) {
    for (const DeadlineKind kind : {DeadlineKind::dead_man, DeadlineKind::kill_switch}) {
      if (deadlines.has(deadline_owner(kind, index))) ++count;
    }
  }
  if (count != deadlines.size()) return "a deadline outlives what it is about";
  return deadlines.is_sound() ? nullptr : "the deadlines are out of order";
}

}  // namespace tradepit::detail
