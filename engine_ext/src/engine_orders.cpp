// Placing, canceling and replacing orders.
#include "engine_rules.hpp"
#include "engine_state.hpp"

namespace tradepit::detail {
namespace {

using wire::CancelReason;
using wire::ExecutionKind;
using wire::OrderStatus;
using wire::Reason;
using wire::Side;
using wire::TimeInForce;

}  // namespace

void EngineState::new_order(const wire::NewOrder& command) noexcept {
  Instrument* const instrument = find_instrument(command.instrument_id);
  const std::uint32_t account_index =
      command.account_id == 0 ? no_slot : accounts.find(command.account_id);
  if (account_index != no_slot) prefetch_placing(command, instrument, account_index);
  Placing placing;
  const Reason reason = judge(command, instrument, account_index, placing);
  tell_judged();
  if (reason != Reason::none) return refuse_order(command, reason);
  (void)place(command, account_index, placing, *instrument);
  finish_trading(*instrument);
}

/// Does what follows from the trades that a command's orders have made.
void EngineState::finish_trading(Instrument& instrument) noexcept {
  pull_quotes(instrument);
  if (instrument.reached_high_ticks != 0 && instrument.is_continuous()) {
    trigger_reached(instrument);
  }
}

void EngineState::refuse_order(const wire::NewOrder& command, Reason reason) noexcept {
  wire::OrderRejected event;
  event.account_id = command.account_id;
  event.client_order_id = command.client_order_id;
  event.instrument_id = command.instrument_id;
  event.reason = reason;
  event.order_id = order_with_id_of(command);
  wire::ExecutionReport report;
  report.client_order_id = command.client_order_id;
  report.price_ticks = command.price_ticks;
  report.quantity_lots = command.quantity_lots;
  report.trigger_price_ticks = command.trigger_price_ticks;
  report.display_quantity_lots = command.display_quantity_lots;
  report.expire_time_ns = command.expire_time_ns;
  report.offset_ticks = command.offset_ticks;
  report.trail_offset_bps = command.trail_offset_bps;
  report.peg_reference = command.peg_reference;
  report.instrument_id = command.instrument_id;
  report.status = OrderStatus::rejected;
  report.side = command.side;
  report.order_type = command.order_type;
  report.time_in_force = command.time_in_force;
  report.order_flags = command.flags;
  report.self_trade_prevention = command.self_trade_prevention;
  reject_order(event, report);
}

/// The order that has the client order id of a refused one, or 0: whatever the reason, it may be
/// the same order, sent again when it would not be accepted any more.
std::uint64_t EngineState::order_with_id_of(const wire::NewOrder& command) const noexcept {
  if (command.client_order_id == 0 || command.account_id == 0) return 0;
  const std::uint32_t account_index = accounts.find(command.account_id);
  if (account_index == no_slot) return 0;
  const OrderIds::Name name{command.client_order_id, account_index};
  const std::uint64_t number = order_ids.recent_number_of(name);
  if (number != 0) return make_id(config.shard_id, number);
  std::uint32_t order_slot;
  return find_name(name, order_slot) ? orders[order_slot].order_id : 0;
}

/// The next order, as its command and the checks have made it, and that it is accepted.
Order EngineState::accept(const wire::NewOrder& command, std::uint32_t account_index,
                          const Placing& placing, const Instrument& instrument,
                          bool is_pending) noexcept {
  Order order{};
  order.order_id = make_id(config.shard_id, ++order_counter);
  order.client_order_id = command.client_order_id;
  order.price_ticks = placing.price_ticks;
  order.quantity_lots = placing.quantity_lots;
  order.account_index = account_index;
  order.instrument_id = command.instrument_id;
  set_fees(order, instrument.fees_of(accounts[account_index].fee_tier));
  order.side = command.side;
  order.order_type = command.order_type;
  order.time_in_force = command.time_in_force;
  order.flags = command.flags;
  order.self_trade_prevention = command.self_trade_prevention;
  if (is_pending) order.flags |= wire::order_flag::pending;
  order.is_waiting = is_pending || is_stop(command.order_type) ||
                             command.time_in_force == TimeInForce::at_the_close
                         ? 1
                         : 0;
  order.session_id = command.session_id;
  session_counter = std::max(session_counter, session_number(command.session_id));
  order.terms_slot = take_terms(command, placing.trigger_price_ticks);

  wire::OrderAccepted accepted;
  accepted.seq = seq;
  accepted.time_ns = time_ns;
  accepted.order_id = order.order_id;
  accepted.account_id = command.account_id;
  accepted.client_order_id = command.client_order_id;
  accepted.price_ticks = order.price_ticks;
  accepted.quantity_lots = order.quantity_lots;
  accepted.trigger_price_ticks = placing.trigger_price_ticks;
  accepted.display_quantity_lots = command.display_quantity_lots;
  accepted.expire_time_ns = command.expire_time_ns;
  accepted.offset_ticks = command.offset_ticks;
  accepted.session_id = command.session_id;
  accepted.peg_reference = command.peg_reference;
  accepted.trail_offset_bps = command.trail_offset_bps;
  accepted.instrument_id = command.instrument_id;
  accepted.side = command.side;
  accepted.order_type = command.order_type;
  accepted.time_in_force = command.time_in_force;
  accepted.flags = order.flags;
  accepted.self_trade_prevention = command.self_trade_prevention;
  emit(accepted);
  if (reports_ != nullptr) answer(report_of(order, ExecutionKind::accepted));
  accounts[account_index].changed_seq = seq;
  return order;
}

/// Gives an accepted order that stays a slot.
std::uint32_t EngineState::keep(const Order& order) noexcept {
  const std::uint32_t order_slot = store.orders.take();
  prefetch_slot(store.orders.next());  // it may have been released long ago
  orders[order_slot] = order;
  link_to_account(order_slot, order.account_index);
  if (may_be_listed(order)) enlist(order_slot);
  return order_slot;
}

/// Places an order that has passed its checks: it trades, then rests or waits or ends.
Placed EngineState::place(const wire::NewOrder& command, std::uint32_t account_index,
                          const Placing& placing, Instrument& instrument) noexcept {
  if (placing.replaced_slot != no_slot) cancel(placing.replaced_slot, CancelReason::replaced);
  Order order = accept(command, account_index, placing, instrument, false);
  const std::int64_t last_ticks = instrument.last_price_ticks;
  if (command.time_in_force == TimeInForce::at_the_close) {
    if (!is_to_wait(command.order_type, command.time_in_force, instrument)) {
      report_triggered(order, 0);
    }
  } else if (order.is_waiting != 0 && last_ticks != 0 &&
             (order.side == Side::buy ? last_ticks >= placing.trigger_price_ticks
                                      : last_ticks <= placing.trigger_price_ticks)) {
    if (instrument.is_continuous()) {
      report_triggered(order, last_ticks);
    } else {
      instrument.reach(last_ticks);  // it triggers when continuous trading begins
    }
  }
  const CancelReason stopped_by = order.is_waiting != 0 ? CancelReason{} : trade(order, instrument);
  std::uint32_t order_slot = no_slot;
  if (order.open_lots() > 0) {
    if (stopped_by != CancelReason{}) {
      report_canceled(order, stopped_by);
    } else if (order.is_waiting != 0 || may_rest(order.time_in_force)) {
      order_slot = keep(order);
      if (order.is_waiting != 0) {
        wait(order_slot, instrument);
      } else {
        rest(order_slot, instrument);
      }
    } else {
      report_canceled(order, CancelReason::ioc_remainder);
    }
  }
  if (order_slot == no_slot) release_terms(order);
  order_ids.add(name_of(order), order_slot);
  return {order.order_id, order_slot, order.open_lots() == 0,
          order.open_lots() != placing.quantity_lots};
}

/// The slot of what only some orders have, or no_slot for a plain one.
std::uint32_t EngineState::take_terms(const wire::NewOrder& command,
                                      std::int64_t trigger_price_ticks) noexcept {
  const bool is_plain = trigger_price_ticks == 0 && command.display_quantity_lots == 0 &&
                        command.expire_time_ns == 0 && command.offset_ticks == 0 &&
                        command.trail_offset_bps == 0 &&
                        command.peg_reference == wire::PegReference::none;
  if (is_plain) return no_slot;
  const std::uint32_t slot = order_terms.take();
  order_terms[slot] = {.trigger_price_ticks = trigger_price_ticks,
                       .display_quantity_lots = command.display_quantity_lots,
                       .expire_time_ns = command.expire_time_ns,
                       .offset_ticks = command.offset_ticks,
                       .resting_ticks = 0,
                       .trail_offset_bps = command.trail_offset_bps,
                       .peg_reference = command.peg_reference,
                       .unused = {}};
  return slot;
}

void EngineState::cancel_order(const wire::CancelOrder& command) noexcept {
  const std::uint32_t account_index =
      command.account_id == 0 ? no_slot : accounts.find(command.account_id);
  const std::uint32_t order_slot =
      find_order(account_index, command.order_id, command.client_order_id);
  if (order_slot != no_slot) {
    cancel(order_slot, CancelReason::requested);
    return;
  }
  wire::OrderRejected event;
  event.order_id = command.order_id;
  event.account_id = command.account_id;
  event.client_order_id = command.client_order_id;
  event.reason = account_index == no_slot ? Reason::unknown_account : Reason::unknown_order;
  wire::ExecutionReport report;
  report.order_id = command.order_id;
  report.client_order_id = command.client_order_id;
  report.status = OrderStatus::rejected;
  reject_order(event, report);
}

void EngineState::replace_order(const wire::ReplaceOrder& command) noexcept {
  const std::uint32_t account_index =
      command.account_id == 0 ? no_slot : accounts.find(command.account_id);
  const std::uint32_t order_slot =
      find_order(account_index, command.order_id, command.client_order_id);

  Reason reason = Reason::none;
  Order changed{};
  Instrument* instrument = nullptr;
  if (order_slot != no_slot) {
    changed = orders[order_slot];
    instrument = find_instrument(changed.instrument_id);
    if (command.price_ticks != 0) changed.price_ticks = command.price_ticks;
    if (command.quantity_lots != 0) changed.quantity_lots = command.quantity_lots;
    if ((changed.flags & wire::order_flag::post_only_slide) != 0) {
      changed.price_ticks = slid_ticks(*instrument, changed.side, changed.price_ticks,
                                       best_ticks_of(instrument->book, opposite(changed.side)));
    }
    set_fees(changed, instrument->fees_of(accounts[account_index].fee_tier));
    reason = judge(changed, orders[order_slot], *instrument);
  } else if (account_index == no_slot) {
    reason = Reason::unknown_account;
  } else if (accounts[account_index].state != wire::AccountState::active) {
    reason = Reason::account_suspended;
  } else {
    reason = Reason::unknown_order;
  }
  tell_judged();
  if (reason != Reason::none) {
    wire::OrderRejected event;
    event.order_id = command.order_id;
    event.account_id = command.account_id;
    event.client_order_id = command.client_order_id;
    event.reason = reason;
    wire::ExecutionReport report;
    if (order_slot != no_slot) {
      report = report_of(orders[order_slot], ExecutionKind::rejected);
    } else {
      report.order_id = command.order_id;
      report.client_order_id = command.client_order_id;
      report.status = OrderStatus::rejected;
    }
    reject_order(event, report);
    return;
  }

  Order& order = orders[order_slot];
  const bool waits_for_trigger = order.is_waiting != 0 && is_stop(order.order_type);
  const bool keeps_priority = waits_for_trigger || (changed.price_ticks == order.price_ticks &&
                                                    changed.quantity_lots < order.quantity_lots);
  release_hold(order, *instrument);
  order.price_ticks = changed.price_ticks;
  order.quantity_lots = changed.quantity_lots;
  set_fees(order, fees_of(changed));
  accounts[account_index].changed_seq = seq;
  if (order.is_waiting == 0) touch(*instrument);

  wire::OrderReplaced replaced;
  replaced.seq = seq;
  replaced.time_ns = time_ns;
  replaced.order_id = order.order_id;
  replaced.account_id = command.account_id;
  replaced.client_order_id = order.client_order_id;
  replaced.price_ticks = order.price_ticks;
  replaced.quantity_lots = order.quantity_lots;
  replaced.filled_lots = order.filled_lots;
  replaced.instrument_id = order.instrument_id;
  replaced.side = order.side;
  if (keeps_priority) replaced.flags |= wire::replace_flag::kept_priority;
  if (order.is_waiting != 0) replaced.flags |= wire::replace_flag::waiting;
  emit(replaced);
  if (reports_ != nullptr) answer(report_of(order, ExecutionKind::replaced));

  if (keeps_priority) {
    // Whichever book the order is in; what an iceberg holds back shrinks first.
    instrument->book.resize(order_slot,
                            terms_of(order).display_quantity_lots == 0
                                ? order.open_lots()
                                : std::min(store.orders[order_slot].open_lots, order.open_lots()));
    accounts.balance(account_index, hold_asset_id(order.side, instrument->terms))
        .hold(hold_units(order, order.open_lots(), instrument->terms));
    return;
  }
  book_of(order, *instrument).unlink(order_slot);
  if (order.is_waiting != 0) {
    wait(order_slot, *instrument);
    return;
  }
  enter(order_slot, *instrument);
  finish_trading(*instrument);
}

/// The slot of an open order of this account, or no_slot.
std::uint32_t EngineState::find_order(std::uint32_t account_index, std::uint64_t order_id,
                                      std::uint64_t client_order_id) const noexcept {
  if (account_index == no_slot) return no_slot;
  if (order_id != 0) {
    const std::uint32_t order_slot = find_order_id(order_id);
    return order_slot == no_slot || orders[order_slot].account_index != account_index ? no_slot
                                                                                      : order_slot;
  }
  if (client_order_id == 0) return no_slot;
  std::uint32_t order_slot;
  (void)find_name({client_order_id, account_index}, order_slot);
  return order_slot;
}

}  // namespace tradepit::detail
