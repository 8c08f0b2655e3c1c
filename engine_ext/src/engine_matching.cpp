// Trading: what happens when an order meets the book.
#include "engine_rules.hpp"
#include "engine_state.hpp"

namespace tradepit::detail {
namespace {

using wire::CancelReason;
using wire::ExecutionKind;
using wire::SelfTradePrevention;
using wire::Side;

}  // namespace

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
/// fills while it could have traded on, self-trade prevention, the protection band or the circuit
/// breaker; no reason if it may rest.
CancelReason EngineState::trade(Order& taker, Instrument& instrument) noexcept {
  if (!instrument.is_continuous() || taker.order_type == wire::OrderType::pegged) {
    return CancelReason{};
  }
  const Book& book = instrument.book;
  const std::int64_t own_limit_ticks = limit_ticks_of(
      taker.side, taker.price_ticks, best_ticks_of(book, opposite(taker.side)), instrument.terms);
  const std::int64_t limit_ticks = limit_before_breaker(taker.side, own_limit_ticks, instrument);
  const bool is_plain = taker.self_trade_prevention == SelfTradePrevention::none &&
                        (taker.flags & wire::order_flag::reduce_only) == 0 &&
                        instrument.reduce_only_count == 0;
  const std::uint32_t count_max = fills_left();
  if (instrument.is_pro_rata()) {
    const CancelReason reason = trade_pro_rata(taker, limit_ticks, count_max, instrument);
    if (reason != CancelReason{}) return reason;
  } else if (is_plain) {
    if (count_max != 0) match(taker, limit_ticks, taker.open_lots(), count_max, instrument);
  } else if (const CancelReason reason =
                 trade_one_by_one(taker, limit_ticks, count_max, instrument);
             reason != CancelReason{}) {
    return reason;
  }
  if (taker.open_lots() == 0) return CancelReason{};
  if (book.crosses(taker.side, limit_ticks)) return CancelReason::fill_limit;
  if (book.crosses(taker.side, own_limit_ticks)) {
    trip_breaker(instrument);
    const bool joins_auction = taker.price_ticks != 0 && may_rest(taker.time_in_force);
    return joins_auction ? CancelReason{} : CancelReason::circuit_breaker;
  }
  const bool has_band = taker.price_ticks == 0 && instrument.terms.market_protection_ppm != 0;
  return has_band && book.crosses(taker.side, any_ticks(taker.side)) ? CancelReason::protection_band
                                                                     : CancelReason{};
}

/// Matches a taker where each meeting must be looked at. Why the taker ends by one, or no reason.
CancelReason EngineState::trade_one_by_one(Order& taker, std::int64_t limit_ticks,
                                           std::uint32_t count_max,
                                           Instrument& instrument) noexcept {
  const Book& book = instrument.book;
  if (is_spent(taker)) return CancelReason::reduce_only;
  for (std::uint32_t met_count = 0;
       taker.open_lots() > 0 && met_count < count_max && book.crosses(taker.side, limit_ticks);
       ++met_count) {
    const std::uint32_t maker_slot = book.level(book.best(opposite(taker.side))).head;
    const Order& maker = orders[maker_slot];
    if (meeting(taker.self_trade_prevention, taker.account_index, maker_slot) !=
        Book::Meeting::trades) {
      if (!prevent(taker, maker_slot, instrument)) return CancelReason::self_trade;
      continue;
    }
    const std::int64_t maker_lots = tradable_lots(maker);
    if (maker_lots == 0) {
      ++met_count_;
      cancel(maker_slot, CancelReason::reduce_only, false);
      continue;
    }
    const bool stays = maker.open_lots() > std::min({tradable_lots(taker), maker_lots,
                                                     store.orders[maker_slot].open_lots});
    match(taker, limit_ticks, std::min(tradable_lots(taker), maker_lots), 1, instrument);
    if (stays && is_spent(maker)) cancel(maker_slot, CancelReason::reduce_only, false);
    if (is_spent(taker)) return CancelReason::reduce_only;
  }
  return CancelReason{};
}

/// Trades at most `lots_max` lots of a taker with at most `fills` makers.
void EngineState::match(Order& taker, std::int64_t limit_ticks, std::int64_t lots_max,
                        std::uint32_t fills, Instrument& instrument) noexcept {
  const Book::Matched matched = instrument.book.match(
      taker.side, limit_ticks, lots_max, fills,
      [&](std::uint32_t maker_slot, std::int64_t price_ticks, std::int64_t traded_lots,
          std::int64_t shown_lots) {
        return settle(taker, maker_slot, price_ticks, traded_lots, shown_lots, instrument);
      });
  met_count_ += matched.fill_count;
  if (matched.fill_count > 0) touch(instrument);
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
    leave_sibling(maker_slot);
    accounts.balance(maker.account_index, hold_asset_id(maker.side, terms))
        .release(hold_units(maker, maker_lots, terms) -
                 hold_units(maker, maker_lots - prevented_lots, terms));
    maker.quantity_lots -= prevented_lots;
    show_at_most_open(maker_slot, instrument);
    touch(instrument);
  }
  if (!ends_taker && decrements) taker.quantity_lots -= prevented_lots;
  accounts[maker.account_index].changed_seq = seq;
  ++met_count_;

  wire::SelfTradePrevented event;
  event.seq = seq;
  event.time_ns = time_ns;
  event.price_ticks = resting_ticks(maker);
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
    if (!ends_maker) tell(report_of(maker, ExecutionKind::reduced));
  }
  if (ends_maker) cancel(maker_slot, CancelReason::self_trade, false);
  return !ends_taker;
}

/// Books one fill: moves the funds, emits the trade, closes the maker's order if it is filled. If
/// all of it that the book showed has traded, what it shows next.
std::int64_t EngineState::settle(Order& taker, std::uint32_t maker_slot, std::int64_t price_ticks,
                                 std::int64_t traded_lots, std::int64_t shown_lots,
                                 Instrument& instrument) noexcept {
  const wire::InstrumentChanged& terms = instrument.terms;
  Order& maker = orders[maker_slot];
  if (maker.is_linked != 0) leave_sibling(maker_slot);
  const std::int64_t notional = notional_units(price_ticks, traded_lots, terms.tick_lot_units);
  const std::int64_t base_units = traded_lots * terms.lot_size_units;
  const std::int64_t taker_fee = fee_units(notional, taker.taker_fee_ppm);
  // A rebate comes out of this taker's fee, whatever the schedule was when the maker was placed.
  const std::int64_t maker_fee = std::max(fee_units(notional, maker.maker_fee_ppm), -taker_fee);
  instrument.reach(price_ticks);

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
  move_positions(taker, maker, traded_lots);

  Account& maker_account = accounts[maker.account_index];
  Account& taker_account = accounts[taker.account_index];
  maker_account.changed_seq = seq;
  taker_account.changed_seq = seq;

  wire::Trade event;
  event.seq = seq;
  event.time_ns = time_ns;
  event.trade_id = make_id(config.shard_id, ++trade_counter);
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
  trades.next() = {.seq = seq,
                   .price_ticks = price_ticks,
                   .quantity_lots = traded_lots,
                   .maker_order_id = maker.order_id,
                   .taker_order_id = taker.order_id,
                   .maker_index = maker.account_index,
                   .taker_index = taker.account_index,
                   .instrument_id = terms.instrument_id,
                   .maker_fee_ppm = maker.maker_fee_ppm,
                   .taker_fee_ppm = taker.taker_fee_ppm,
                   .taker_side = taker.side,
                   .is_busted = 0,
                   .unused = {}};

  if (((maker.flags | taker.flags) & wire::order_flag::quote) != 0) {
    if ((taker.flags & wire::order_flag::quote) != 0) {
      count_quote_fill(taker, traded_lots, instrument);
    }
    if ((maker.flags & wire::order_flag::quote) != 0) {
      count_quote_fill(maker, traded_lots, instrument);
    }
  }

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
    tell(report);
  }
  if (shown_lots != 0) return 0;
  if (maker.open_lots() != 0) return part_lots(maker, terms_of(maker));
  close(maker_slot);
  return 0;
}

/// Trades an order that has a slot and is in no book; what stays open rests or is canceled.
void EngineState::enter(std::uint32_t order_slot, Instrument& instrument) noexcept {
  Order& order = orders[order_slot];
  const CancelReason stopped_by = trade(order, instrument);
  if (order.open_lots() > 0) {
    if (stopped_by == CancelReason{} && may_rest(order.time_in_force)) {
      rest(order_slot, instrument);
      return;
    }
    report_canceled(order, stopped_by == CancelReason{} ? CancelReason::ioc_remainder : stopped_by);
  }
  close(order_slot);
  store.orders.release(order_slot);
}

/// Puts what is open of an order into the book and holds its funds.
void EngineState::rest(std::uint32_t order_slot, Instrument& instrument) noexcept {
  const Order& order = orders[order_slot];
  accounts.balance(order.account_index, hold_asset_id(order.side, instrument.terms))
      .hold(hold_units(order, order.open_lots(), instrument.terms));
  touch(instrument);
  const OrderTerms& own = terms_of(order);
  if (order.order_type == wire::OrderType::pegged) {
    rest_pegged(order_slot, pegged_ticks(instrument, order, own, no_slot), instrument);
    return;
  }
  instrument.book.rest(order_slot, order.side, order.price_ticks, part_lots(order, own),
                       own.display_quantity_lots != 0);
}

}  // namespace tradepit::detail
