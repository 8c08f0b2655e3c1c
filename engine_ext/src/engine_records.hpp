#pragma once
#include <cstdint>
#include <span>

#include "engine_instrument.hpp"
#include "tradepit/accounts.hpp"
#include "tradepit/book.hpp"
#include "tradepit/engine.hpp"
#include "tradepit/lazy_array.hpp"
#include "tradepit/units.hpp"

/// What the engine keeps of orders, and what one command's work passes from function to function.
namespace tradepit::detail {

/// A session_id without the bit that says what the session asked for.
constexpr std::uint32_t session_number(std::uint32_t session_id) noexcept {
  return session_id & ~static_cast<std::uint32_t>(wire::tied_session_bit);
}

/// What only some orders have; a plain one has none of it.
struct OrderTerms {
  std::int64_t trigger_price_ticks;    // stop orders; of a trailing one as it is now
  std::int64_t display_quantity_lots;  // iceberg orders
  std::int64_t expire_time_ns;         // gtd
  std::int64_t offset_ticks;           // trailing stop and pegged orders
  std::int64_t resting_ticks;          // pegged orders: where it rests; 0 = nowhere yet
  std::uint16_t trail_offset_bps;      // trailing stop orders
  wire::PegReference peg_reference;    // pegged orders
  std::uint8_t unused[5];
};

/// What the engine keeps of an order; while it rests, under the slot of the book's RestingOrder.
struct Order {
  std::uint64_t order_id;
  std::uint64_t client_order_id;
  std::int64_t price_ticks;
  std::int64_t quantity_lots;  // in all
  std::int64_t filled_lots;
  std::uint32_t account_index;
  std::uint32_t instrument_id;
  std::uint32_t terms_slot;  // of EngineState::order_terms, or no_slot
  std::uint32_t session_id;  // of the session that sent it
  // The fee terms of the command that last placed or replaced the order: what it holds was computed
  // with them, so it trades by them. See set_fees().
  std::int32_t maker_fee_ppm : 18;  // negative: a rebate
  wire::OrderType order_type : 4;
  wire::Side side : 2;
  wire::TimeInForce time_in_force : 4;
  wire::SelfTradePrevention self_trade_prevention : 4;
  std::uint32_t taker_fee_ppm : 17;
  std::uint8_t is_waiting : 1;  // for its trigger price or its auction
  std::uint8_t is_linked : 1;   // with others of its list: see Contingency
  std::uint8_t is_pending : 1;  // until it is placed: it is in no book
  std::uint8_t is_backed : 1;   // it holds nothing: another of its list does, or it is pending
  std::uint8_t flags : 8;

  [[nodiscard]] std::int64_t open_lots() const noexcept { return quantity_lots - filled_lots; }
};
static_assert(sizeof(Order) == 64, "an order takes one cache line");

/// The neighbours of an order in the list of its account's orders. They stand apart from the
/// orders: canceling one touches both of its neighbours, and here many share a page.
struct AccountLinks {
  std::uint32_t older;
  std::uint32_t younger;
};

/// The slots of the orders that a linked order (Order::is_linked) stands with, from its list:
///
/// | order | first | second |
/// | --- | --- | --- |
/// | one that cancels the other | the other | no_slot |
/// | the first of its list, not filled | what it triggers | what it triggers besides, or no_slot |
/// | what it triggers, pending | the first, no_slot once it is filled | the other pending one |
struct Contingency {
  std::uint32_t first;
  std::uint32_t second;
};

/// What became of a new order at once.
struct Placed {
  std::uint64_t order_id;
  std::uint32_t slot;  // no_slot: it is closed
  bool is_filled;
  bool has_changed;  // it has traded, or self-trade prevention has made it smaller
};

/// A taker as the checks see it before anything has happened.
struct Taking {
  std::uint32_t account_index;
  wire::SelfTradePrevention self_trade_prevention;
  wire::Side side;
  std::int64_t limit_ticks;
  std::int64_t open_lots;
  std::uint32_t
      gone_slot;  // of the order that it replaces, which is in no book by then; or no_slot
};

/// Where an account stands while a walk() looks at what would trade.
struct WalkPositions {
  explicit WalkPositions(std::size_t max_accounts) noexcept
      : moved_lots(max_accounts + 1, /*has_large_pages=*/false),
        touched(2 * static_cast<std::size_t>(wire::fills_per_command_max)) {}

  LazyArray<std::int64_t> moved_lots;  // by account index; 0 between walks
  LazyArray<std::uint32_t> touched;
  std::uint32_t touched_count = 0;

  void move(std::uint32_t account_index, std::int64_t lots) noexcept {
    if (moved_lots[account_index] == 0) touched[touched_count++] = account_index;
    moved_lots[account_index] += lots;
  }
  void clear() noexcept {
    while (touched_count > 0) moved_lots[touched[--touched_count]] = 0;
  }
};

/// What the checks of a new order find out for placing it.
struct Placing {
  std::uint32_t replaced_slot = no_slot;
  std::int64_t best_ticks = 0;           // of the other side, 0 if it is empty
  std::int64_t price_ticks = 0;          // the command's, or the one that it leaves to the book
  std::int64_t quantity_lots = 0;        // the command's, or what its budget buys or may be reduced
  std::int64_t trigger_price_ticks = 0;  // the command's, or where a trailing stop order begins
};

/// What a trade moves: the buyer gets the base for the notional, and both pay a fee to the house.
struct TradeAmounts {
  std::int64_t notional_units = 0;
  std::int64_t base_units = 0;
  std::int64_t maker_fee_units = 0;
  std::int64_t taker_fee_units = 0;
};

/// What a deadline is about, in the order in which those of one time are met.
enum class DeadlineKind : std::uint8_t {
  order_expiry,
  trading_state,
  day_end,
  dead_man,
  kill_switch,
  calendar,
  closing_begins,  // orders at the close come to the book
  auction_over     // orders for an auction that is over end
};

struct Asset {
  wire::AssetChanged terms{};     // as the last SetAsset left it; asset_id 0 = not listed
  std::int64_t supply_units = 0;  // credits less debits
};

}  // namespace tradepit::detail
