#include "tradepit/book.hpp"

namespace tradepit {
namespace {

constexpr std::uint64_t rank_max = (std::uint64_t{1} << PriceSet::rank_bits) - 1;

/// Orders both sides alike: a smaller rank is a better price.
std::uint64_t rank_of(std::uint32_t set, std::int64_t price_ticks) noexcept {
  const auto price = static_cast<std::uint64_t>(price_ticks);
  return set % 2 == 0 ? rank_max - price : price;
}

std::uint64_t price_key(std::uint32_t set, std::uint64_t rank) noexcept {
  return (static_cast<std::uint64_t>(set) << PriceSet::rank_bits) | rank;
}

}  // namespace

static_assert(static_cast<int>(wire::Side::buy) == 1 && static_cast<int>(wire::Side::sell) == 2);

void Book::rest(std::uint32_t slot, wire::Side side, std::int64_t price_ticks,
                std::int64_t open_lots, bool is_part) noexcept {
  assert(price_ticks >= 1 && price_ticks <= wire::price_ticks_max && open_lots >= 1);
  const std::uint32_t set = set_of(side);
  const BookStore::LevelEntry* const entry =
      std::as_const(store_->level_by_price).find(price_key(set, rank_of(set, price_ticks)));
  const std::uint32_t level_slot = entry != nullptr ? entry->level : make_level(side, price_ticks);

  Level& level = store_->levels[level_slot];
  store_->orders[slot] = {open_lots, no_slot, level.tail, level_slot, is_part ? 1U : 0U};
  if (level.tail == no_slot) {
    level.head = slot;
  } else {
    store_->orders[level.tail].next = slot;
  }
  level.tail = slot;
  level.open_lots += open_lots;
  ++level.order_count;
  if (is_part) ++level.part_count;
}

void Book::prefetch_price(wire::Side side, std::int64_t price_ticks) const noexcept {
  const std::uint32_t set = set_of(side);
  store_->level_by_price.prefetch(price_key(set, rank_of(set, price_ticks)));
}

void Book::prefetch_level(wire::Side side, std::int64_t price_ticks) const noexcept {
  const std::uint32_t set = set_of(side);
  const BookStore::LevelEntry* const entry =
      std::as_const(store_->level_by_price).find(price_key(set, rank_of(set, price_ticks)));
  if (entry != nullptr) store_->orders.prefetch(store_->levels[entry->level].tail);
}

void Book::unlink(std::uint32_t slot) noexcept {
  const RestingOrder& order = store_->orders[slot];
  Level& level = store_->levels[order.level];
  if (order.previous == no_slot) {
    level.head = order.next;
  } else {
    store_->orders[order.previous].next = order.next;
  }
  if (order.next == no_slot) {
    level.tail = order.previous;
  } else {
    store_->orders[order.next].previous = order.previous;
  }
  level.open_lots -= order.open_lots;
  --level.order_count;
  level.part_count -= order.is_part;
  if (level.head == no_slot) drop_level(order.level);
}

std::uint32_t Book::make_level(wire::Side side, std::int64_t price_ticks) noexcept {
  const std::uint32_t set = set_of(side);
  const std::uint64_t rank = rank_of(set, price_ticks);
  std::uint32_t& best_slot = best_[static_cast<std::uint32_t>(side) - 1];
  const std::uint32_t level_slot = store_->levels.take();

  std::uint32_t better = no_slot;
  std::uint32_t worse = best_slot;
  if (best_slot != no_slot && rank > rank_of(set, store_->levels[best_slot].price_ticks)) {
    const std::uint64_t better_rank = *store_->prices.below(set, rank);
    better = std::as_const(store_->level_by_price).find(price_key(set, better_rank))->level;
    worse = store_->levels[better].worse;
  }
  store_->levels[level_slot] = {.price_ticks = price_ticks,
                                .open_lots = 0,
                                .head = no_slot,
                                .tail = no_slot,
                                .better = better,
                                .worse = worse,
                                .order_count = 0,
                                .set = set,
                                .part_count = 0,
                                .unused = 0};
  if (better == no_slot) {
    best_slot = level_slot;
  } else {
    store_->levels[better].worse = level_slot;
  }
  if (worse != no_slot) store_->levels[worse].better = level_slot;
  store_->level_by_price.insert({price_key(set, rank), level_slot, 0});
  store_->prices.insert(set, rank);
  return level_slot;
}

void Book::drop_level(std::uint32_t level_slot) noexcept {
  const Level& level = store_->levels[level_slot];
  assert(level.open_lots == 0 && level.order_count == 0);
  if (level.better == no_slot) {
    best_[level.set % 2] = level.worse;
  } else {
    store_->levels[level.better].worse = level.worse;
  }
  if (level.worse != no_slot) store_->levels[level.worse].better = level.better;
  const std::uint64_t rank = rank_of(level.set, level.price_ticks);
  store_->level_by_price.erase(price_key(level.set, rank));
  store_->prices.erase(level.set, rank);
  store_->levels.release(level_slot);
}

const char* Book::check(std::uint64_t& order_count, std::uint64_t& level_count,
                        bool may_be_crossed) const noexcept {
  for (const wire::Side side : {wire::Side::buy, wire::Side::sell}) {
    const std::uint32_t set = set_of(side);
    std::uint32_t better = no_slot;
    for (std::uint32_t level_slot = best(side); level_slot != no_slot;
         level_slot = store_->levels[level_slot].worse) {
      const Level& level = store_->levels[level_slot];
      const std::uint64_t rank = rank_of(set, level.price_ticks);
      if (level.set != set) return "a level belongs to another side";
      if (level.better != better) return "a level's link to the better one is wrong";
      const auto below = store_->prices.below(set, rank);
      if (below.has_value() != (better != no_slot)) return "the price set misses a level";
      if (below && *below != rank_of(set, store_->levels[better].price_ticks)) {
        return "levels are out of order";
      }
      const auto* const entry = std::as_const(store_->level_by_price).find(price_key(set, rank));
      if (entry == nullptr || entry->level != level_slot) return "a price leads to a wrong level";

      std::int64_t open_lots = 0;
      std::uint32_t count = 0;
      std::uint32_t previous = no_slot;
      for (std::uint32_t slot = level.head; slot != no_slot; slot = store_->orders[slot].next) {
        const RestingOrder& order = store_->orders[slot];
        if (order.level != level_slot) return "an order names a wrong level";
        if (order.previous != previous) return "an order's link to the older one is wrong";
        if (order.open_lots <= 0) return "an empty order rests";
        open_lots += order.open_lots;
        ++count;
        previous = slot;
      }
      if (previous == no_slot) return "an empty level stays";
      if (level.tail != previous) return "a level's tail is not its youngest order";
      if (level.open_lots != open_lots) return "a level's quantity is not the sum of its orders";
      if (level.order_count != count) return "a level miscounts its orders";
      order_count += count;
      ++level_count;
      better = level_slot;
    }
  }
  const std::uint32_t bid = best(wire::Side::buy);
  const std::uint32_t ask = best(wire::Side::sell);
  if (!may_be_crossed && bid != no_slot && ask != no_slot &&
      store_->levels[bid].price_ticks >= store_->levels[ask].price_ticks) {
    return "the book is crossed";
  }
  return nullptr;
}

}  // namespace tradepit
