// Lists of orders: which may stand together, and how they are placed in one command.
#include "engine_lists.hpp"

#include "engine_rules.hpp"
#include "engine_state.hpp"

namespace tradepit::detail {
namespace {

using wire::ListKind;
using wire::NewOrder;
using wire::OrderType;
using wire::Reason;
using wire::Side;

/// A limit order that rests, may be post-only, and shows all of itself.
bool is_plain_limit(const NewOrder& order) noexcept {
  return order.order_type == OrderType::limit && may_rest(order.time_in_force) &&
         !is_for_auction(order.time_in_force) && order.display_quantity_lots == 0 &&
         (order.flags & ~wire::order_flag::post_only) == 0;
}

bool is_plain_stop(const NewOrder& order) noexcept {
  return is_stop(order.order_type) && order.flags == 0;
}

bool is_pair(const NewOrder& limit, const NewOrder& stop) noexcept {
  return is_plain_limit(limit) && is_plain_stop(stop) && limit.side == stop.side &&
         limit.quantity_lots == stop.quantity_lots;
}

/// An order whose fill may trigger others: its quantity is its own.
bool is_first(const NewOrder& order) noexcept {
  return (order.order_type == OrderType::limit || order.order_type == OrderType::market ||
          order.order_type == OrderType::market_to_limit) &&
         !is_for_auction(order.time_in_force) && order.quote_budget_units == 0 &&
         (order.flags & wire::order_flag::reduce_only) == 0;
}

/// Whether the orders are of the kinds that the list takes.
bool is_shape_possible(ListKind kind, std::span<const NewOrder> orders) noexcept {
  switch (kind) {
    case ListKind::each:
      return !orders.empty();
    case ListKind::all_or_none:
      return !orders.empty() && std::ranges::all_of(orders, [](const NewOrder& order) {
        return order.order_type == OrderType::limit && may_rest(order.time_in_force) &&
               (order.flags & ~wire::order_flag::post_only) == 0;
      });
    case ListKind::oco:
      return orders.size() == 2 && is_pair(orders[0], orders[1]);
    case ListKind::oto:
      return orders.size() == 2 && is_first(orders[0]) &&
             (is_plain_limit(orders[1]) || is_plain_stop(orders[1]));
    case ListKind::bracket:
      return orders.size() == 3 && is_first(orders[0]) && is_pair(orders[1], orders[2]) &&
             orders[1].side != orders[0].side && orders[1].quantity_lots == orders[0].quantity_lots;
  }
  return false;
}

/// The first order whose client order id one before it has, or the count.
std::uint32_t first_repeated(std::span<const NewOrder> orders) noexcept {
  std::uint32_t index = 0;
  for (; index < orders.size(); ++index) {
    const std::uint64_t id = orders[index].client_order_id;
    const auto has_id = [id](const NewOrder& order) { return order.client_order_id == id; };
    if (id != 0 && std::ranges::any_of(orders.first(index), has_id)) break;
  }
  return index;
}

}  // namespace

/// Whether a list may be placed as a whole, and which order is the cause if not. Each order is
/// judged by what stands now; what is pending, by what will not change until its turn comes.
Reason EngineState::judge_list(const OrderListView& list, std::uint32_t account_index,
                               std::span<Placing> placings, std::uint32_t& index) const noexcept {
  const Instrument* const instrument = find_instrument(list.command.instrument_id);
  const std::span<const NewOrder> all = list.orders();
  index = 0;
  if (instrument == nullptr) return Reason::unknown_instrument;
  if (account_index == no_slot) return Reason::unknown_account;
  if (!is_shape_possible(list.command.kind, all)) return Reason::invalid_list;
  if (list.command.kind == ListKind::each) return Reason::none;

  const bool has_first =
      list.command.kind == ListKind::oto || list.command.kind == ListKind::bracket;
  for (; index < list.count; ++index) {
    const bool is_pending = has_first && index > 0;
    const Reason reason = is_pending
                              ? judge_fields(all[index], *instrument)
                              : judge(all[index], instrument, account_index, placings[index]);
    if (reason != Reason::none) return reason;
    std::uint32_t other_slot;
    if (is_pending && all[index].client_order_id != 0 &&
        find_name({all[index].client_order_id, account_index}, other_slot)) {
      return Reason::duplicate_client_order_id;
    }
    if (!is_pending) continue;
    placings[index].price_ticks = all[index].price_ticks;
    placings[index].quantity_lots = all[index].quantity_lots;
    placings[index].trigger_price_ticks = all[index].trigger_price_ticks;
  }
  index = first_repeated(all);
  if (index < list.count) return Reason::duplicate_client_order_id;
  return judge_together(list, account_index, *instrument, index);
}

/// What counts for the orders of a list together: their funds, their places and each other's
/// prices.
Reason EngineState::judge_together(const OrderListView& list, std::uint32_t account_index,
                                   const Instrument& instrument,
                                   std::uint32_t& index) const noexcept {
  const std::span<const NewOrder> all = list.orders();
  const wire::InstrumentChanged& terms = instrument.terms;
  index = 0;
  if (store.orders.capacity() - store.orders.used_count() < list.count) {
    return Reason::too_many_orders;
  }
  if (list.command.kind != ListKind::all_or_none) return Reason::none;
  const wire::FeeTerms fees = instrument.fees_of(accounts[account_index].fee_tier);
  int128 base_units = 0;
  int128 quote_units = 0;
  for (; index < list.count; ++index) {
    const NewOrder& order = all[index];
    if (order.side == Side::sell) {
      base_units += order.quantity_lots * terms.lot_size_units;
    } else {
      quote_units += buy_hold_units(order.price_ticks, order.quantity_lots, terms.tick_lot_units,
                                    hold_fee_ppm(fees));
    }
    if (base_units > accounts.balance(account_index, terms.base_asset_id).available_units ||
        quote_units > accounts.balance(account_index, terms.quote_asset_id).available_units) {
      return Reason::insufficient_funds;
    }
    if ((order.flags & wire::order_flag::post_only) == 0) continue;
    const auto would_meet = [&](const NewOrder& other) {
      return other.side != order.side &&
             (order.side == Side::buy ? other.price_ticks <= order.price_ticks
                                      : other.price_ticks >= order.price_ticks);
    };
    if (std::ranges::any_of(all.first(index), would_meet)) return Reason::post_only_would_trade;
  }
  return Reason::none;
}

void EngineState::new_order_list(const std::byte* bytes) noexcept {
  const OrderListView list(bytes);
  const wire::NewOrderList& command = list.command;
  const std::uint32_t account_index =
      command.account_id == 0 ? no_slot : accounts.find(command.account_id);
  Placing placings[wire::NewOrderList::repeated_max];
  std::uint32_t index = 0;
  const Reason reason = judge_list(list, account_index, placings, index);
  tell_judged();
  if (reason != Reason::none) {
    wire::OrderListRejected event;
    event.seq = seq;
    event.time_ns = time_ns;
    event.account_id = command.account_id;
    event.client_order_id = index < list.count ? list.all[index].client_order_id : 0;
    event.instrument_id = command.instrument_id;
    event.reason = reason;
    event.index = static_cast<std::uint8_t>(index);
    event.kind = command.kind;
    emit(event);
    return;
  }

  Instrument& instrument = *find_instrument(command.instrument_id);
  wire::OrderListPlaced ended;
  ended.seq = seq;
  ended.time_ns = time_ns;
  ended.account_id = command.account_id;
  ended.instrument_id = command.instrument_id;
  ended.kind = command.kind;
  const std::uint64_t counter_before = order_counter;
  if (command.kind == ListKind::each) {
    place_each(list, account_index, instrument, ended);
  } else if (command.kind == ListKind::all_or_none) {
    for (std::uint32_t place_index = 0; place_index < list.count; ++place_index) {
      (void)place(list.all[place_index], account_index, placings[place_index], instrument);
    }
  } else {
    place_linked(list, account_index, placings, instrument);
  }
  ended.accepted_count = static_cast<std::uint16_t>(order_counter - counter_before);
  if (ended.accepted_count != 0) {
    ended.first_order_id = make_id(config.shard_id, counter_before + 1);
  }
  emit(ended);
  finish_trading(instrument);
}

/// Places or refuses each order, as if it came alone.
void EngineState::place_each(const OrderListView& list, std::uint32_t account_index,
                             Instrument& instrument, wire::OrderListPlaced& ended) noexcept {
  for (const NewOrder& order : list.orders()) {
    Placing placing;
    const Reason reason = judge(order, &instrument, account_index, placing);
    if (reason == Reason::none) {
      (void)place(order, account_index, placing, instrument);
    } else {
      refuse_order(order, reason);
      ++ended.rejected_count;
    }
  }
}

/// Places the orders of an oco, oto or bracket list and links those that stay.
void EngineState::place_linked(const OrderListView& list, std::uint32_t account_index,
                               std::span<const Placing> placings, Instrument& instrument) noexcept {
  const Placed first = place(list.all[0], account_index, placings[0], instrument);
  if (list.command.kind == ListKind::oco) {
    const std::uint32_t stop_slot =
        accept_pending(list.all[1], account_index, placings[1], instrument, false);
    place_stop_leg(stop_slot, first, instrument);
    return;
  }
  std::uint32_t slots[2] = {no_slot, no_slot};
  for (std::uint32_t index = 1; index < list.count; ++index) {
    slots[index - 1] =
        accept_pending(list.all[index], account_index, placings[index], instrument, true);
  }
  const bool has_ended = first.slot == no_slot && !first.is_filled;
  for (const std::uint32_t slot : slots) {
    if (slot == no_slot) continue;
    if (has_ended) {
      cancel(slot, wire::CancelReason::contingency, false);
      continue;
    }
    orders[slot].is_linked = 1;
    contingencies[slot] = {first.slot, slot == slots[0] ? slots[1] : slots[0]};
  }
  if (has_ended) return;
  if (first.slot == no_slot) {
    instrument.activating.push(follower_links, slots[0]);
    return;
  }
  orders[first.slot].is_linked = 1;
  contingencies[first.slot] = {slots[0], slots[1]};
}

/// Accepts an order that is in no book yet and holds nothing. `is_pending`: so that it shows.
std::uint32_t EngineState::accept_pending(const NewOrder& command, std::uint32_t account_index,
                                          const Placing& placing, const Instrument& instrument,
                                          bool is_pending) noexcept {
  Order order = accept(command, account_index, placing, instrument, is_pending);
  order.is_pending = 1;
  order.is_backed = 1;
  const std::uint32_t order_slot = keep(order);
  order_ids.add(name_of(order), order_slot);
  return order_slot;
}

}  // namespace tradepit::detail
