// What ends an order: its cancel, what it held, its ids and its place among its account's.
#include "engine_rules.hpp"
#include "engine_state.hpp"

namespace tradepit::detail {
namespace {

using wire::CancelReason;
using wire::ExecutionKind;
using wire::OrderStatus;

}  // namespace

void EngineState::release_hold(const Order& order, const Instrument& instrument) noexcept {
  if (order.is_backed != 0) return;
  accounts.balance(order.account_index, hold_asset_id(order.side, instrument.terms))
      .release(hold_units(order, order.open_lots(), instrument.terms));
}

/// Forgets an order that is open no longer; its slot stays taken.
void EngineState::close(std::uint32_t order_slot) noexcept {
  const Order& order = orders[order_slot];
  if (order.is_linked != 0) part_with_linked(order_slot);
  order_ids.close(number_of(order.order_id), name_of(order), order_slot);
  Account& account = accounts[order.account_index];
  const auto [older_slot, younger_slot] = account_links[order_slot];
  (older_slot == no_slot ? account.oldest_order : account_links[older_slot].younger) = younger_slot;
  (younger_slot == no_slot ? account.youngest_order : account_links[younger_slot].older) =
      older_slot;
  --account.open_order_count;
  if (may_be_listed(order)) delist(order_slot);
  release_terms(order);
}

/// Cancels an order that rests or waits. `is_answer`: the command asked for it.
void EngineState::cancel(std::uint32_t order_slot, CancelReason reason, bool is_answer) noexcept {
  const Order& order = orders[order_slot];
  if (!is_in_cache()) prefetch_closing(order_slot);
  Instrument& instrument = *find_instrument(order.instrument_id);
  release_hold(order, instrument);
  if (order.is_pending == 0) book_of(order, instrument).unlink(order_slot);
  if (order.is_waiting == 0) touch(instrument);
  accounts[order.account_index].changed_seq = seq;
  report_canceled(order, reason, is_answer);
  close(order_slot);
  store.orders.release(order_slot);
}

void EngineState::report_canceled(const Order& order, CancelReason reason,
                                  bool is_answer) noexcept {
  wire::OrderCanceled event;
  event.seq = seq;
  event.time_ns = time_ns;
  event.order_id = order.order_id;
  event.account_id = accounts[order.account_index].account_id;
  event.client_order_id = order.client_order_id;
  event.canceled_lots = order.open_lots();
  event.filled_lots = order.filled_lots;
  event.price_ticks = order.price_ticks;
  event.instrument_id = order.instrument_id;
  event.side = order.side;
  event.reason = reason;
  emit(event);
  if (reports_ == nullptr) return;
  wire::ExecutionReport report = report_of(order, ExecutionKind::canceled);
  report.remaining_lots = 0;
  report.status = OrderStatus::canceled;
  report.cancel_reason = reason;
  if (is_answer) {
    answer(report);
  } else {
    tell(report);
  }
}

/// Makes an order the youngest of its account. Order ids only grow, so the list is in their order.
void EngineState::link_to_account(std::uint32_t order_slot, std::uint32_t account_index) noexcept {
  Account& account = accounts[account_index];
  const std::uint32_t older_slot = account.youngest_order;
  account_links[order_slot] = {older_slot, no_slot};
  (older_slot == no_slot ? account.oldest_order : account_links[older_slot].younger) = order_slot;
  account.youngest_order = order_slot;
  ++account.open_order_count;
}

void EngineState::touch(Instrument& instrument) noexcept {
  if (instrument.touched_seq == seq) return;
  instrument.touched_seq = seq;
  touched_instruments.push_back(instrument.terms.instrument_id);
}

}  // namespace tradepit::detail
