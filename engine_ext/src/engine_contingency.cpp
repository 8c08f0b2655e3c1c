// Orders that depend on others of their list: one cancels the other, one triggers the other.
#include <vector>

#include "engine_rules.hpp"
#include "engine_state.hpp"

namespace tradepit::detail {
namespace {

using wire::CancelReason;
using wire::OrderType;
using wire::Side;

}  // namespace

/// Lets the stop order of a pair, accepted and in no book, wait beside its limit order: what holds
/// more holds for both. It ends at once if the limit order has traded or ended, and triggers at
/// once if the last trade has reached it.
void EngineState::place_stop_leg(std::uint32_t stop_slot, const Placed& limit_leg,
                                 Instrument& instrument) noexcept {
  if (limit_leg.slot == no_slot || limit_leg.has_changed) {
    return cancel(stop_slot, CancelReason::contingency, false);
  }
  Order& limit = orders[limit_leg.slot];
  Order& stop = orders[stop_slot];
  limit.is_linked = 1;
  stop.is_linked = 1;
  contingencies[limit_leg.slot] = {stop_slot, no_slot};
  contingencies[stop_slot] = {limit_leg.slot, no_slot};
  const std::int64_t limit_units = hold_units(limit, limit.open_lots(), instrument.terms);
  const std::int64_t stop_units = hold_units(stop, stop.open_lots(), instrument.terms);
  stop.is_backed = 1;
  if (stop_units > limit_units) {
    release_hold(limit, instrument);
    limit.is_backed = 1;
    stop.is_backed = 0;
  }
  wait_or_trigger(stop_slot, instrument);
}

/// Puts a stop order that is pending to wait; it is triggered at once if the last trade has reached
/// it.
void EngineState::wait_or_trigger(std::uint32_t order_slot, Instrument& instrument) noexcept {
  Order& order = orders[order_slot];
  order.is_pending = 0;
  if (order.order_type == OrderType::trailing_stop) {
    instrument.trailing_stops.push(follower_links, order_slot);
  }
  wait(order_slot, instrument);
  const std::int64_t trigger_ticks = terms_of(order).trigger_price_ticks;
  const std::int64_t last_ticks = instrument.last_price_ticks;
  if (last_ticks == 0 ||
      (order.side == Side::buy ? last_ticks < trigger_ticks : last_ticks > trigger_ticks)) {
    return;
  }
  if (instrument.is_continuous()) {
    trigger_one(order_slot, last_ticks, instrument);
  } else {
    instrument.reach(last_ticks);
  }
}

/// Before one of a pair trades or gets smaller: the other ends, and this one holds for itself.
void EngineState::leave_sibling(std::uint32_t order_slot) noexcept {
  Order& order = orders[order_slot];
  if (order.is_linked == 0 || order.is_pending != 0 || is_first_of_list(order_slot)) return;
  const std::uint32_t sibling_slot = contingencies[order_slot].first;
  order.is_linked = 0;
  orders[sibling_slot].is_linked = 0;
  cancel(sibling_slot, CancelReason::contingency, false);
  if (order.is_backed == 0) return;
  order.is_backed = 0;
  const wire::InstrumentChanged& terms = find_instrument(order.instrument_id)->terms;
  accounts.balance(order.account_index, hold_asset_id(order.side, terms))
      .hold(hold_units(order, order.open_lots(), terms));
}

/// A linked order is closed: what it is linked with ends, or gets its turn if it was the first of
/// its list and is filled.
void EngineState::part_with_linked(std::uint32_t order_slot) noexcept {
  Order& order = orders[order_slot];
  Instrument& instrument = *find_instrument(order.instrument_id);
  const auto [first, second] = contingencies[order_slot];
  order.is_linked = 0;
  if (order.is_pending != 0) {
    if (first != no_slot) {
      orders[first].is_linked = 0;
    } else {
      // Of two, the older stands in the list.
      const bool is_listed = second == no_slot || order.order_id < orders[second].order_id;
      instrument.activating.remove(follower_links, is_listed ? order_slot : second);
    }
    if (second == no_slot) return;
    orders[second].is_linked = 0;
    return end_linked(second);
  }
  if (orders[first].is_pending == 0) {
    orders[first].is_linked = 0;
    return end_linked(first);
  }
  if (order.open_lots() == 0) {
    for (const std::uint32_t slot : {first, second}) {
      if (slot != no_slot) contingencies[slot].first = no_slot;
    }
    instrument.activating.push(follower_links, first);
    return;
  }
  for (const std::uint32_t slot : {first, second}) {
    if (slot == no_slot) continue;
    orders[slot].is_linked = 0;
    end_linked(slot);
  }
}

/// Cancels an order because of another.
void EngineState::end_linked(std::uint32_t order_slot) noexcept {
  ++linked_count_;
  cancel(order_slot, CancelReason::contingency, false);
}

/// The next younger order of the account that does not end with this one.
std::uint32_t EngineState::younger_not_linked(std::uint32_t order_slot) const noexcept {
  std::uint32_t slot = account_links[order_slot].younger;
  if (orders[order_slot].is_linked == 0) return slot;
  const auto [first, second] = contingencies[order_slot];
  while (slot != no_slot && (slot == first || slot == second)) slot = account_links[slot].younger;
  return slot;
}

/// Whether a pending order may be placed now.
bool EngineState::is_placeable(const Order& order, const Instrument& instrument) const noexcept {
  const Balance& balance =
      accounts.balance(order.account_index, hold_asset_id(order.side, instrument.terms));
  if (hold_units(order, order.open_lots(), instrument.terms) > balance.available_units) {
    return false;
  }
  if (order.price_ticks != 0 &&
      (!instrument.is_notional(order.price_ticks, order.quantity_lots) ||
       !instrument.is_within_collars(order.side, order.price_ticks, is_stop(order.order_type)))) {
    return false;
  }
  if (order.order_type == OrderType::trailing_stop &&
      instrument.trailing_stops.count >= wire::trailing_stops_max) {
    return false;
  }
  return (order.flags & post_only_flags) == 0 ||
         !instrument.book.crosses(order.side, order.price_ticks);
}

/// The first order of a list is filled: what it triggers is placed, as far as that can be.
void EngineState::activate(std::uint32_t order_slot, Instrument& instrument) noexcept {
  instrument.activating.remove(follower_links, order_slot);
  const std::uint32_t other_slot = contingencies[order_slot].second;
  const std::uint32_t slots[2] = {order_slot, other_slot};
  const bool is_suspended =
      accounts[orders[order_slot].account_index].state != wire::AccountState::active;
  bool are_placeable = true;
  for (const std::uint32_t slot : slots) {
    if (slot == no_slot) continue;
    orders[slot].is_linked = 0;
    are_placeable = are_placeable && is_placeable(orders[slot], instrument);
  }
  if (is_suspended || !are_placeable) {
    for (const std::uint32_t slot : slots) {
      if (slot == no_slot) continue;
      cancel(slot, is_suspended ? CancelReason::account_suspended : CancelReason::not_placeable,
             false);
    }
    return;
  }
  begin_activated(order_slot);
  if (is_stop(orders[order_slot].order_type)) {
    orders[order_slot].is_backed = 0;
    return wait_or_trigger(order_slot, instrument);
  }
  const Placed limit_leg = enter_activated(order_slot, instrument);
  if (other_slot == no_slot) return;
  begin_activated(other_slot);
  place_stop_leg(other_slot, limit_leg, instrument);
}

/// Says that a pending order is placed now. A trailing stop begins at its distance from the last
/// trade.
void EngineState::begin_activated(std::uint32_t order_slot) noexcept {
  Order& order = orders[order_slot];
  order.flags &= static_cast<std::uint8_t>(~wire::order_flag::pending);
  if (order.order_type == OrderType::trailing_stop) {
    OrderTerms& own = order_terms[order.terms_slot];
    own.trigger_price_ticks =
        trailing_ticks(order.side, find_instrument(order.instrument_id)->last_price_ticks,
                       own.offset_ticks, own.trail_offset_bps);
  }
  accounts[order.account_index].changed_seq = seq;
  wire::OrderActivated event;
  event.seq = seq;
  event.time_ns = time_ns;
  event.order_id = order.order_id;
  event.account_id = accounts[order.account_index].account_id;
  event.client_order_id = order.client_order_id;
  event.trigger_price_ticks = terms_of(order).trigger_price_ticks;
  event.instrument_id = order.instrument_id;
  event.side = order.side;
  event.order_type = order.order_type;
  emit(event);
  if (reports_ == nullptr) return;
  Order shown = order;
  shown.is_waiting = is_stop(order.order_type) ? 1 : 0;
  answer(report_of(shown, wire::ExecutionKind::activated));
}

/// Lets a limit order that was pending trade and rest.
Placed EngineState::enter_activated(std::uint32_t order_slot, Instrument& instrument) noexcept {
  Order& order = orders[order_slot];
  order.is_pending = 0;
  order.is_waiting = 0;
  order.is_backed = 0;
  const std::uint64_t order_id = order.order_id;
  const std::int64_t open_lots = order.open_lots();
  enter(order_slot, instrument);
  const bool is_open = find_order_id(order_id) == order_slot;
  return {order_id, is_open ? order_slot : no_slot, false,
          !is_open || orders[order_slot].open_lots() != open_lots};
}

/// Whether of two linked orders one cancels the other: one rests and one waits, and what one holds
/// is enough for either.
bool EngineState::is_pair(std::uint32_t left_slot, std::uint32_t right_slot) const noexcept {
  const Order& left = orders[left_slot];
  const Order& right = orders[right_slot];
  const wire::InstrumentChanged& terms = find_instrument(left.instrument_id)->terms;
  const std::int64_t left_units = hold_units(left, left.open_lots(), terms);
  const std::int64_t right_units = hold_units(right, right.open_lots(), terms);
  return left.side == right.side && left.is_waiting != right.is_waiting &&
         left.is_backed != right.is_backed &&
         (left.is_backed != 0 ? left_units <= right_units : right_units <= left_units);
}

/// Verifies that linked orders lead to each other. Null, or what is broken.
const char* EngineState::check_contingencies(Scope scope) const {
  std::vector<std::uint32_t> activating_count(instruments.size());
  const char* const broken = for_each_open(scope, [&](std::uint32_t slot) -> const char* {
    const Order& order = orders[slot];
    if (order.is_linked == 0) {
      if (order.is_backed != 0 || order.is_pending != 0) return "an order depends on none";
      return nullptr;
    }
    const auto [first, second] = contingencies[slot];
    const auto leads_back = [&](std::uint32_t other) {
      return other == no_slot ||
             (orders[other].is_linked != 0 && orders[other].account_index == order.account_index &&
              orders[other].instrument_id == order.instrument_id &&
              (contingencies[other].first == slot || contingencies[other].second == slot));
    };
    if (first == slot || second == slot || (first == second && first != no_slot) ||
        !leads_back(first) || !leads_back(second)) {
      return "linked orders disagree";
    }
    const auto is_pending = [&](std::uint32_t other) {
      return other != no_slot && orders[other].is_pending != 0;
    };
    const bool is_possible =
        order.is_pending != 0 ? order.is_backed != 0 && order.is_waiting != 0 &&
                                    !is_pending(first) && (second == no_slot || is_pending(second))
        : is_pending(first)   ? order.is_backed == 0 && (second == no_slot || is_pending(second))
                              : first != no_slot && second == no_slot && is_pair(slot, first);
    if (!is_possible) return "an order is linked as it cannot be";
    if (order.is_pending != 0 && first == no_slot &&
        (second == no_slot || order.order_id < orders[second].order_id)) {
      ++activating_count[order.instrument_id];
    }
    return nullptr;
  });
  if (broken != nullptr) return broken;
  for (const std::unique_ptr<Instrument>& instrument : instruments) {
    if (instrument == nullptr) continue;
    const auto is_pending = [&](std::uint32_t slot) { return orders[slot].is_pending != 0; };
    if (instrument->activating.count != activating_count[instrument->terms.instrument_id] ||
        !instrument->activating.is_sound(follower_links, is_pending)) {
      return "the orders to be placed are miscounted";
    }
  }
  return nullptr;
}

}  // namespace tradepit::detail
