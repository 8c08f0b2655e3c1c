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
    case TimeInForce::day:
    case TimeInForce::gtd:
      return order_type != OrderType::market && order_type != OrderType::stop &&
             order_type != OrderType::trailing_stop;
    case TimeInForce::ioc:
      return order_type != OrderType::market_to_limit && order_type != OrderType::pegged;
    case TimeInForce::at_the_open:
    case TimeInForce::at_the_close:
      return order_type == OrderType::limit;
    case TimeInForce::fok:
      return order_type == OrderType::limit || order_type == OrderType::market;
    default:
      return false;
  }
}

bool is_within(std::int64_t value, std::int64_t low, std::int64_t high) noexcept {
  return value >= low && value <= high;
}

/// Whether the order names what it follows, and at which distance, if and only if it follows.
bool is_offset_possible(const wire::NewOrder& command) noexcept {
  if (command.order_type == OrderType::pegged) {
    return command.trail_offset_bps == 0 && command.peg_reference >= wire::PegReference::best_bid &&
           command.peg_reference <= wire::PegReference::middle &&
           is_within(command.offset_ticks, -wire::price_ticks_max, wire::price_ticks_max);
  }
  if (command.peg_reference != wire::PegReference::none) return false;
  if (command.order_type != OrderType::trailing_stop) {
    return command.offset_ticks == 0 && command.trail_offset_bps == 0;
  }
  return command.trail_offset_bps == 0
             ? is_within(command.offset_ticks, 1, wire::price_ticks_max)
             : command.offset_ticks == 0 && command.trail_offset_bps < 10'000;
}

bool crosses(Side taker_side, std::int64_t limit_ticks, std::int64_t price_ticks) noexcept {
  return taker_side == Side::buy ? price_ticks <= limit_ticks : price_ticks >= limit_ticks;
}

/// The price with which an order would be placed, or 0 if it has none.
std::int64_t price_for(const wire::NewOrder& command, const Instrument& instrument,
                       std::int64_t best_ticks) noexcept {
  if (command.order_type == OrderType::market_to_limit) {
    return instrument.is_price(best_ticks) ? best_ticks : 0;
  }
  if ((command.flags & wire::order_flag::post_only_slide) == 0) return command.price_ticks;
  return slid_ticks(instrument, command.side, command.price_ticks, best_ticks);
}

}  // namespace

/// Where a sliding post-only order rests that names `price_ticks`: the nearest price that does not
/// cross the other side's best, or, if there is none, the price itself.
std::int64_t slid_ticks(const Instrument& instrument, Side side, std::int64_t price_ticks,
                        std::int64_t best_ticks) noexcept {
  if (best_ticks == 0 || !crosses(side, price_ticks, best_ticks) ||
      !instrument.is_price(price_ticks)) {
    return price_ticks;
  }
  const std::int64_t nearest_ticks =
      instrument.nearest_price(side, side == Side::buy ? best_ticks - 1 : best_ticks + 1);
  return nearest_ticks == 0 ? price_ticks : nearest_ticks;
}

Reason EngineState::judge(const wire::NewOrder& command, const Instrument* instrument,
                          std::uint32_t account_index, Placing& placing) const noexcept {
  if (instrument == nullptr) return Reason::unknown_instrument;
  if (const Reason reason = judge_state(command, *instrument); reason != Reason::none) {
    return reason;
  }
  if (account_index == no_slot) return Reason::unknown_account;
  if (accounts[account_index].state != wire::AccountState::active) return Reason::account_suspended;
  if (command.replaces_order_id != 0) {
    placing.replaced_slot = find_order(account_index, command.replaces_order_id, 0);
    if (placing.replaced_slot == no_slot ||
        orders[placing.replaced_slot].instrument_id != command.instrument_id) {
      return Reason::unknown_order;
    }
  }
  if (is_killed(account_index)) return Reason::kill_switch_engaged;
  if (placing.replaced_slot != no_slot && orders[placing.replaced_slot].is_linked != 0) {
    return Reason::contingent_order;
  }
  if (const Reason reason = judge_fields(command, *instrument); reason != Reason::none)
    return reason;

  std::uint32_t other_slot;
  if (command.client_order_id != 0 &&
      find_name({command.client_order_id, account_index}, other_slot)) {
    return Reason::duplicate_client_order_id;
  }
  placing.quantity_lots = command.quantity_lots;
  placing.best_ticks =
      best_ticks_of(instrument->book, opposite(command.side), placing.replaced_slot);
  placing.price_ticks = price_for(command, *instrument, placing.best_ticks);
  Taking taking{.account_index = account_index,
                .self_trade_prevention = command.self_trade_prevention,
                .side = command.side,
                .limit_ticks = limit_ticks_of(command.side, placing.price_ticks, placing.best_ticks,
                                              instrument->terms),
                .open_lots = command.quantity_lots,
                .gone_slot = placing.replaced_slot};
  if (command.quote_budget_units != 0) {
    if (command.quote_budget_units > available_units(taking, *instrument)) {
      return Reason::insufficient_funds;
    }
    placing.quantity_lots = lots_for(command.quote_budget_units, *instrument, taking);
    if (placing.quantity_lots < instrument->terms.quantity_lots_min)
      return Reason::budget_too_small;
    taking.open_lots = placing.quantity_lots;
  }
  if ((command.flags & wire::order_flag::reduce_only) != 0) {
    placing.quantity_lots = std::min(
        placing.quantity_lots, reducible_lots(command.instrument_id, account_index, command.side));
    if (placing.quantity_lots == 0) return Reason::would_not_reduce;
    taking.open_lots = placing.quantity_lots;
  }
  if (const Reason reason = judge_trading(command, *instrument, taking, placing);
      reason != Reason::none) {
    return reason;
  }
  const bool needs_slot = may_rest(command.time_in_force) || is_stop(command.order_type);
  if (needs_slot && placing.replaced_slot == no_slot && store.orders.is_full()) {
    return Reason::too_many_orders;
  }
  if (command.order_type == OrderType::market_to_limit && placing.price_ticks == 0) {
    return Reason::no_liquidity;
  }
  return judge_following(command, *instrument, placing);
}

/// The checks of orders whose price follows others. Finds out where a trailing stop order begins.
Reason EngineState::judge_following(const wire::NewOrder& command, const Instrument& instrument,
                                    Placing& placing) const noexcept {
  placing.trigger_price_ticks = command.trigger_price_ticks;
  const bool is_trailing = command.order_type == OrderType::trailing_stop;
  if (!is_trailing && command.order_type != OrderType::pegged) return Reason::none;
  const OrderList& others = is_trailing ? instrument.trailing_stops : instrument.pegged_orders;
  const bool takes_place = placing.replaced_slot != no_slot &&
                           orders[placing.replaced_slot].order_type == command.order_type;
  if (!takes_place &&
      others.count >= (is_trailing ? wire::trailing_stops_max : wire::pegged_orders_max)) {
    return Reason::too_many_orders;
  }
  if (is_trailing) {
    if (instrument.last_price_ticks == 0) return Reason::no_reference_price;
    placing.trigger_price_ticks = trailing_ticks(command.side, instrument.last_price_ticks,
                                                 command.offset_ticks, command.trail_offset_bps);
    return Reason::none;
  }
  Order order{};
  order.side = command.side;
  order.price_ticks = command.price_ticks;
  OrderTerms own{};
  own.offset_ticks = command.offset_ticks;
  own.peg_reference = command.peg_reference;
  return pegged_ticks(instrument, order, own, placing.replaced_slot) == 0
             ? Reason::no_reference_price
             : Reason::none;
}

/// The checks that look at nothing but the command, its time and the instrument's terms.
Reason EngineState::judge_fields(const wire::NewOrder& command,
                                 const Instrument& instrument) const noexcept {
  const wire::InstrumentChanged& terms = instrument.terms;
  const bool is_for_one = is_for_auction(command.time_in_force);
  const bool rests = may_rest(command.time_in_force);
  if (command.side != Side::buy && command.side != Side::sell) return Reason::invalid_side;
  const bool is_to_limit = command.order_type == OrderType::market_to_limit;
  if (command.order_type < OrderType::limit || command.order_type > OrderType::market_to_limit) {
    return Reason::invalid_order_type;
  }
  if (!is_possible(command.order_type, command.time_in_force)) {
    return Reason::invalid_time_in_force;
  }
  const int post_only = command.flags & post_only_flags;
  const int possible_flags =
      post_only_flags | (instrument.is_pro_rata() ? 0 : wire::order_flag::reduce_only);
  if ((command.flags & ~possible_flags) != 0 || post_only == post_only_flags ||
      (post_only != 0 && (!rests || is_for_one || command.order_type != OrderType::limit))) {
    return Reason::invalid_flags;
  }
  if (has_price(command.order_type, command.side) && !is_to_limit
          ? !instrument.is_price(command.price_ticks)
          : command.price_ticks != 0) {
    return Reason::invalid_price;
  }
  const bool has_budget = command.order_type == OrderType::market && command.side == Side::buy &&
                          !instrument.is_pro_rata() && command.quantity_lots == 0 &&
                          command.quote_budget_units > 0;
  if (!has_budget &&
      !is_within(command.quantity_lots, terms.quantity_lots_min, terms.quantity_lots_max)) {
    return Reason::invalid_quantity;
  }
  if ((command.client_order_id >> 63) != 0) return Reason::invalid_client_order_id;
  if (command.self_trade_prevention > SelfTradePrevention::decrement_and_cancel) {
    return Reason::invalid_self_trade_prevention;
  }
  if (has_trigger_price(command.order_type) ? !instrument.is_price(command.trigger_price_ticks)
                                            : command.trigger_price_ticks != 0) {
    return Reason::invalid_trigger_price;
  }
  if (command.display_quantity_lots != 0 &&
      (!rests || instrument.is_pro_rata() || command.order_type != OrderType::limit ||
       !is_within(command.display_quantity_lots, terms.quantity_lots_min, command.quantity_lots))) {
    return Reason::invalid_display_quantity;
  }
  const bool may_have_minimum =
      command.time_in_force == TimeInForce::ioc && !is_stop(command.order_type);
  if (!is_within(command.minimum_quantity_lots, 0, may_have_minimum ? command.quantity_lots : 0)) {
    return Reason::invalid_minimum_quantity;
  }
  if (command.quote_budget_units != 0 && !has_budget) return Reason::invalid_quote_budget;
  if (command.time_in_force == TimeInForce::gtd
          ? !is_within(command.expire_time_ns, std::max<std::int64_t>(time_ns, 0) + 1, never_ns - 1)
          : command.expire_time_ns != 0) {
    return Reason::invalid_expire_time;
  }
  return is_offset_possible(command) ? Reason::none : Reason::invalid_offset;
}

/// The checks that look at funds and at what the order would meet.
Reason EngineState::judge_trading(const wire::NewOrder& command, const Instrument& instrument,
                                  const Taking& taking, const Placing& placing) const noexcept {
  if (!can_pay(placing, instrument, taking)) return Reason::insufficient_funds;
  if (placing.price_ticks != 0 &&
      !instrument.is_notional(placing.price_ticks, placing.quantity_lots)) {
    return Reason::invalid_notional;
  }
  if (placing.price_ticks != 0 &&
      !instrument.is_within_collars(
          command.side, placing.price_ticks,
          is_to_wait(command.order_type, command.time_in_force, instrument))) {
    return Reason::outside_collar;
  }
  if ((command.flags & post_only_flags) != 0 && placing.best_ticks != 0 &&
      crosses(taking.side, taking.limit_ticks, placing.best_ticks)) {
    return Reason::post_only_would_trade;
  }
  const bool is_fok = command.time_in_force == TimeInForce::fok;
  if (!is_fok && command.minimum_quantity_lots == 0) return Reason::none;
  std::int64_t fillable_lots = 0;
  walk(taking, instrument, [&](std::int64_t, std::int64_t traded_lots, std::int64_t) {
    fillable_lots += traded_lots;
    return true;
  });
  if (is_fok && fillable_lots < placing.quantity_lots) return Reason::fok_not_fillable;
  if (fillable_lots < command.minimum_quantity_lots) return Reason::minimum_not_fillable;
  return Reason::none;
}

/// What matching would do: `visit(price_ticks, traded_lots, open_lots)` for each trade, with what
/// was open before it; it goes on as long as that says so. Nothing changes.
template <typename Visit>
void EngineState::walk(const Taking& taking, const Instrument& instrument,
                       Visit visit) const noexcept {
  WalkPositions& moved = walk_positions_;
  const auto may_trade = [&](std::uint32_t maker_slot) {
    const Order& maker = orders[maker_slot];
    if ((maker.flags & wire::order_flag::reduce_only) == 0) return wire::quantity_lots_max;
    const std::int64_t lots =
        position(maker.instrument_id, maker.account_index) + moved.moved_lots[maker.account_index];
    return std::max<std::int64_t>(maker.side == Side::sell ? lots : -lots, 0);
  };
  const auto meet = [&](std::uint32_t maker_slot) {
    if (maker_slot == taking.gone_slot) return Book::Meeting::none;
    const Book::Meeting found =
        meeting(taking.self_trade_prevention, taking.account_index, maker_slot);
    return found == Book::Meeting::trades && may_trade(maker_slot) == 0 ? Book::Meeting::passes
                                                                        : found;
  };
  const auto whole = [&](std::uint32_t maker_slot) {
    const Order& maker = orders[maker_slot];
    return std::pair(maker.open_lots(), terms_of(maker).display_quantity_lots);
  };
  const std::int64_t limit_ticks =
      limit_before_breaker(taking.side, taking.limit_ticks, instrument);
  if (instrument.is_pro_rata()) return walk_pro_rata(taking, limit_ticks, instrument, visit);
  const auto visit_fill = [&](std::uint32_t maker_slot, std::int64_t price_ticks,
                              std::int64_t traded_lots, std::int64_t open_lots) {
    if (instrument.reduce_only_count != 0) {
      const std::int64_t bought_lots = taking.side == Side::buy ? traded_lots : -traded_lots;
      moved.move(taking.account_index, bought_lots);
      moved.move(orders[maker_slot].account_index, -bought_lots);
    }
    return visit(price_ticks, traded_lots, open_lots);
  };
  (void)instrument.book.walk(taking.side, limit_ticks, taking.open_lots, fills_left(), meet, whole,
                             may_trade, visit_fill);
  moved.clear();
}

/// What trade_pro_rata() would do.
template <typename Visit>
void EngineState::walk_pro_rata(const Taking& taking, std::int64_t limit_ticks,
                                const Instrument& instrument, Visit visit) const noexcept {
  const Book& book = instrument.book;
  std::int64_t open_lots = taking.open_lots;
  std::uint32_t left_count = fills_left();
  for (std::uint32_t level_slot = book.best(opposite(taking.side)); level_slot != no_slot;
       level_slot = book.worse(level_slot)) {
    const std::int64_t price_ticks = book.level(level_slot).price_ticks;
    if (!crosses(taking.side, limit_ticks, price_ticks)) return;
    std::uint32_t looked_count = left_count;
    for (std::uint32_t slot = book.level(level_slot).head; slot != no_slot && looked_count > 0;
         slot = store.orders[slot].next) {
      if (slot == taking.gone_slot) continue;
      --looked_count;
      const Book::Meeting found = meeting(taking.self_trade_prevention, taking.account_index, slot);
      if (found == Book::Meeting::trades) continue;
      if (found == Book::Meeting::ends) return;
      --left_count;
      if (found != Book::Meeting::shrinks) continue;
      open_lots -= std::min(open_lots, orders[slot].open_lots());
      if (open_lots == 0) return;
    }
    const auto is_in = [&](std::uint32_t slot) {
      return slot != taking.gone_slot && meeting(taking.self_trade_prevention, taking.account_index,
                                                 slot) == Book::Meeting::trades;
    };
    bool goes_on = true;
    book.allocate(level_slot, open_lots, left_count, is_in, [&](std::uint32_t, std::int64_t lots) {
      --left_count;
      goes_on = visit(price_ticks, lots, open_lots);
      open_lots -= lots;
      return goes_on;
    });
    if (!goes_on || open_lots == 0 || left_count == 0) return;
  }
}

/// What the taker's account can spend once the order that it replaces has gone.
std::int64_t EngineState::available_units(const Taking& taking,
                                          const Instrument& instrument) const noexcept {
  const std::int64_t units =
      accounts.balance(taking.account_index, hold_asset_id(taking.side, instrument.terms))
          .available_units;
  if (taking.gone_slot == no_slot || orders[taking.gone_slot].side != taking.side) return units;
  const Order& gone = orders[taking.gone_slot];
  return units + hold_units(gone, gone.open_lots(), instrument.terms);
}

bool EngineState::can_pay(const Placing& placing, const Instrument& instrument,
                          const Taking& taking) const noexcept {
  const wire::InstrumentChanged& terms = instrument.terms;
  const wire::FeeTerms fees = instrument.fees_of(accounts[taking.account_index].fee_tier);
  const std::int64_t funds_units = available_units(taking, instrument);
  if (taking.side == Side::sell) {
    return placing.quantity_lots * terms.lot_size_units <= funds_units;
  }
  if (placing.price_ticks != 0) {
    return buy_hold_units(placing.price_ticks, placing.quantity_lots, terms.tick_lot_units,
                          hold_fee_ppm(fees)) <= funds_units;
  }
  // A market buy pays for what it would trade now, fill by fill, since fees round down on each.
  int128 cost_units = 0;
  walk(taking, instrument, [&](std::int64_t price_ticks, std::int64_t traded_lots, std::int64_t) {
    const std::int64_t notional = notional_units(price_ticks, traded_lots, terms.tick_lot_units);
    cost_units += notional + fee_units(notional, fees.taker_fee_ppm);
    return true;
  });
  return cost_units <= funds_units;
}

/// The smallest quantity with which a market buy trades as much as it can pay out of
/// `budget_units`.
std::int64_t EngineState::lots_for(std::int64_t budget_units, const Instrument& instrument,
                                   Taking taking) const noexcept {
  const wire::InstrumentChanged& terms = instrument.terms;
  const std::uint32_t fee_ppm =
      instrument.fees_of(accounts[taking.account_index].fee_tier).taker_fee_ppm;
  taking.open_lots = terms.quantity_lots_max;
  std::int64_t lots = 0;
  walk(taking, instrument,
       [&](std::int64_t price_ticks, std::int64_t traded_lots, std::int64_t open_lots) {
         // notional + floor(notional * fee / 10^6) <= budget, solved for the lots of this fill.
         const int128 lot_units = static_cast<int128>(price_ticks) * terms.tick_lot_units;
         const int128 payable_lots = ((static_cast<int128>(budget_units) + 1) * millionths - 1) /
                                     (lot_units * (millionths + fee_ppm));
         const bool is_spent = payable_lots < traded_lots;
         if (is_spent) traded_lots = static_cast<std::int64_t>(payable_lots);
         if (traded_lots == 0) return false;
         lots = terms.quantity_lots_max - open_lots + traded_lots;
         const std::int64_t notional =
             notional_units(price_ticks, traded_lots, terms.tick_lot_units);
         budget_units -= notional + fee_units(notional, fee_ppm);
         return !is_spent;
       });
  return lots;
}

/// Whether `order` may become `changed`.
Reason EngineState::judge(const Order& changed, const Order& order,
                          const Instrument& instrument) const noexcept {
  const wire::InstrumentChanged& terms = instrument.terms;
  if (const Reason reason = judge_state(instrument); reason != Reason::none) return reason;
  if (accounts[order.account_index].state != wire::AccountState::active) {
    return Reason::account_suspended;
  }
  if (is_killed(order.account_index)) return Reason::kill_switch_engaged;
  if (order.is_linked != 0) return Reason::contingent_order;
  if (has_price(order.order_type, order.side) ? !instrument.is_price(changed.price_ticks)
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
  if (changed.price_ticks != 0 &&
      !instrument.is_notional(changed.price_ticks, changed.quantity_lots)) {
    return Reason::invalid_notional;
  }
  if (changed.price_ticks != 0 &&
      !instrument.is_within_collars(order.side, changed.price_ticks, order.is_waiting != 0)) {
    return Reason::outside_collar;
  }
  if ((order.flags & post_only_flags) != 0 &&
      instrument.book.crosses(order.side, changed.price_ticks)) {
    return Reason::post_only_would_trade;
  }
  if (order.order_type == OrderType::pegged &&
      pegged_ticks(instrument, changed, terms_of(order), no_slot) == 0) {
    return Reason::no_reference_price;
  }
  return Reason::none;
}

}  // namespace tradepit::detail
