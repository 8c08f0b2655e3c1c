// Matching where a price's orders trade by their size: the oldest first, the others in proportion.
#include "engine_rules.hpp"
#include "engine_state.hpp"

namespace tradepit::detail {

using wire::CancelReason;
using wire::SelfTradePrevention;

/// Matches a taker level by level. At each, self-trade prevention comes first, order by order as
/// they came; then the rest of the level shares what is open of the taker. Why the taker ends by
/// it, or no reason.
CancelReason EngineState::trade_pro_rata(Order& taker, std::int64_t limit_ticks,
                                         std::uint32_t count_max, Instrument& instrument) noexcept {
  const Book& book = instrument.book;
  std::uint32_t met_count = 0;
  while (taker.open_lots() > 0 && met_count < count_max && book.crosses(taker.side, limit_ticks)) {
    const std::uint32_t level_slot = book.best(opposite(taker.side));
    if (taker.self_trade_prevention != SelfTradePrevention::none) {
      // Preventing may empty the level: the links are read before.
      std::uint32_t slot = book.level(level_slot).head;
      for (std::uint32_t left = count_max - met_count; slot != no_slot && left > 0; --left) {
        const std::uint32_t next_slot = store.orders[slot].next;
        if (meeting(taker.self_trade_prevention, taker.account_index, slot) !=
            Book::Meeting::trades) {
          ++met_count;
          if (!prevent(taker, slot, instrument)) return CancelReason::self_trade;
        }
        slot = next_slot;
      }
      if (!book.crosses(taker.side, limit_ticks) || book.best(opposite(taker.side)) != level_slot) {
        continue;
      }
    }
    touch(instrument);
    const auto is_in = [](std::uint32_t) { return true; };
    const auto fill = [&](std::uint32_t maker_slot, std::int64_t lots) {
      ++met_count;
      ++met_count_;
      instrument.book.fill(maker_slot, lots,
                           [&](std::uint32_t slot, std::int64_t price_ticks,
                               std::int64_t traded_lots, std::int64_t maker_open_lots) {
                             return settle(taker, slot, price_ticks, traded_lots, maker_open_lots,
                                           instrument);
                           });
      return true;
    };
    if (met_count < count_max) {
      book.allocate(level_slot, taker.open_lots(), count_max - met_count, is_in, fill);
    }
  }
  return CancelReason{};
}

}  // namespace tradepit::detail
