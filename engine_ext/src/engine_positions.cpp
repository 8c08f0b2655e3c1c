// Positions: what an account has bought of an instrument less what it has sold, for reduce-only
// orders.
#include "engine_rules.hpp"
#include "engine_state.hpp"

namespace tradepit::detail {
namespace {

using wire::Side;

void move(std::int64_t& position, Side side, std::int64_t lots) noexcept {
  position = side == Side::buy ? std::min(position + lots, position_lots_max)
                               : std::max(position - lots, -position_lots_max);
}

}  // namespace

void EngineState::move_positions(const Order& taker, const Order& maker,
                                 std::int64_t lots) noexcept {
  move(position(taker.instrument_id, taker.account_index), taker.side, lots);
  move(position(maker.instrument_id, maker.account_index), maker.side, lots);
}

/// As if a trade that is remembered had been this much smaller.
void EngineState::undo_positions(const RememberedTrade& trade, std::int64_t lots) noexcept {
  move(position(trade.instrument_id, trade.taker_index), opposite(trade.taker_side), lots);
  move(position(trade.instrument_id, trade.maker_index), trade.taker_side, lots);
}

std::int64_t EngineState::reducible_lots(std::uint32_t instrument_id, std::uint32_t account_index,
                                         Side side) const noexcept {
  const std::int64_t lots = position(instrument_id, account_index);
  return std::max<std::int64_t>(side == Side::sell ? lots : -lots, 0);
}

/// Verifies that what some have bought others have sold. Null, or what is broken.
const char* EngineState::check_positions() const {
  for (const std::unique_ptr<Instrument>& instrument : instruments) {
    if (instrument == nullptr) continue;
    int128 sum = 0;
    for (std::uint32_t index = 0; index < accounts.count(); ++index) {
      const std::int64_t lots = position(instrument->terms.instrument_id, index);
      if (std::abs(lots) >= position_lots_max) return nullptr;
      sum += lots;
    }
    if (sum != 0) return "a position was made or lost";
  }
  return nullptr;
}

}  // namespace tradepit::detail
