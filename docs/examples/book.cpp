// The order book without the exchange around it: link the CMake target tradepit_book.
#include "tradepit/book.hpp"

#include <cinttypes>
#include <cstdio>

int main() {
  using tradepit::wire::Side;
  tradepit::BookStore store(1'000);  // memory for this many orders, in all its books
  tradepit::Book book(store, 1);

  const std::uint32_t order = store.orders.take();
  book.rest(order, Side::sell, 101, 5);  // 5 lots at 101 ticks

  const auto matched =
      book.match(Side::buy, 102, 3, 1'000,
                 [](std::uint32_t, std::int64_t price_ticks, std::int64_t lots, std::int64_t) {
                   std::printf("%" PRId64 " lots at %" PRId64 "\n", lots, price_ticks);
                 });
  book.remove(order);  // 2 lots were left
  return matched.open_lots == 0 ? 0 : 1;
}
