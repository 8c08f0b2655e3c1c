#include "tradepit/book.hpp"

namespace tradepit {

static_assert(static_cast<int>(wire::Side::buy) == 1 && static_cast<int>(wire::Side::sell) == 2);

std::uint32_t Book::make_level(wire::Side side, std::int64_t price_ticks) noexcept {
  std::uint32_t& best_slot = best_[static_cast<std::uint32_t>(side) - 1];
  const std::int64_t best_ticks = best_slot == no_slot ? 0 : store_->levels[best_slot].price_ticks;
  const std::uint32_t level_slot = store_->levels.take();
  store_->levels[level_slot] = {.price_ticks = price_ticks,
                                .open_lots = 0,
                                .head = no_slot,
                                .tail = no_slot,
                                .order_count = 0,
                                .part_count = 0,
                                .is_sell = side == wire::Side::sell ? 1U : 0U};
  store_->ladder.insert(set_of(side), price_ticks, level_slot, best_ticks);
  if (best_ticks == 0 || !is_within(side, price_ticks, best_ticks)) best_slot = level_slot;
  return level_slot;
}

void Book::drop_level(std::uint32_t level_slot) noexcept {
  const Level& level = store_->levels[level_slot];
  assert(level.open_lots == 0 && level.order_count == 0);
  if (best_[level.is_sell] == level_slot) best_[level.is_sell] = worse(level_slot);
  store_->ladder.erase(set_of(level), level.price_ticks);
  store_->levels.release(level_slot);
}

const char* Book::check(std::uint64_t& order_count, std::uint64_t& level_count) const noexcept {
  for (const wire::Side side : {wire::Side::buy, wire::Side::sell}) {
    const std::uint32_t set = set_of(side);
    if (best(side) == no_slot) continue;
    std::uint64_t ladder_count = 0;
    const char* const broken =
        store_->ladder.check(set, level(best(side)).price_ticks, ladder_count);
    if (broken != nullptr) return broken;
    std::uint64_t side_count = 0;
    std::uint32_t better_slot = no_slot;
    for (std::uint32_t level_slot = best(side); level_slot != no_slot;
         level_slot = worse(level_slot)) {
      const Level& level = store_->levels[level_slot];
      if (set_of(level) != set) return "a level belongs to another side";
      if (better(level_slot) != better_slot) return "the level before another is wrong";
      if (better_slot != no_slot &&
          !is_within(side, level.price_ticks, store_->levels[better_slot].price_ticks)) {
        return "levels are out of order";
      }
      if (store_->ladder.find(set, level.price_ticks) != level_slot) {
        return "a price leads to a wrong level";
      }

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
      ++side_count;
      better_slot = level_slot;
    }
    if (side_count != ladder_count) return "a price outlives its level";
    level_count += side_count;
  }
  return nullptr;
}

}  // namespace tradepit
