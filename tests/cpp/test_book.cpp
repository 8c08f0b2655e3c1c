// The book alone: no account, no id, no engine.
#include <algorithm>
#include <cstdint>
#include <deque>
#include <limits>
#include <map>
#include <random>
#include <vector>

#include "check.hpp"
#include "tradepit/book.hpp"

namespace {

using tradepit::Book;
using tradepit::BookStore;
using tradepit::no_slot;
using tradepit::wire::Side;

void check_sound(const Book& book, std::uint64_t orders_expected) {
  std::uint64_t orders = 0;
  std::uint64_t levels = 0;
  const char* const broken = book.check(orders, levels);
  if (broken != nullptr) std::fprintf(stderr, "%s\n", broken);
  CHECK(broken == nullptr);
  CHECK(orders == orders_expected);
  CHECK(!book.is_crossed());
}

}  // namespace

TEST(a_book_can_be_used_alone) {
  BookStore store(16);
  Book book(store, 1);
  const auto enter = [&](Side side, std::int64_t price, std::int64_t lots) {
    const std::uint32_t slot = store.orders.take();
    store.orders[slot].tag = static_cast<std::uint32_t>(10 * price + lots);
    book.rest(slot, side, price, lots);
    return slot;
  };
  const std::uint32_t first = enter(Side::sell, 100, 5);
  const std::uint32_t second = enter(Side::sell, 100, 5);
  enter(Side::sell, 99, 1);
  enter(Side::buy, 98, 7);
  CHECK(book.crosses(Side::buy, 99) && !book.crosses(Side::buy, 98));
  book.reduce(first, 2);
  const std::uint32_t level_of_100 = book.worse(book.best(Side::sell));
  CHECK(book.level(level_of_100).price_ticks == 100 && book.level(level_of_100).order_count == 2);
  CHECK(book.better(level_of_100) == book.best(Side::sell));
  CHECK(book.worse(level_of_100) == no_slot && book.better(book.best(Side::sell)) == no_slot);
  std::vector<std::uint32_t> makers;
  const Book::Matched matched = book.match(
      Side::buy, 100, 6, 100, [&](std::uint32_t slot, std::int64_t, std::int64_t, std::int64_t) {
        makers.push_back(slot);
        CHECK(store.orders[slot].tag == (makers.size() == 1 ? 991 : 1005));
      });
  CHECK(matched.open_lots == 0 && matched.fill_count == 3);
  CHECK(makers.size() == 3 && makers[1] == first && makers[2] == second);
  CHECK(book.level(book.best(Side::sell)).open_lots == 2);
  book.remove(second);
  CHECK(book.best(Side::sell) == no_slot);
  check_sound(book, 1);
}

TEST(prices_that_ran_empty_are_passed_over) {
  // One order that comes and goes, from band to band of the ladder, before one that stays and
  // alone.
  BookStore store(4);
  Book book(store, 1);
  const std::uint32_t far = store.orders.take();
  book.rest(far, Side::sell, 1'000'000, 1);
  std::uint64_t resting = 1;
  const auto come_and_go = [&](Side side, std::int64_t price) {
    const std::uint32_t slot = store.orders.take();
    book.rest(slot, side, price, 1);
    CHECK(book.level(book.best(side)).price_ticks == price);
    check_sound(book, resting + 1);
    book.remove(slot);
    CHECK((book.best(side) == no_slot) == (side == Side::buy || resting == 0));
    check_sound(book, resting);
    CHECK(store.ladder.level_count() == resting);
  };
  for (std::int64_t step = 0; step < 200; ++step) {
    come_and_go(Side::sell, 500'000 + 64 * step);
    come_and_go(Side::sell, 500'000 - 64 * (step % 3));
    come_and_go(Side::buy, 400'000 + 64 * (step * 37 % 200));
  }
  book.remove(far);
  resting = 0;
  for (std::int64_t step = 0; step < 200; ++step) come_and_go(Side::sell, 2'000'000 - 640 * step);
}

TEST(a_book_equals_sorted_maps_of_queues_on_random_orders) {
  // Prices near each other, far apart, at both ends of the range, and where bands of the ladder
  // share a place of its small table, in two books of one store.
  BookStore store(400);
  Book books[] = {{store, 1}, {store, 7}};
  struct Entry {
    std::uint32_t slot;
    std::int64_t lots;
  };
  using Queue = std::deque<Entry>;
  std::map<std::int64_t, Queue> model[2][2];  // by book, and by side: bids negated
  std::mt19937_64 random(1);
  std::uint64_t open_count[2] = {0, 0};
  for (int step = 0; step < 200'000; ++step) {
    const std::size_t which = random() % 2;
    Book& book = books[which];
    const Side side = random() % 2 == 0 ? Side::buy : Side::sell;
    const std::size_t own = side == Side::buy ? 0 : 1;
    const std::int64_t sign = side == Side::buy ? -1 : 1;
    if (random() % 3 == 0 && !model[which][own].empty()) {
      auto level = model[which][own].begin();
      std::advance(level, static_cast<std::ptrdiff_t>(random() % model[which][own].size()));
      Queue& queue = level->second;
      const auto entry = queue.begin() + static_cast<std::ptrdiff_t>(random() % queue.size());
      book.remove(entry->slot);
      queue.erase(entry);
      if (queue.empty()) model[which][own].erase(level);
      --open_count[which];
      continue;
    }
    std::int64_t price = 0;
    switch (random() % 6) {
      case 0:
        price = static_cast<std::int64_t>(random() % (1ULL << 40)) + 1;
        break;
      case 1:
        price = random() % 2 == 0 ? 1 : 1LL << 40;
        break;
      case 2:
        price = (1LL << 39) + static_cast<std::int64_t>((random() % 8 << 20) + random() % 130);
        break;
      case 3:
        price = (1LL << 39) + static_cast<std::int64_t>((random() % 8 << 12) + random() % 3 - 1);
        break;
      default:
        price = (1LL << 39) + static_cast<std::int64_t>(random() % 200);
    }
    std::int64_t lots = 1 + static_cast<std::int64_t>(random() % 9);
    std::vector<std::pair<std::uint32_t, std::int64_t>> fills;
    std::vector<std::pair<std::uint32_t, std::int64_t>> fills_expected;
    const auto walked = book.walk(
        side, price, lots, 1000, [](std::uint32_t) { return tradepit::Book::Meeting::trades; },
        [](std::uint32_t) { return std::pair<std::int64_t, std::int64_t>{}; },  // no parts
        [](std::uint32_t) { return std::numeric_limits<std::int64_t>::max(); },
        [](std::uint32_t, std::int64_t, std::int64_t, std::int64_t) { return true; });
    const Book::Matched matched =
        book.match(side, price, lots, 1000,
                   [&](std::uint32_t slot, std::int64_t, std::int64_t traded, std::int64_t) {
                     fills.emplace_back(slot, traded);
                   });
    CHECK(walked == matched.open_lots);
    auto& others = model[which][1 - own];
    while (lots > 0 && !others.empty()) {
      auto& [key, queue] = *others.begin();
      if (side == Side::buy ? price < key : price > -key) break;
      const std::int64_t traded = std::min(lots, queue.front().lots);
      fills_expected.emplace_back(queue.front().slot, traded);
      lots -= traded;
      queue.front().lots -= traded;
      if (queue.front().lots == 0) {
        queue.pop_front();
        --open_count[which];
      }
      if (queue.empty()) others.erase(others.begin());
    }
    CHECK(fills == fills_expected);
    CHECK(matched.open_lots == lots);
    if (lots > 0 && !store.orders.is_full()) {
      const std::uint32_t slot = store.orders.take();
      book.rest(slot, side, price, lots);
      model[which][own][sign * price].push_back({slot, lots});
      ++open_count[which];
    }
    for (const std::size_t index : {std::size_t{0}, std::size_t{1}}) {
      const std::uint32_t best = book.best(index == 0 ? Side::buy : Side::sell);
      CHECK((best == no_slot) == model[which][index].empty());
      if (best != no_slot) {
        CHECK(book.level(best).price_ticks == std::abs(model[which][index].begin()->first));
      }
    }
    if (step % 1'000 == 0) {
      check_sound(books[0], open_count[0]);
      check_sound(books[1], open_count[1]);
    }
  }
}
