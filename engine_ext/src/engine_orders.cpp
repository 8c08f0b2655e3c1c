// Placing, canceling and replacing orders.
#include <limits>

#include "engine_state.hpp"

namespace tradepit::detail {
namespace {

using wire::CancelReason;
using wire::ExecutionKind;
using wire::OrderStatus;
using wire::OrderType;
using wire::Reason;
using wire::SelfTradePrevention;
using wire::Side;
using wire::TimeInForce;

constexpr auto fills_max = static_cast<std::uint32_t>(wire::fills_per_command_max);
constexpr auto cancels_max = static_cast<std::uint32_t>(wire::cancels_per_command_max);

/// The worst price that a taker accepts.
std::int64_t limit_ticks_of(Side side, OrderType order_type, std::int64_t price_ticks) noexcept {
  if (order_type == OrderType::limit) return price_ticks;
  return side == Side::buy ? std::numeric_limits<std::int64_t>::max() : 0;
}

std::uint32_t larger_fee_ppm(const wire::InstrumentChanged& terms) noexcept {
  return std::max(terms.maker_fee_ppm, terms.taker_fee_ppm);
}

/// What `open_lots` of the order hold, in the asset that hold_asset_id() names.
std::int64_t hold_units(const Order& order, std::int64_t open_lots,
                        const wire::InstrumentChanged& terms) noexcept {
  if (order.side == Side::sell) return open_lots * terms.lot_size_units;
  return buy_hold_units(order.price_ticks, open_lots, terms.tick_lot_units, order.hold_fee_ppm);
}

std::uint32_t hold_asset_id(Side side, const wire::InstrumentChanged& terms) noexcept {
  return side == Side::sell ? terms.base_asset_id : terms.quote_asset_id;
}

bool is_within(std::int64_t value, std::int64_t low, std::int64_t high) noexcept {
  return value >= low && value <= high;
}

}  // namespace

void EngineState::new_order(const wire::NewOrder& command) noexcept {
  Instrument* const instrument = find_instrument(command.instrument_id);
  const std::uint32_t account_index =
      command.account_id == 0 ? no_slot : accounts.find(command.account_id);
  if (account_index != no_slot) prefetch_ids(command.client_order_id, account_index);
  const Reason reason = judge(command, instrument, account_index);
  if (reason != Reason::none) {
    wire::OrderRejected event;
    event.account_id = command.account_id;
    event.client_order_id = command.client_order_id;
    event.instrument_id = command.instrument_id;
    event.reason = reason;
    wire::ExecutionReport report;
    report.client_order_id = command.client_order_id;
    report.price_ticks = command.price_ticks;
    report.quantity_lots = command.quantity_lots;
    report.instrument_id = command.instrument_id;
    report.status = OrderStatus::rejected;
    report.side = command.side;
    report.order_type = command.order_type;
    report.time_in_force = command.time_in_force;
    report.order_flags = command.flags;
    report.self_trade_prevention = command.self_trade_prevention;
    reject_order(event, report);
    return;
  }

  Order order{};
  order.order_id = (std::uint64_t{config.shard_id} << 48) | ++order_counter;
  order.client_order_id = command.client_order_id;
  order.price_ticks = command.price_ticks;
  order.quantity_lots = command.quantity_lots;
  order.account_index = account_index;
  order.instrument_id = command.instrument_id;
  order.maker_fee_ppm = instrument->terms.maker_fee_ppm;
  order.hold_fee_ppm = larger_fee_ppm(instrument->terms);
  order.side = command.side;
  order.order_type = command.order_type;
  order.time_in_force = command.time_in_force;
  order.flags = command.flags;
  order.self_trade_prevention = command.self_trade_prevention;

  wire::OrderAccepted accepted;
  accepted.seq = seq;
  accepted.time_ns = time_ns;
  accepted.order_id = order.order_id;
  accepted.account_id = command.account_id;
  accepted.client_order_id = command.client_order_id;
  accepted.price_ticks = command.price_ticks;
  accepted.quantity_lots = command.quantity_lots;
  accepted.instrument_id = command.instrument_id;
  accepted.side = command.side;
  accepted.order_type = command.order_type;
  accepted.time_in_force = command.time_in_force;
  accepted.flags = command.flags;
  accepted.self_trade_prevention = command.self_trade_prevention;
  emit(accepted);
  if (reports_ != nullptr) answer(report_of(order, ExecutionKind::accepted));
  accounts[account_index].changed_seq = seq;

  const CancelReason stopped_by = trade(order, *instrument);
  std::uint32_t order_slot = no_slot;
  if (order.open_lots() > 0) {
    if (stopped_by != CancelReason{}) {
      report_canceled(order, stopped_by);
    } else if (order.time_in_force == TimeInForce::gtc) {
      order_slot = store.orders.take();
      orders[order_slot] = order;
      order_by_id_.insert({order.order_id, order_slot, 0});
      link_to_account(order_slot);
      rest(order_slot, *instrument);
    } else {
      report_canceled(order, CancelReason::ioc_remainder);
    }
  }
  if (command.client_order_id != 0) {
    const std::uint64_t number =
        client_order_ids.take({command.client_order_id, account_index}, order_slot);
    if (order_slot != no_slot) orders[order_slot].client_id_number = number;
  }
}

Reason EngineState::judge(const wire::NewOrder& command, const Instrument* instrument,
                          std::uint32_t account_index) const noexcept {
  if (instrument == nullptr) return Reason::unknown_instrument;
  const wire::InstrumentChanged& terms = instrument->terms;
  if (terms.trading_state != wire::TradingState::continuous) return Reason::instrument_halted;
  if (account_index == no_slot) return Reason::unknown_account;
  if (accounts[account_index].state != wire::AccountState::active) return Reason::account_suspended;

  const bool is_limit = command.order_type == OrderType::limit;
  const bool is_gtc = command.time_in_force == TimeInForce::gtc;
  if (command.side != Side::buy && command.side != Side::sell) return Reason::invalid_side;
  if (!is_limit && command.order_type != OrderType::market) return Reason::invalid_order_type;
  if (is_gtc ? !is_limit
             : command.time_in_force != TimeInForce::ioc &&
                   command.time_in_force != TimeInForce::fok) {
    return Reason::invalid_time_in_force;
  }
  const bool is_post_only = (command.flags & wire::order_flag::post_only) != 0;
  if ((command.flags & ~wire::order_flag::known) != 0 || (is_post_only && !is_gtc)) {
    return Reason::invalid_flags;
  }
  if (is_limit ? !is_within(command.price_ticks, terms.price_ticks_min, terms.price_ticks_max)
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

  std::uint32_t other_slot;
  if (command.client_order_id != 0 &&
      client_order_ids.find({command.client_order_id, account_index}, other_slot)) {
    return Reason::duplicate_client_order_id;
  }
  if (!can_pay(command, *instrument, account_index)) return Reason::insufficient_funds;

  const std::int64_t limit_ticks =
      limit_ticks_of(command.side, command.order_type, command.price_ticks);
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
  if (is_gtc && store.orders.is_full()) return Reason::too_many_orders;
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
  if (command.order_type == OrderType::limit) {
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
    changed.maker_fee_ppm = instrument->terms.maker_fee_ppm;
    changed.hold_fee_ppm = larger_fee_ppm(instrument->terms);
    reason = judge(changed, orders[order_slot], *instrument);
  } else if (account_index == no_slot) {
    reason = Reason::unknown_account;
  } else if (accounts[account_index].state != wire::AccountState::active) {
    reason = Reason::account_suspended;
  } else {
    reason = Reason::unknown_order;
  }
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
  const bool keeps_priority =
      changed.price_ticks == order.price_ticks && changed.quantity_lots < order.quantity_lots;
  release_hold(order, *instrument);
  order.price_ticks = changed.price_ticks;
  order.quantity_lots = changed.quantity_lots;
  order.maker_fee_ppm = changed.maker_fee_ppm;
  order.hold_fee_ppm = changed.hold_fee_ppm;
  accounts[account_index].changed_seq = seq;
  touch(*instrument);

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
  replaced.flags = keeps_priority ? wire::replace_flag::kept_priority : std::uint8_t{0};
  emit(replaced);
  if (reports_ != nullptr) answer(report_of(order, ExecutionKind::replaced));

  if (keeps_priority) {
    instrument->book.reduce(order_slot, order.open_lots());
    accounts.balance(account_index, hold_asset_id(order.side, instrument->terms))
        .hold(hold_units(order, order.open_lots(), instrument->terms));
    return;
  }
  instrument->book.unlink(order_slot);
  const CancelReason stopped_by = trade(order, *instrument);
  if (order.open_lots() > 0 && stopped_by == CancelReason{}) {
    rest(order_slot, *instrument);
    return;
  }
  if (order.open_lots() > 0) report_canceled(order, stopped_by);
  close(order_slot);
  store.orders.release(order_slot);
}

/// Whether `order` may become `changed`.
Reason EngineState::judge(const Order& changed, const Order& order,
                          const Instrument& instrument) const noexcept {
  const wire::InstrumentChanged& terms = instrument.terms;
  if (terms.trading_state != wire::TradingState::continuous) return Reason::instrument_halted;
  if (accounts[order.account_index].state != wire::AccountState::active) {
    return Reason::account_suspended;
  }
  if (!is_within(changed.price_ticks, terms.price_ticks_min, terms.price_ticks_max)) {
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

void EngineState::mass_cancel(const wire::MassCancel& command) noexcept {
  const std::uint32_t account_index =
      command.account_id == 0 ? no_slot : accounts.find(command.account_id);
  Reason reason = Reason::none;
  if (command.instrument_id != 0 && find_instrument(command.instrument_id) == nullptr) {
    reason = Reason::unknown_instrument;
  } else if (account_index == no_slot) {
    reason = Reason::unknown_account;
  } else if (static_cast<std::uint8_t>(command.side) > static_cast<std::uint8_t>(Side::sell)) {
    reason = Reason::invalid_side;
  }
  if (reason != Reason::none) {
    reject_command(command.account_id, reason);
    return;
  }

  wire::MassCanceled ended;
  ended.seq = seq;
  ended.time_ns = time_ns;
  ended.account_id = command.account_id;
  for (std::uint32_t slot = accounts[account_index].oldest_order; slot != no_slot;) {
    const Order& order = orders[slot];
    const std::uint32_t younger_slot = order.younger_order;
    if ((command.instrument_id == 0 || command.instrument_id == order.instrument_id) &&
        (command.side == Side{} || command.side == order.side)) {
      if (ended.canceled_count < cancels_max) {
        cancel(slot, CancelReason::mass_cancel);
        ++ended.canceled_count;
      } else {
        ++ended.remaining_count;
      }
    }
    slot = younger_slot;
  }
  emit(ended);
}

/// The slot of an open order of this account, or no_slot.
std::uint32_t EngineState::find_order(std::uint32_t account_index, std::uint64_t order_id,
                                      std::uint64_t client_order_id) const noexcept {
  if (account_index == no_slot) return no_slot;
  if (order_id != 0) {
    const OrderIdEntry* const entry = order_by_id_.find(order_id);
    if (entry != nullptr) store.orders.prefetch(entry->order_slot);
    if (entry == nullptr || orders[entry->order_slot].account_index != account_index) {
      return no_slot;
    }
    return entry->order_slot;
  }
  if (client_order_id == 0) return no_slot;
  std::uint32_t order_slot;
  (void)client_order_ids.find({client_order_id, account_index}, order_slot);
  return order_slot;
}

/// What a taker in this mode does where it meets a maker.
Book::Meeting EngineState::meeting(SelfTradePrevention mode, std::uint32_t taker_index,
                                   std::uint32_t maker_slot) const noexcept {
  if (mode == SelfTradePrevention::none ||
      !accounts.is_same_trader(taker_index, orders[maker_slot].account_index)) {
    return Book::Meeting::trades;
  }
  if (mode == SelfTradePrevention::cancel_oldest) return Book::Meeting::passes;
  if (mode == SelfTradePrevention::decrement_and_cancel) return Book::Meeting::shrinks;
  return Book::Meeting::ends;
}

/// Matches an order that is not in the book. Why what is open of it must be canceled: the limit of
/// fills while it could have traded on, or self-trade prevention; no reason if it may rest.
CancelReason EngineState::trade(Order& taker, Instrument& instrument) noexcept {
  const std::int64_t limit_ticks = limit_ticks_of(taker.side, taker.order_type, taker.price_ticks);
  Book& book = instrument.book;
  const auto match = [&](std::uint32_t count_max) {
    const Book::Matched matched = book.match(
        taker.side, limit_ticks, taker.open_lots(), count_max,
        [&](std::uint32_t maker_slot, std::int64_t price_ticks, std::int64_t traded_lots,
            std::int64_t) { settle(taker, maker_slot, price_ticks, traded_lots, instrument); });
    if (matched.fill_count > 0) touch(instrument);
  };
  if (taker.self_trade_prevention == SelfTradePrevention::none) {
    match(fills_max);
  } else {
    for (std::uint32_t met_count = 0;
         taker.open_lots() > 0 && met_count < fills_max && book.crosses(taker.side, limit_ticks);
         ++met_count) {
      const std::uint32_t maker_slot = book.level(book.best(opposite(taker.side))).head;
      if (meeting(taker.self_trade_prevention, taker.account_index, maker_slot) ==
          Book::Meeting::trades) {
        match(1);
      } else if (!prevent(taker, maker_slot, instrument)) {
        return CancelReason::self_trade;
      }
    }
  }
  return taker.open_lots() > 0 && book.crosses(taker.side, limit_ticks) ? CancelReason::fill_limit
                                                                        : CancelReason{};
}

/// Keeps a taker from trading with a maker of its trade group, as its mode says. False if that ends
/// the taker, which its caller cancels.
bool EngineState::prevent(Order& taker, std::uint32_t maker_slot, Instrument& instrument) noexcept {
  const wire::InstrumentChanged& terms = instrument.terms;
  const SelfTradePrevention mode = taker.self_trade_prevention;
  const bool decrements = mode == SelfTradePrevention::decrement_and_cancel;
  Order& maker = orders[maker_slot];
  const std::int64_t maker_lots = maker.open_lots();
  const std::int64_t taker_lots = taker.open_lots();
  const std::int64_t prevented_lots = std::min(maker_lots, taker_lots);
  const bool ends_maker =
      decrements ? maker_lots <= taker_lots : mode != SelfTradePrevention::cancel_newest;
  const bool ends_taker =
      decrements ? taker_lots <= maker_lots : mode != SelfTradePrevention::cancel_oldest;
  if (!ends_maker && decrements) {
    accounts.balance(maker.account_index, hold_asset_id(maker.side, terms))
        .release(hold_units(maker, maker_lots, terms) -
                 hold_units(maker, maker_lots - prevented_lots, terms));
    maker.quantity_lots -= prevented_lots;
    instrument.book.reduce(maker_slot, maker.open_lots());
    touch(instrument);
  }
  if (!ends_taker && decrements) taker.quantity_lots -= prevented_lots;
  accounts[maker.account_index].changed_seq = seq;

  wire::SelfTradePrevented event;
  event.seq = seq;
  event.time_ns = time_ns;
  event.price_ticks = maker.price_ticks;
  event.prevented_lots = prevented_lots;
  event.maker_order_id = maker.order_id;
  event.taker_order_id = taker.order_id;
  event.maker_account_id = accounts[maker.account_index].account_id;
  event.taker_account_id = accounts[taker.account_index].account_id;
  event.maker_client_order_id = maker.client_order_id;
  event.taker_client_order_id = taker.client_order_id;
  event.maker_quantity_lots = maker.quantity_lots;
  event.taker_quantity_lots = taker.quantity_lots;
  event.maker_remaining_lots = maker.open_lots();
  event.taker_remaining_lots = taker.open_lots();
  event.instrument_id = terms.instrument_id;
  event.taker_side = taker.side;
  event.mode = mode;
  emit(event);
  if (reports_ != nullptr && decrements) {
    if (!ends_taker) answer(report_of(taker, ExecutionKind::reduced));
    if (!ends_maker) reports_->append(report_of(maker, ExecutionKind::reduced));
  }
  if (ends_maker) cancel(maker_slot, CancelReason::self_trade, false);
  return !ends_taker;
}

/// Books one fill: moves the funds, emits the trade, closes the maker's order if it is filled.
void EngineState::settle(Order& taker, std::uint32_t maker_slot, std::int64_t price_ticks,
                         std::int64_t traded_lots, Instrument& instrument) noexcept {
  const wire::InstrumentChanged& terms = instrument.terms;
  Order& maker = orders[maker_slot];
  const std::int64_t notional = notional_units(price_ticks, traded_lots, terms.tick_lot_units);
  const std::int64_t base_units = traded_lots * terms.lot_size_units;
  const std::int64_t maker_fee = fee_units(notional, maker.maker_fee_ppm);
  const std::int64_t taker_fee = fee_units(notional, terms.taker_fee_ppm);

  Balance& maker_base = accounts.balance(maker.account_index, terms.base_asset_id);
  Balance& maker_quote = accounts.balance(maker.account_index, terms.quote_asset_id);
  Balance& taker_base = accounts.balance(taker.account_index, terms.base_asset_id);
  Balance& taker_quote = accounts.balance(taker.account_index, terms.quote_asset_id);
  if (taker.side == Side::buy) {
    taker_quote.spend(notional + taker_fee);
    maker_base.spend_held(base_units);
    taker_base.receive(base_units);
    maker_quote.receive(notional - maker_fee);
  } else {
    const std::int64_t open_lots = maker.open_lots();
    maker_quote.release(hold_units(maker, open_lots, terms) -
                        hold_units(maker, open_lots - traded_lots, terms));
    maker_quote.spend(notional + maker_fee);
    taker_base.spend(base_units);
    maker_base.receive(base_units);
    taker_quote.receive(notional - taker_fee);
  }
  if (maker_fee + taker_fee > 0) {
    accounts.balance(Accounts::house, terms.quote_asset_id).receive(maker_fee + taker_fee);
    accounts[Accounts::house].changed_seq = seq;
  }
  maker.filled_lots += traded_lots;
  taker.filled_lots += traded_lots;

  Account& maker_account = accounts[maker.account_index];
  Account& taker_account = accounts[taker.account_index];
  maker_account.changed_seq = seq;
  taker_account.changed_seq = seq;

  wire::Trade event;
  event.seq = seq;
  event.time_ns = time_ns;
  event.trade_id = (std::uint64_t{config.shard_id} << 48) | ++trade_counter;
  event.price_ticks = price_ticks;
  event.quantity_lots = traded_lots;
  event.notional_units = notional;
  event.base_units = base_units;
  event.maker_order_id = maker.order_id;
  event.taker_order_id = taker.order_id;
  event.maker_account_id = maker_account.account_id;
  event.taker_account_id = taker_account.account_id;
  event.maker_client_order_id = maker.client_order_id;
  event.taker_client_order_id = taker.client_order_id;
  event.maker_fee_units = maker_fee;
  event.taker_fee_units = taker_fee;
  event.maker_remaining_lots = maker.open_lots();
  event.taker_remaining_lots = taker.open_lots();
  event.instrument_id = terms.instrument_id;
  event.taker_side = taker.side;
  emit(event);

  if (reports_ != nullptr) {
    wire::ExecutionReport report = report_of(taker, ExecutionKind::trade);
    report.trade_id = event.trade_id;
    report.trade_price_ticks = price_ticks;
    report.trade_quantity_lots = traded_lots;
    report.fee_units = taker_fee;
    report.liquidity = wire::Liquidity::taker;
    answer(report);
    report = report_of(maker, ExecutionKind::trade);
    report.trade_id = event.trade_id;
    report.trade_price_ticks = price_ticks;
    report.trade_quantity_lots = traded_lots;
    report.fee_units = maker_fee;
    report.liquidity = wire::Liquidity::maker;
    reports_->append(report);
  }
  if (maker.open_lots() == 0) close(maker_slot);
}

/// Puts what is open of an order into the book and holds its funds.
void EngineState::rest(std::uint32_t order_slot, Instrument& instrument) noexcept {
  const Order& order = orders[order_slot];
  accounts.balance(order.account_index, hold_asset_id(order.side, instrument.terms))
      .hold(hold_units(order, order.open_lots(), instrument.terms));
  instrument.book.rest(order_slot, order.side, order.price_ticks, order.open_lots());
  touch(instrument);
}

void EngineState::release_hold(const Order& order, const Instrument& instrument) noexcept {
  accounts.balance(order.account_index, hold_asset_id(order.side, instrument.terms))
      .release(hold_units(order, order.open_lots(), instrument.terms));
}

/// Asks for what accepting an order will touch, while its checks run.
void EngineState::prefetch_ids(std::uint64_t client_order_id,
                               std::uint32_t account_index) const noexcept {
  if (client_order_id != 0) client_order_ids.prefetch({client_order_id, account_index});
  order_by_id_.prefetch((std::uint64_t{config.shard_id} << 48) | (order_counter + 1));
}

/// Asks for what closing an order will touch: these misses then overlap instead of adding up.
void EngineState::prefetch_neighbours(std::uint32_t order_slot) const noexcept {
  const Order& order = orders[order_slot];
  if (order.client_order_id != 0) {
    client_order_ids.prefetch({order.client_order_id, order.account_index});
  }
  if (order.older_order != no_slot) orders.prefetch(order.older_order);
  if (order.younger_order != no_slot) orders.prefetch(order.younger_order);
  const RestingOrder& resting = store.orders[order_slot];
  store.orders.prefetch(resting.next);
  store.orders.prefetch(resting.previous);
  store.levels.prefetch(resting.level);
}

/// Forgets an order that is open no longer; its slot stays taken.
void EngineState::close(std::uint32_t order_slot) noexcept {
  const Order& order = orders[order_slot];
  order_by_id_.erase(order.order_id);
  if (order.client_order_id != 0) {
    client_order_ids.close({order.client_order_id, order.account_index}, order.client_id_number);
  }
  Account& account = accounts[order.account_index];
  if (order.older_order == no_slot) {
    account.oldest_order = order.younger_order;
  } else {
    orders[order.older_order].younger_order = order.younger_order;
  }
  if (order.younger_order == no_slot) {
    account.youngest_order = order.older_order;
  } else {
    orders[order.younger_order].older_order = order.older_order;
  }
  --account.open_order_count;
}

/// Cancels an order that rests. `is_answer`: the command asked for it.
void EngineState::cancel(std::uint32_t order_slot, CancelReason reason, bool is_answer) noexcept {
  const Order& order = orders[order_slot];
  prefetch_neighbours(order_slot);
  Instrument& instrument = *find_instrument(order.instrument_id);
  release_hold(order, instrument);
  instrument.book.unlink(order_slot);
  touch(instrument);
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
    reports_->append(report);
  }
}

/// Makes an order the youngest of its account. Order ids only grow, so the list is in their order.
void EngineState::link_to_account(std::uint32_t order_slot) noexcept {
  Order& order = orders[order_slot];
  Account& account = accounts[order.account_index];
  order.older_order = account.youngest_order;
  order.younger_order = no_slot;
  if (account.youngest_order == no_slot) {
    account.oldest_order = order_slot;
  } else {
    orders[account.youngest_order].younger_order = order_slot;
  }
  account.youngest_order = order_slot;
  ++account.open_order_count;
}

void EngineState::touch(Instrument& instrument) noexcept {
  if (instrument.touched_seq == seq) return;
  instrument.touched_seq = seq;
  touched_instruments.push_back(instrument.terms.instrument_id);
}

}  // namespace tradepit::detail
