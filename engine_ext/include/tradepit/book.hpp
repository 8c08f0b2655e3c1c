#pragma once
#include <algorithm>
#include <cassert>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

#include "tradepit/lazy_array.hpp"
#include "tradepit/pool.hpp"
#include "tradepit/price_ladder.hpp"
#include "tradepit/wire.hpp"

namespace tradepit {

/// What the book keeps of an order. Who owns it stands elsewhere, under the same slot.
struct RestingOrder {
  std::int64_t open_lots;  // that the book shows
  std::uint32_t next;      // younger, in the queue of its level
  std::uint32_t previous;
  std::uint32_t level : 31;
  std::uint32_t is_part : 1;  // of an order whose owner holds more back
  std::uint32_t tag;          // the caller's, who may write it once the slot is taken
};
static_assert(sizeof(RestingOrder) == 24);

/// The orders of one price, oldest first.
struct Level {
  std::int64_t price_ticks;
  std::int64_t open_lots;
  std::uint32_t head;
  std::uint32_t tail;
  std::uint32_t order_count;
  std::uint32_t part_count : 31;  // orders that rest in parts
  std::uint32_t is_sell : 1;
};
static_assert(sizeof(Level) == 32);  // two in a cache line

/// What the books of a shard share: one pool of orders, one of levels, and the way from a price to
/// its level. There can be no more levels than orders.
class BookStore {
 public:
  explicit BookStore(std::uint32_t max_orders) noexcept
      : orders(max_orders),
        levels(max_orders),
        ladder(max_orders),
        walk_queue(static_cast<std::size_t>(wire::fills_per_command_max)) {
    assert(max_orders <= orders_end);
  }

  static constexpr std::uint32_t orders_end = std::uint32_t{1} << 31;

  Pool<RestingOrder> orders;
  Pool<Level> levels;
  PriceLadder ladder;

  /// The "set" of a side of a book, as PriceLadder wants it.
  [[nodiscard]] static std::uint32_t set_of(std::uint32_t book_id, wire::Side side) noexcept {
    return book_id * 2 + static_cast<std::uint32_t>(side) - 1;
  }
  /// Ask for the level of a price; some time later, for what putting an order there will touch. See
  /// Book::prefetch(). No book need have this id.
  void prefetch_level(std::uint32_t book_id, wire::Side side,
                      std::int64_t price_ticks) const noexcept {
    levels.prefetch(ladder.guess(set_of(book_id, side), price_ticks));
  }
  void prefetch_tail(std::uint32_t book_id, wire::Side side,
                     std::int64_t price_ticks) const noexcept {
    const std::uint32_t level_slot = ladder.guess(set_of(book_id, side), price_ticks);
    prefetch_links(levels[levels.any_if_none(level_slot)].tail);
  }
  /// Of a neighbour nothing else is touched, and these are in one cache line.
  void prefetch_links(std::uint32_t slot) const noexcept {
    prefetch_memory(&orders[orders.any_if_none(slot)].next);
  }

  /// A part of an order that comes back to its level while Book::walk looks at it.
  struct Returning {
    std::uint32_t slot;
    std::uint32_t unused;
    std::int64_t shown_lots;
    std::int64_t whole_lots;
    std::int64_t part_lots;
  };
  LazyArray<Returning> walk_queue;  // of the walk at work
};

[[nodiscard]] constexpr wire::Side opposite(wire::Side side) noexcept {
  return side == wire::Side::buy ? wire::Side::sell : wire::Side::buy;
}

/// One instrument's limit order book in price-time order. It knows prices, lots and slots of the
/// store; no account, no fee, no order id. Never allocates, never throws.
class Book {
 public:
  /// `book_id` is unique in the store, from 1 and below 2^21. The store outlives the book.
  Book(BookStore& store, std::uint32_t book_id) noexcept : store_(&store), book_id_(book_id) {
    assert(book_id >= 1 && book_id < (1U << 21));
  }

  /// Puts `slot`, taken from the store's orders, at the back of its price. The order must not cross
  /// the other side; price from 1 to price_ticks_max, lots from 1.
  void rest(std::uint32_t slot, wire::Side side, std::int64_t price_ticks, std::int64_t open_lots,
            bool is_part = false) noexcept;

  /// Takes an order out of its level; the slot stays the caller's.
  void unlink(std::uint32_t slot) noexcept;

  /// Takes an order out and releases its slot.
  void remove(std::uint32_t slot) noexcept {
    unlink(slot);
    store_->orders.release(slot);
  }

  /// Gives an order fewer open lots; it keeps its place.
  void reduce(std::uint32_t slot, std::int64_t open_lots) noexcept {
    RestingOrder& order = store_->orders[slot];
    assert(open_lots > 0 && open_lots < order.open_lots);
    store_->levels[order.level].open_lots -= order.open_lots - open_lots;
    order.open_lots = open_lots;
  }

  /// Gives an order more or fewer open lots; it keeps its place.
  void resize(std::uint32_t slot, std::int64_t open_lots) noexcept {
    RestingOrder& order = store_->orders[slot];
    assert(open_lots > 0);
    store_->levels[order.level].open_lots += open_lots - order.open_lots;
    order.open_lots = open_lots;
  }

  /// Slot of the best level of a side, or no_slot.
  [[nodiscard]] std::uint32_t best(wire::Side side) const noexcept {
    return best_[static_cast<std::uint32_t>(side) - 1];
  }
  [[nodiscard]] const Level& level(std::uint32_t level_slot) const noexcept {
    return store_->levels[level_slot];
  }
  /// The level behind one of this book's, seen from the touch, or no_slot.
  [[nodiscard]] std::uint32_t worse(std::uint32_t level_slot) const noexcept {
    const Level& from = level(level_slot);
    return store_->ladder.worse(set_of(from), from.price_ticks);
  }
  /// The level before one of this book's, or no_slot.
  [[nodiscard]] std::uint32_t better(std::uint32_t level_slot) const noexcept {
    const Level& from = level(level_slot);
    return store_->ladder.better(set_of(from), from.price_ticks);
  }

  /// Whether a taker with this limit would trade now.
  [[nodiscard]] bool crosses(wire::Side taker_side, std::int64_t limit_ticks) const noexcept {
    const std::uint32_t level_slot = best(opposite(taker_side));
    return level_slot != no_slot &&
           is_within(taker_side, store_->levels[level_slot].price_ticks, limit_ticks);
  }

  struct Matched {
    std::int64_t open_lots;  // of the taker, not traded
    std::uint32_t fill_count;
  };

  /// Trades a taker against the other side up to its limit, best price and oldest order first.
  /// `on_fill(maker_slot, price_ticks, traded_lots, maker_open_lots)` sees each fill after the book
  /// reflects it. What it returns, if anything, is how many lots a filled maker goes on with at the
  /// back of its level; with none, the maker's slot is released.
  template <typename OnFill>
  [[nodiscard]] Matched match(wire::Side taker_side, std::int64_t limit_ticks,
                              std::int64_t open_lots, std::uint32_t fills_max,
                              OnFill on_fill) noexcept {
    std::uint32_t fill_count = 0;
    while (open_lots > 0 && fill_count < fills_max && crosses(taker_side, limit_ticks)) {
      const std::uint32_t level_slot = best(opposite(taker_side));
      Level& level = store_->levels[level_slot];
      const std::uint32_t maker_slot = level.head;
      RestingOrder& maker = store_->orders[maker_slot];
      const std::int64_t traded_lots = open_lots < maker.open_lots ? open_lots : maker.open_lots;
      assert(traded_lots > 0);  // an empty order never rests

      const std::int64_t price_ticks = level.price_ticks;
      open_lots -= traded_lots;
      maker.open_lots -= traded_lots;
      level.open_lots -= traded_lots;
      ++fill_count;
      const std::int64_t maker_open_lots = maker.open_lots;
      if (maker_open_lots == 0) unlink(maker_slot);
      std::int64_t next_lots = 0;
      if constexpr (std::is_void_v<decltype(on_fill(maker_slot, price_ticks, traded_lots,
                                                    maker_open_lots))>) {
        on_fill(maker_slot, price_ticks, traded_lots, maker_open_lots);
      } else {
        next_lots = on_fill(maker_slot, price_ticks, traded_lots, maker_open_lots);
      }
      if (maker_open_lots != 0) continue;
      if (next_lots == 0) {
        store_->orders.release(maker_slot);
      } else {
        rest(maker_slot, opposite(taker_side), price_ticks, next_lots, true);
      }
    }
    return {open_lots, fill_count};
  }

  /// Trades `lots` of a resting order with a taker, wherever it stands. `on_fill` as in match();
  /// the order must not rest in parts.
  template <typename OnFill>
  void fill(std::uint32_t maker_slot, std::int64_t lots, OnFill on_fill) noexcept {
    RestingOrder& maker = store_->orders[maker_slot];
    Level& level = store_->levels[maker.level];
    assert(lots > 0 && lots <= maker.open_lots);
    const std::int64_t price_ticks = level.price_ticks;
    maker.open_lots -= lots;
    level.open_lots -= lots;
    const std::int64_t maker_open_lots = maker.open_lots;
    if (maker_open_lots == 0) unlink(maker_slot);
    (void)on_fill(maker_slot, price_ticks, lots, maker_open_lots);
    if (maker_open_lots == 0) store_->orders.release(maker_slot);
  }

  /// Divides a taker's lots among the first `count_max` orders of a level for which `is_in(slot)`
  /// holds, in order of age: the oldest takes what it can, the others a share by their size,
  /// rounded down, and what rounding leaves goes to the oldest of them. Calls `visit(slot, lots)`
  /// for each that takes some, as long as that returns true; `visit` may take the order out.
  template <typename IsIn, typename Visit>
  void allocate(std::uint32_t level_slot, std::int64_t lots, std::uint32_t count_max, IsIn is_in,
                Visit visit) const noexcept {
    std::uint32_t top_slot = no_slot;
    std::int64_t others_lots = 0;
    const auto for_each = [&](auto do_with) {
      std::uint32_t count = 0;
      for (std::uint32_t slot = level(level_slot).head; slot != no_slot && count < count_max;) {
        const std::uint32_t next_slot = store_->orders[slot].next;
        if (is_in(slot)) {
          ++count;
          if (!do_with(slot, store_->orders[slot].open_lots)) return;
        }
        slot = next_slot;
      }
    };
    for_each([&](std::uint32_t slot, std::int64_t open_lots) {
      if (top_slot == no_slot) {
        top_slot = slot;
      } else {
        others_lots += open_lots;
      }
      return true;
    });
    if (top_slot == no_slot) return;
    const std::int64_t top_lots = std::min(lots, store_->orders[top_slot].open_lots);
    const std::int64_t shared_lots = std::min(lots - top_lots, others_lots);
    const auto share = [&](std::int64_t open_lots) {
      __extension__ using Wide = __int128;
      return static_cast<std::int64_t>(static_cast<Wide>(shared_lots) * open_lots / others_lots);
    };
    std::int64_t left_lots = shared_lots;
    for_each([&](std::uint32_t slot, std::int64_t open_lots) {
      if (slot != top_slot) left_lots -= share(open_lots);
      return true;
    });
    for_each([&](std::uint32_t slot, std::int64_t open_lots) {
      if (slot == top_slot) return visit(slot, top_lots);
      const std::int64_t share_lots = share(open_lots);
      const std::int64_t extra_lots = std::min(left_lots, open_lots - share_lots);
      left_lots -= extra_lots;
      return share_lots + extra_lots == 0 || visit(slot, share_lots + extra_lots);
    });
  }

  /// What a taker does with a maker that it meets.
  enum class Meeting : std::uint8_t { trades, passes, shrinks, ends, none };

  /// What match() would do: calls `visit(maker_slot, price_ticks, traded_lots, open_lots)` for each
  /// fill, with what is open before it, as long as that returns true, and changes nothing.
  /// `meet(maker_slot)` says whether the taker trades with this maker, passes it by, loses as many
  /// lots as the maker has without a trade, goes no further, or does not meet it at all.
  /// `whole(maker_slot)` is asked for {open lots in all, lots of a part} of an order that rests in
  /// parts, which come back to the end of their level. `may_trade(maker_slot)` is how many lots of
  /// a maker may trade, 0 only after some have: then it is out. Returns what would stay open, which
  /// does not count lost lots.
  template <typename Meet, typename Whole, typename MayTrade, typename Visit>
  [[nodiscard]] std::int64_t walk(wire::Side taker_side, std::int64_t limit_ticks,
                                  std::int64_t open_lots, std::uint32_t fills_max, Meet meet,
                                  Whole whole, MayTrade may_trade, Visit visit) const noexcept {
    for (std::uint32_t level_slot = best(opposite(taker_side)); level_slot != no_slot;) {
      const Level& level = store_->levels[level_slot];
      if (!is_within(taker_side, level.price_ticks, limit_ticks)) break;
      std::uint32_t returning_begin = 0;
      std::uint32_t returning_end = 0;
      for (std::uint32_t slot = level.head;;) {
        if (open_lots == 0 || fills_max == 0) return open_lots;
        BookStore::Returning maker;
        if (slot != no_slot) {
          const RestingOrder& order = store_->orders[slot];
          maker = {slot, 0, order.open_lots, order.open_lots, 0};
          if (order.is_part != 0) std::tie(maker.whole_lots, maker.part_lots) = whole(slot);
          slot = order.next;
        } else if (returning_begin != returning_end) {
          maker = store_->walk_queue[returning_begin++];
        } else {
          break;
        }
        const Meeting meeting = meet(maker.slot);
        if (meeting == Meeting::none) continue;
        if (meeting == Meeting::ends) return open_lots;
        --fills_max;
        if (meeting == Meeting::shrinks) open_lots -= std::min(open_lots, maker.whole_lots);
        if (meeting != Meeting::trades) continue;
        const std::int64_t traded_lots =
            std::min({open_lots, maker.shown_lots, may_trade(maker.slot)});
        if (!visit(maker.slot, level.price_ticks, traded_lots, open_lots)) {
          return open_lots - traded_lots;
        }
        open_lots -= traded_lots;
        maker.whole_lots -= traded_lots;
        if (traded_lots < maker.shown_lots || maker.whole_lots == 0 || may_trade(maker.slot) == 0) {
          continue;
        }
        maker.shown_lots = std::min(maker.part_lots, maker.whole_lots);
        store_->walk_queue[returning_end++] = maker;
      }
      level_slot = worse(level_slot);
    }
    return open_lots;
  }

  // Asking for memory ahead of its use, so that a book that fits no cache waits once for many
  // orders and not many times for each. None of these changes or promises anything, or has a branch
  // on its arguments: a wrong guess of the processor costs what looking ahead gains. Where a
  // command names no order or no price, any that is at hand will do.

  /// An order; some time later, what taking it out will touch.
  void prefetch(std::uint32_t slot) const noexcept { store_->orders.prefetch(slot); }
  void prefetch_neighbours(std::uint32_t slot) const noexcept {
    const RestingOrder& order = std::as_const(store_->orders)[slot];
    store_->prefetch_links(order.next);
    store_->prefetch_links(order.previous);
    store_->levels.prefetch(order.level);
  }
  /// The level of a price; some time later, what putting an order there will touch.
  void prefetch_level(wire::Side side, std::int64_t price_ticks) const noexcept {
    store_->prefetch_level(book_id_, side, price_ticks);
  }
  void prefetch_tail(wire::Side side, std::int64_t price_ticks) const noexcept {
    store_->prefetch_tail(book_id_, side, price_ticks);
  }
  /// crosses(), without a branch.
  [[nodiscard]] bool may_cross(wire::Side taker_side, std::int64_t limit_ticks) const noexcept {
    const std::uint32_t level_slot = best(opposite(taker_side));
    const Level& level = std::as_const(store_->levels)[store_->levels.any_if_none(level_slot)];
    return static_cast<int>(level_slot != no_slot) &
           static_cast<int>(is_within(taker_side, level.price_ticks, limit_ticks));
  }

  /// Whether orders of both sides would trade: where nothing is matched, they may stand like that.
  [[nodiscard]] bool is_crossed() const noexcept {
    const std::uint32_t bid = best(wire::Side::buy);
    return bid != no_slot && crosses(wire::Side::buy, level(bid).price_ticks);
  }

  /// Verifies links, sums and indexes of this book, slowly, and adds its counts to the arguments.
  /// Null, or what is broken.
  [[nodiscard]] const char* check(std::uint64_t& order_count,
                                  std::uint64_t& level_count) const noexcept;

 private:
  // Sides and the places of orders in their queues come as they like: a branch on them is guessed
  // wrong every other time, which costs more than all of what it would spare.

  [[nodiscard]] static bool is_within(wire::Side taker_side, std::int64_t price_ticks,
                                      std::int64_t limit_ticks) noexcept {
    const std::int64_t mask = taker_side == wire::Side::buy ? 0 : -1;
    return (price_ticks ^ mask) <= (limit_ticks ^ mask);
  }
  [[nodiscard]] std::uint32_t set_of(wire::Side side) const noexcept {
    return BookStore::set_of(book_id_, side);
  }
  [[nodiscard]] std::uint32_t set_of(const Level& of_level) const noexcept {
    return book_id_ * 2 + of_level.is_sell;
  }

  [[nodiscard]] static std::uint32_t select(bool is_first, std::uint32_t first,
                                            std::uint32_t second) noexcept {
    return second ^ ((first ^ second) & (0U - static_cast<std::uint32_t>(is_first)));
  }

  [[nodiscard]] std::uint32_t make_level(wire::Side side, std::int64_t price_ticks) noexcept;
  void drop_level(std::uint32_t level_slot) noexcept;

  BookStore* store_;
  std::uint32_t book_id_;
  std::uint32_t best_[2] = {no_slot, no_slot};
};

inline void Book::rest(std::uint32_t slot, wire::Side side, std::int64_t price_ticks,
                       std::int64_t open_lots, bool is_part) noexcept {
  assert(price_ticks >= 1 && price_ticks <= wire::price_ticks_max && open_lots >= 1);
  std::uint32_t level_slot = store_->ladder.find(set_of(side), price_ticks);
  if (level_slot == no_slot) level_slot = make_level(side, price_ticks);

  Level& level = store_->levels[level_slot];
  RestingOrder& order = store_->orders[slot];
  const std::uint32_t older = level.tail;
  // Without an older one the order itself is told, and overwritten.
  store_->orders[select(older == no_slot, slot, older)].next = slot;
  order.open_lots = open_lots;
  order.next = no_slot;
  order.previous = older;
  order.level = level_slot & (BookStore::orders_end - 1);
  order.is_part = is_part ? 1 : 0;
  level.head = select(older == no_slot, slot, level.head);
  level.tail = slot;
  level.open_lots += open_lots;
  ++level.order_count;
  if (is_part) ++level.part_count;
}

inline void Book::unlink(std::uint32_t slot) noexcept {
  const RestingOrder& order = store_->orders[slot];
  const std::uint32_t level_slot = order.level;
  Level& level = store_->levels[level_slot];
  const std::uint32_t older = order.previous;
  const std::uint32_t younger = order.next;
  // Without a neighbour the order itself is told what it says already.
  store_->orders[select(older == no_slot, slot, older)].next = younger;
  store_->orders[select(younger == no_slot, slot, younger)].previous = older;
  level.head = select(older == no_slot, younger, level.head);
  level.tail = select(younger == no_slot, older, level.tail);
  level.open_lots -= order.open_lots;
  --level.order_count;
  if (order.is_part != 0) --level.part_count;
  if (level.head == no_slot) drop_level(level_slot);
}

}  // namespace tradepit
