// Whether an order may be placed or replaced: every check, and none of them changes anything.
#include "engine_rules.hpp"
#include "engine_state.hpp"

namespace tradepit::detail {
namespace {

using wire::OrderType;
using wire::Reason;
using wire::SelfTradePrevention;
using wire::Side;
using wire::TimeInForce;

bool is_possible(OrderType order_type, TimeInForce time_in_force) noexcept {
  switch (time_in_force) {
    case TimeInForce::gtc:
      return order_type == OrderType::limit || order_type == OrderType::stop_limit;
    case TimeInForce::ioc:
      return true;
    case TimeInForce::fok:
      return !is_stop(order_type);
    default:
      return false;
  }
}

bool is_within(std::int64_t value, std::int64_t low, std::int64_t high) noexcept {
  return value >= low && value <= high;
}

}  // namespace

Reason EngineState::judge(const wire::NewOrder& command, const Instrument* instrument,
                          std::uint32_t account_index) const noexcept {
  if (instrument == nullptr) return Reason::unknown_instrument;
  const wire::InstrumentChanged& terms = instrument->terms;
  if (terms.trading_state != wire::TradingState::continuous) return Reason::instrument_halted;
  if (account_index == no_slot) return Reason::unknown_account;
  if (accounts[account_index].state != wire::AccountState::active) return Reason::account_suspended;

  const bool is_gtc = command.time_in_force == TimeInForce::gtc;
  if (command.side != Side::buy && command.side != Side::sell) return Reason::invalid_side;
  if (command.order_type < OrderType::limit || command.order_type > OrderType::stop_limit) {
    return Reason::invalid_order_type;
  }
  if (!is_possible(command.order_type, command.time_in_force)) {
    return Reason::invalid_time_in_force;
  }
  const bool is_post_only = (command.flags & wire::order_flag::post_only) != 0;
  if ((command.flags & ~wire::order_flag::post_only) != 0 ||
      (is_post_only && !(is_gtc && command.order_type == OrderType::limit))) {
    return Reason::invalid_flags;
  }
  if (has_price(command.order_type, command.side)
          ? !is_within(command.price_ticks, terms.price_ticks_min, terms.price_ticks_max)
          : command.price_ticks != 0) {
    return Reason::invalid_price;
  }
  if (!is_within(command.quantity_lots, terms.quantity_lots_min, terms.quantity_lots_max)) {
    return Reason::invalid_quantity;
  }
  if ((command.client_order_id >> 63) != 0) return Reason::invalid_client_order_id;
  if (command.self_trade_prevention > SelfTradePrevention::decrement_and_cancel) {
    return Reason::invalid_self_trade_prevention;
  }
  if (is_stop(command.order_type)
          ? !is_within(command.trigger_price_ticks, terms.price_ticks_min, terms.price_ticks_max)
          : command.trigger_price_ticks != 0) {
    return Reason::invalid_trigger_price;
  }
  if (command.display_quantity_lots != 0) return Reason::invalid_display_quantity;
  if (command.minimum_quantity_lots != 0) return Reason::invalid_minimum_quantity;
  if (command.quote_budget_units != 0) return Reason::invalid_quote_budget;
  if (command.expire_time_ns != 0) return Reason::invalid_expire_time;
  if (command.offset_ticks != 0 || command.trail_offset_bps != 0 ||
      command.peg_reference != wire::PegReference::none) {
    return Reason::invalid_offset;
  }
  if (command.replaces_order_id != 0) return Reason::unknown_order;

  std::uint32_t other_slot;
  if (command.client_order_id != 0 &&
      client_order_ids.find({command.client_order_id, account_index}, other_slot)) {
    return Reason::duplicate_client_order_id;
  }
  if (!can_pay(command, *instrument, account_index)) return Reason::insufficient_funds;

  const std::int64_t limit_ticks = limit_ticks_of(command.side, command.price_ticks);
  if (is_post_only && instrument->book.crosses(command.side, limit_ticks)) {
    return Reason::post_only_would_trade;
  }
  if (command.time_in_force == TimeInForce::fok) {
    const auto meet = [&](std::uint32_t maker_slot) {
      const Book::Meeting met = meeting(command.self_trade_prevention, account_index, maker_slot);
      return met == Book::Meeting::shrinks ? Book::Meeting::ends : met;  // lost lots do not trade
    };
    if (instrument->book.walk(command.side, limit_ticks, command.quantity_lots, fills_max, meet,
                              [](std::int64_t, std::int64_t) {}) > 0) {
      return Reason::fok_not_fillable;
    }
  }
  if ((is_gtc || is_stop(command.order_type)) && store.orders.is_full())
    return Reason::too_many_orders;
  return Reason::none;
}

bool EngineState::can_pay(const wire::NewOrder& command, const Instrument& instrument,
                          std::uint32_t account_index) const noexcept {
  const wire::InstrumentChanged& terms = instrument.terms;
  const std::int64_t available_units =
      accounts.balance(account_index, hold_asset_id(command.side, terms)).available_units;
  if (command.side == Side::sell) {
    return command.quantity_lots * terms.lot_size_units <= available_units;
  }
  if (command.price_ticks != 0) {
    return buy_hold_units(command.price_ticks, command.quantity_lots, terms.tick_lot_units,
                          larger_fee_ppm(terms)) <= available_units;
  }
  // A market buy pays for what it would trade now, fill by fill, since fees round down on each.
  int128 cost_units = 0;
  (void)instrument.book.walk(
      Side::buy, std::numeric_limits<std::int64_t>::max(), command.quantity_lots, fills_max,
      [&](std::uint32_t maker_slot) {
        return meeting(command.self_trade_prevention, account_index, maker_slot);
      },
      [&](std::int64_t price_ticks, std::int64_t traded_lots) {
        const std::int64_t notional =
            notional_units(price_ticks, traded_lots, terms.tick_lot_units);
        cost_units += notional + fee_units(notional, terms.taker_fee_ppm);
      });
  return cost_units <= available_units;
}

/// Whether `order` may become `changed`.
Reason EngineState::judge(const Order& changed, const Order& order,
                          const Instrument& instrument) const noexcept {
  const wire::InstrumentChanged& terms = instrument.terms;
  if (terms.trading_state != wire::TradingState::continuous) return Reason::instrument_halted;
  if (accounts[order.account_index].state != wire::AccountState::active) {
    return Reason::account_suspended;
  }
  if (has_price(order.order_type, order.side)
          ? !is_within(changed.price_ticks, terms.price_ticks_min, terms.price_ticks_max)
          : changed.price_ticks != 0) {
    return Reason::invalid_price;
  }
  if (!is_within(changed.quantity_lots, terms.quantity_lots_min, terms.quantity_lots_max)) {
    return Reason::invalid_quantity;
  }
  if (changed.open_lots() <= 0) return Reason::quantity_below_filled;
  const Balance& balance = accounts.balance(order.account_index, hold_asset_id(order.side, terms));
  const std::int64_t more_units =
      hold_units(changed, changed.open_lots(), terms) - hold_units(order, order.open_lots(), terms);
  if (more_units > balance.available_units) return Reason::insufficient_funds;
  if ((order.flags & wire::order_flag::post_only) != 0 &&
      instrument.book.crosses(order.side, changed.price_ticks)) {
    return Reason::post_only_would_trade;
  }
  return Reason::none;
}

}  // namespace tradepit::detail
