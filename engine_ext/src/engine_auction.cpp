// Auctions: the one price at which most can trade, and the trades at it.
#include "engine_rules.hpp"
#include "engine_state.hpp"

namespace tradepit::detail {
namespace {

using wire::CancelReason;
using wire::Side;

}  // namespace

/// What would trade if the book were uncrossed now; all zero unless it is crossed. Only limits of
/// orders that cross are candidates: the most volume, then the least imbalance, then the nearest
/// to the reference price, then the higher.
Auction EngineState::auction_of(const Instrument& instrument) const noexcept {
  const Book& book = instrument.book;
  const std::uint32_t bid = book.best(Side::buy);
  const std::uint32_t ask = book.best(Side::sell);
  if (bid == no_slot || ask == no_slot) return {};
  const std::int64_t highest_ticks = book.level(bid).price_ticks;
  const std::int64_t lowest_ticks = book.level(ask).price_ticks;
  if (lowest_ticks > highest_ticks) return {};

  // Prices rise: sells join, and buys whose limit is passed leave.
  std::int64_t buy_lots = 0;
  std::int64_t sell_lots = 0;
  std::uint32_t buys = no_slot;  // the worst that is still in
  for (std::uint32_t level = bid; level != no_slot && book.level(level).price_ticks >= lowest_ticks;
       level = book.worse(level)) {
    buy_lots += whole_lots(book.level(level));
    buys = level;
  }
  std::uint32_t sells = ask;  // the best that is still out
  const std::int64_t reference_ticks = instrument.auction_reference_ticks();
  const auto distance = [&](std::int64_t price_ticks) {
    return reference_ticks == 0 ? 0 : std::abs(price_ticks - reference_ticks);
  };
  const auto is_in = [&](std::uint32_t level) {
    return level != no_slot && book.level(level).price_ticks <= highest_ticks;
  };
  Auction best;
  while (buys != no_slot || is_in(sells)) {
    const std::int64_t price_ticks =
        buys == no_slot ? book.level(sells).price_ticks
        : !is_in(sells) ? book.level(buys).price_ticks
                        : std::min(book.level(buys).price_ticks, book.level(sells).price_ticks);
    if (is_in(sells) && book.level(sells).price_ticks == price_ticks) {
      sell_lots += whole_lots(book.level(sells));
      sells = book.worse(sells);
    }
    const Auction found{price_ticks, std::min(buy_lots, sell_lots), buy_lots - sell_lots};
    const auto rank = [&](const Auction& auction) {
      return std::tuple(-auction.volume_lots, std::abs(auction.surplus_lots),
                        distance(auction.price_ticks));
    };
    if (best.price_ticks == 0 || rank(found) <= rank(best)) best = found;
    if (buys != no_slot && book.level(buys).price_ticks == price_ticks) {
      buy_lots -= whole_lots(book.level(buys));
      buys = book.better(buys);
    }
  }
  return best;
}

/// What is open at a price, which in an auction all takes part.
std::int64_t EngineState::whole_lots(const Level& level) const noexcept {
  if (level.part_count == 0) return level.open_lots;
  std::int64_t lots = 0;
  for (std::uint32_t slot = level.head; slot != no_slot; slot = store.orders[slot].next) {
    lots += orders[slot].open_lots();
  }
  return lots;
}

/// Begins the trades of an auction. The book must be crossed.
void EngineState::begin_uncross(Instrument& instrument) noexcept {
  const Auction auction = auction_of(instrument);
  instrument.uncross_price_ticks = auction.price_ticks;
  instrument.terms.reference_price_ticks = auction.price_ticks;
  wire::AuctionUncrossed event;
  event.seq = seq;
  event.time_ns = time_ns;
  event.price_ticks = auction.price_ticks;
  event.volume_lots = auction.volume_lots;
  event.imbalance_lots = std::abs(auction.surplus_lots);
  event.imbalance_side = auction.surplus_side();
  event.instrument_id = instrument.terms.instrument_id;
  emit(event);
}

/// Goes on with the trades of an auction; false if the command has met fills_max makers and more
/// is left. Where self-trade prevention leaves the book crossed, what is left is uncrossed anew.
bool EngineState::go_on_uncrossing(Instrument& instrument) noexcept {
  const Book& book = instrument.book;
  is_cascade_ = true;  // what happens now answers nobody
  while (instrument.uncross_price_ticks != 0) {
    while (book.crosses(Side::buy, instrument.uncross_price_ticks) &&
           book.crosses(Side::sell, instrument.uncross_price_ticks)) {
      if (met_count_ >= fills_max) {
        is_cascade_ = false;
        return false;
      }
      uncross_one(instrument);
    }
    instrument.uncross_price_ticks = 0;
    if (instrument.book.is_crossed()) begin_uncross(instrument);
  }
  is_cascade_ = false;
  return true;
}

/// Lets the two orders that are first on their sides trade at the auction's price. The younger is
/// the taker.
void EngineState::uncross_one(Instrument& instrument) noexcept {
  Book& book = instrument.book;
  const std::uint32_t buy_slot = book.level(book.best(Side::buy)).head;
  const std::uint32_t sell_slot = book.level(book.best(Side::sell)).head;
  const bool is_buy_older = orders[buy_slot].order_id < orders[sell_slot].order_id;
  const std::uint32_t maker_slot = is_buy_older ? buy_slot : sell_slot;
  const std::uint32_t taker_slot = is_buy_older ? sell_slot : buy_slot;
  Order& taker = orders[taker_slot];
  const std::int64_t taker_lots = taker.open_lots();
  touch(instrument);
  const Book::Meeting met = meeting(taker.self_trade_prevention, taker.account_index, maker_slot);
  if (met == Book::Meeting::trades || met == Book::Meeting::shrinks) {
    leave_sibling(maker_slot);
    leave_sibling(taker_slot);
  }
  if (met != Book::Meeting::trades) {
    if (!prevent(taker, maker_slot, instrument)) {
      cancel(taker_slot, CancelReason::self_trade, false);
    } else if (taker.open_lots() < taker_lots) {
      release_part(taker, taker_lots, instrument);
      show_at_most_open(taker_slot, instrument);
    }
    return;
  }
  ++met_count_;
  for (const std::uint32_t slot : {maker_slot, taker_slot}) {
    if (is_spent(orders[slot])) return cancel(slot, CancelReason::reduce_only, false);
  }
  const std::int64_t maker_lots = orders[maker_slot].open_lots();
  const std::int64_t traded_lots =
      std::min(tradable_lots(taker), tradable_lots(orders[maker_slot]));
  for (const auto& [slot, open_lots] :
       {std::pair(taker_slot, taker_lots), std::pair(maker_slot, maker_lots)}) {
    if (open_lots == traded_lots) {
      book.unlink(slot);
    } else {
      book.resize(slot, std::min(store.orders[slot].open_lots, open_lots - traded_lots));
    }
  }
  // As a taker that is in no book: what it holds for these lots is free to be spent.
  accounts.balance(taker.account_index, hold_asset_id(taker.side, instrument.terms))
      .release(hold_units(taker, taker_lots, instrument.terms) -
               hold_units(taker, taker_lots - traded_lots, instrument.terms));
  (void)settle(taker, maker_slot, instrument.uncross_price_ticks, traded_lots,
               maker_lots - traded_lots, instrument);
  if (maker_lots == traded_lots) store.orders.release(maker_slot);
  if (taker_lots == traded_lots) {
    close(taker_slot);
    store.orders.release(taker_slot);
  }
  if (maker_lots != traded_lots && is_spent(orders[maker_slot])) {
    cancel(maker_slot, CancelReason::reduce_only, false);
  }
  if (taker_lots != traded_lots && is_spent(orders[taker_slot])) {
    cancel(taker_slot, CancelReason::reduce_only, false);
  }
}

/// Gives back what an order held for lots that it lost.
void EngineState::release_part(const Order& order, std::int64_t lots_before,
                               const Instrument& instrument) noexcept {
  accounts.balance(order.account_index, hold_asset_id(order.side, instrument.terms))
      .release(hold_units(order, lots_before, instrument.terms) -
               hold_units(order, order.open_lots(), instrument.terms));
}

}  // namespace tradepit::detail
