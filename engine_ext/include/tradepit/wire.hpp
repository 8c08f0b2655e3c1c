#pragma once
// Generated from engine_ext/protocol/schema.toml by generate.py. Do not edit.
// clang-format off
#include <bit>
#include <cstddef>
#include <cstdint>
#include <type_traits>

namespace tradepit::wire {

static_assert(std::endian::native == std::endian::little, "the wire is little-endian");

inline constexpr std::uint8_t version = 1;

inline constexpr std::int64_t message_bytes_max = 65536;  ///< One ZeroMQ message: as many records as fit.
inline constexpr std::int64_t fills_per_command_max = 10000;  ///< Makers that the takers of one command can meet in all (trades, and self-trades prevented); what is left of a taker then is canceled with reason `fill_limit`.
inline constexpr std::int64_t triggers_per_command_max = 1000;  ///< Stop orders that one command triggers, and none after it has met fills_per_command_max makers in all; the next order that is placed in the instrument goes on.
inline constexpr std::int64_t cancels_per_command_max = 10000;  ///< Orders one MassCancel or Tick takes, those that end with others included; `MassCanceled.remaining_count` says how many are left, and the next Tick goes on.
inline constexpr std::int64_t tied_session_bit = 2147483648;  ///< Bit of the session_id of a session that asked for cancel_on_disconnect.
inline constexpr std::int64_t tied_session_silence_ns_max = 10000000000;  ///< A session that asked for cancel_on_disconnect ends when it has sent nothing for longer: 10 s.
inline constexpr std::int64_t trailing_stops_max = 1000;  ///< Trailing stop orders that wait in one instrument.
inline constexpr std::int64_t pegged_orders_max = 1000;  ///< Pegged orders that rest in one instrument.
inline constexpr std::int64_t trades_remembered = 65536;  ///< The last trades of a shard, which BustTrade and CorrectTrade may name.
inline constexpr std::int64_t quote_protections_max = 64;  ///< Accounts whose quotes one instrument protects (SetQuoteProtection).
inline constexpr std::int64_t quote_window_ns_max = 86400000000000;  ///< Longest window of SetQuoteProtection: one day.
inline constexpr std::int64_t cancel_after_ns_max = 86400000000000;  ///< Longest timeout of CancelAfter: one day.
inline constexpr std::int64_t book_levels_max = 500;  ///< Levels a side that one BookQuery returns.
inline constexpr std::int64_t account_id_max = 9223372036854775807;  ///< Ids use 63 bits, so that they fit a bigint column.
inline constexpr std::int64_t units_max = 4611686018427387904;  ///< Largest supply of one asset on one shard, in its smallest unit (2^62).
inline constexpr std::int64_t price_ticks_max = 1099511627776;  ///< Largest price that an instrument may allow (2^40).
inline constexpr std::int64_t quantity_lots_max = 1099511627776;  ///< Largest quantity that an instrument may allow (2^40).
inline constexpr std::int64_t fee_ppm_max = 100000;  ///< Largest fee, in millionths of the notional (10 %).
inline constexpr std::int64_t market_protection_ppm_max = 1000000;  ///< Widest band that an instrument may give its market orders (100 %).
inline constexpr std::int64_t decimals_max = 18;  ///< Decimals of an asset or a price.

enum class MessageType : std::uint8_t {
  new_order = 1,
  cancel_order = 2,
  replace_order = 3,
  mass_cancel = 4,
  set_asset = 5,
  set_instrument = 6,
  set_account = 7,
  credit = 8,
  debit = 9,
  set_fee_schedule = 10,
  set_tick_table = 11,
  set_trading_state = 12,
  set_calendar = 13,
  tick = 16,
  kill_switch = 17,
  cancel_after = 18,
  session_ended = 19,
  new_order_list = 20,
  mass_quote = 24,
  set_quote_protection = 25,
  bust_trade = 26,
  correct_trade = 27,
  logon = 32,
  status_query = 33,
  instruments_query = 34,
  book_query = 35,
  order_query = 36,
  open_orders_query = 37,
  balances_query = 38,
  trace_context = 39,
  order_accepted = 64,
  order_rejected = 65,
  trade = 66,
  order_canceled = 67,
  order_replaced = 68,
  mass_canceled = 69,
  balance_changed = 70,
  asset_changed = 71,
  instrument_changed = 72,
  account_changed = 73,
  command_rejected = 74,
  self_trade_prevented = 75,
  order_triggered = 76,
  trade_busted = 77,
  trade_corrected = 78,
  mass_quoted = 79,
  quote_protection_changed = 80,
  fee_schedule_changed = 81,
  tick_table_changed = 82,
  trading_state_changed = 83,
  auction_uncrossed = 84,
  calendar_changed = 85,
  order_activated = 86,
  ticked = 88,
  kill_switch_changed = 89,
  cancel_after_changed = 90,
  order_list_placed = 91,
  order_list_rejected = 92,
  execution_report = 96,
  reject = 97,
  logged_on = 98,
  shard_status = 99,
  book_level = 100,
  balance = 101,
  query_end = 102,
  market_trade = 112,
  top_of_book = 113,
  auction_indicative = 114,
  market_trade_changed = 115,
};

enum class Side : std::uint8_t {
  buy = 1,
  sell = 2,
};

enum class OrderType : std::uint8_t {
  limit = 1,
  market = 2,
  stop = 3,  ///< Waits for its trigger price, then trades at once like a market order; a buy up to its price.
  stop_limit = 4,  ///< Waits for its trigger price, then is a limit order.
  trailing_stop = 5,  ///< A stop order whose trigger price follows the last trade price at a distance.
  pegged = 6,  ///< Rests at a price that follows the best bid, the best ask or their middle, up to its own.
  market_to_limit = 7,  ///< Trades at the best price of the other side; the rest is a limit order at that price.
};

enum class TimeInForce : std::uint8_t {
  gtc = 1,  ///< Good till canceled: what does not trade rests.
  ioc = 2,  ///< Immediate or cancel: what does not trade at once is canceled.
  fok = 3,  ///< Fill or kill: trades in full at once, or is rejected.
  day = 4,  ///< Rests until the instrument closes.
  gtd = 5,  ///< Good till date: rests until expire_time_ns.
  at_the_open = 6,  ///< Takes part in the opening auction alone.
  at_the_close = 7,  ///< Takes part in the closing auction alone; waits until it begins.
};

/// Bits of OrderFlag.
namespace order_flag {
inline constexpr std::uint8_t post_only = 1;  ///< Rejected if it would trade at once.
inline constexpr std::uint8_t post_only_slide = 2;  ///< If it would trade at once, its price moves to the nearest at which it does not.
inline constexpr std::uint8_t pending = 16;  ///< Set by the engine alone: the order waits until the first order of its list is filled.
inline constexpr std::uint8_t reduce_only = 4;  ///< May only make the account's position in the instrument smaller.
inline constexpr std::uint8_t quote = 8;  ///< Placed by MassQuote. Not for NewOrder: refused.
inline constexpr std::uint8_t known = 31;
}

enum class ListKind : std::uint8_t {
  each = 1,  ///< Each order is placed or refused on its own.
  all_or_none = 2,  ///< All are accepted, or none: limit orders that may rest, post-only or not.
  oco = 3,  ///< One cancels the other: a limit order that rests and a stop order of the same side and quantity.
  oto = 4,  ///< One triggers the other: when the first order is filled, the second is placed.
  bracket = 5,  ///< When the first order is filled, the two others are placed, as one cancels the other.
};

enum class PegReference : std::uint8_t {
  none = 0,
  best_bid = 1,  ///< The best bid that is not pegged itself.
  best_ask = 2,  ///< The best ask that is not pegged itself.
  middle = 3,  ///< Halfway between the two, rounded away from the other side.
};

enum class SelfTradePrevention : std::uint8_t {
  none = 0,  ///< Orders of one trade group trade with each other like others.
  cancel_newest = 1,  ///< The taker's rest is canceled, the maker stays.
  cancel_oldest = 2,  ///< The maker is canceled, the taker goes on.
  cancel_both = 3,  ///< Both are canceled.
  decrement_and_cancel = 4,  ///< Both lose the smaller open quantity: the smaller order is canceled, the larger goes on with what is left.
};

enum class OrderStatus : std::uint8_t {
  open = 1,
  partially_filled = 2,
  filled = 3,
  canceled = 4,
  rejected = 5,
  waiting = 6,  ///< A stop order whose trigger price has not been reached, or an at-the-close order before the closing auction.
};

enum class ExecutionKind : std::uint8_t {
  accepted = 1,
  rejected = 2,
  trade = 3,
  canceled = 4,
  replaced = 5,
  status = 6,  ///< The answer to a query: nothing happened.
  reduced = 7,  ///< Self-trade prevention made the order's quantity smaller; it keeps its place.
  activated = 9,  ///< The first order of its list is filled: it is placed now.
  triggered = 8,  ///< A stop order's trigger price was reached, or the closing auction of an at-the-close order has begun: it trades from now on.
  trade_busted = 20,  ///< An operator undid a trade. What such a report tells is about the trade alone; what is about its order is 0.
  trade_corrected = 21,  ///< An operator corrected a trade: its price, quantity and fee as they stand. As trade_busted, about the trade alone.
};

enum class Liquidity : std::uint8_t {
  none = 0,
  maker = 1,
  taker = 2,
};

enum class CancelReason : std::uint8_t {
  requested = 1,
  mass_cancel = 2,
  ioc_remainder = 3,
  fill_limit = 4,
  self_trade = 5,  ///< It would have traded with an order of its own trade group.
  account_suspended = 6,  ///< A stop order was triggered while its account was suspended.
  replaced = 7,  ///< A new order took its place (NewOrder.replaces_order_id).
  protection_band = 8,  ///< An order without a price would have traded beyond the instrument's protection band.
  auction_over = 9,  ///< The auction that an at-the-open or at-the-close order was for is over.
  contingency = 11,  ///< The order that it was linked with in a list has traded, was triggered or has ended.
  not_placeable = 12,  ///< The first order of its list is filled, but its funds, its price or the book did not let it be placed.
  reduce_only = 10,  ///< What is open of a reduce-only order would no longer make the account's position smaller.
  circuit_breaker = 13,  ///< Its next trade was too far from the reference price, and it cannot rest in the volatility auction.
  expired = 19,  ///< Its time was over: expire_time_ns of a gtd order, the instrument's close of a day order.
  kill_switch = 20,  ///< The kill switch of its account or of the shard was engaged.
  dead_man = 21,  ///< The account's timer ran out (CancelAfter).
  disconnected = 22,  ///< The session that sent it ended (LogonFlag.cancel_on_disconnect).
  quote_replaced = 23,  ///< Its account's next MassQuote in the instrument did not keep it.
  quote_protection = 24,  ///< Its account's protection pulled all its quotes in the instrument (SetQuoteProtection).
};

enum class AccountState : std::uint8_t {
  active = 1,
  suspended = 2,  ///< May cancel, may not place or replace.
};

enum class TradingState : std::uint8_t {
  continuous = 1,
  halted = 2,  ///< Orders may be canceled, not placed or replaced.
  pre_open = 3,  ///< Limit orders rest without trading; the book may be crossed.
  opening_auction = 4,  ///< As pre_open; what would trade now is published.
  volatility_auction = 5,  ///< As opening_auction.
  closing_auction = 6,  ///< As opening_auction.
  closed = 7,  ///< Orders may be canceled, not placed or replaced.
};

enum class Allocation : std::uint8_t {
  price_time = 0,  ///< At one price the oldest order trades first.
  pro_rata = 1,  ///< At one price the oldest order trades first, and what it leaves goes to the others by their size.
};

enum class KillSwitchState : std::uint8_t {
  engaged = 1,
  released = 2,
};

enum class QuoteProtectionState : std::uint8_t {
  off = 1,
  armed = 2,
  pulled = 3,  ///< The limit was reached: the quotes are gone, and MassQuote is refused until SetQuoteProtection.
};

/// Bits of ReportFlag.
namespace report_flag {
inline constexpr std::uint8_t last = 1;  ///< The last report that answers the request.
inline constexpr std::uint8_t replayed = 2;  ///< The order was placed by an earlier command, of which this is the answer: seq, time and all else are that one's.
inline constexpr std::uint8_t known = 3;
}

/// Bits of ReplaceFlag.
namespace replace_flag {
inline constexpr std::uint8_t kept_priority = 1;  ///< The order kept its place in the queue.
inline constexpr std::uint8_t waiting = 2;  ///< The order still waits.
inline constexpr std::uint8_t pegged = 4;  ///< A pegged order has come to rest at this price, which is not its limit.
inline constexpr std::uint8_t known = 7;
}

/// Bits of LogonFlag.
namespace logon_flag {
inline constexpr std::uint8_t receive_reports = 1;  ///< Send this session every report of its account, not only answers.
inline constexpr std::uint8_t cancel_on_disconnect = 2;  ///< When this session ends, or sends nothing for tied_session_silence_ns_max, cancel the open orders that it sent.
inline constexpr std::uint8_t known = 3;
}

enum class Durability : std::uint8_t {
  memory = 1,
  disk = 2,
  replicated = 3,
};

enum class Reason : std::uint16_t {
  none = 0,  ///< accepted
  malformed = 1,  ///< the bytes are not a record of this protocol: truncated, wrong length, or a reserved field that is not zero
  unsupported_version = 2,  ///< the record's version is not the one this server speaks
  unknown_type = 3,  ///< the record's type is unknown, or is not one that a client sends
  message_too_large = 4,  ///< the message is larger than message_bytes_max, or has more frames than one
  not_logged_on = 5,  ///< send Logon first: this session is unknown (a reconnect makes a new one)
  wrong_key = 6,  ///< the key is not valid for this account
  not_authorized = 7,  ///< this session may not act for that account, or may not administer
  busy = 8,  ///< a queue is at its limit: wait and send again
  storage_full = 9,  ///< the journal's disk is full: nothing is accepted until there is space
  unknown_instrument = 20,  ///< no such instrument on this shard
  instrument_halted = 21,  ///< the instrument is halted: orders can be canceled, not placed or replaced
  not_in_this_state = 22,  ///< the instrument's trading state does not allow this: outside continuous trading only orders that can rest or wait are placed, and none while it is closed
  auction_ending = 23,  ///< the trades of an auction are being made: send again
  unknown_account = 30,  ///< no such account on this shard
  account_suspended = 31,  ///< the account is suspended: it may cancel, not place or replace
  unknown_order = 32,  ///< no open order of this account has that id; replaces_order_id names one of the same instrument
  kill_switch_engaged = 33,  ///< the kill switch of the account or of the shard is engaged: orders can be canceled, not placed or replaced
  invalid_kill_switch = 34,  ///< state must be engaged or released
  contingent_order = 36,  ///< the order is linked with another one of its list: it can be canceled, not replaced
  invalid_timeout = 35,  ///< timeout_ns must lie between 0 and cancel_after_ns_max
  invalid_side = 40,  ///< side must be buy or sell
  invalid_order_type = 41,  ///< type must be limit, market, stop, stop_limit, trailing_stop, pegged or market_to_limit
  invalid_time_in_force = 42,  ///< time in force must be a known one; a market order's ioc or fok, a stop and a trailing stop order's ioc, a stop-limit order's gtc, day, gtd or ioc, a market-to-limit and a pegged order's gtc, day or gtd; at_the_open and at_the_close are for limit orders
  invalid_flags = 43,  ///< unknown flag, or post_only or post_only_slide on an order that is not a limit order with gtc, day or gtd, or both of them, or reduce_only in an instrument that allocates pro rata
  invalid_price = 44,  ///< the price of a limit, a stop-limit, a pegged and a buy stop or trailing stop order must lie between the instrument's lowest and highest and be a multiple of its tick table's step; a market, a market-to-limit and a sell stop or trailing stop order have none
  invalid_quantity = 45,  ///< the quantity must lie between the instrument's smallest and largest
  invalid_client_order_id = 46,  ///< client_order_id must be below 2^63
  quantity_below_filled = 47,  ///< the new quantity must be larger than what has traded already
  invalid_self_trade_prevention = 48,  ///< self_trade_prevention must be none, cancel_newest, cancel_oldest, cancel_both or decrement_and_cancel
  invalid_trigger_price = 49,  ///< a stop or stop-limit order's trigger price must lie between the instrument's lowest and highest and be a multiple of its tick table's step; other orders have none
  invalid_display_quantity = 52,  ///< display_quantity_lots must lie between the instrument's smallest quantity and the order's, on an order that rests in an instrument that does not allocate pro rata; else it is 0
  invalid_minimum_quantity = 53,  ///< minimum_quantity_lots must lie between 0 and the order's quantity, on a limit or market order that is ioc; else it is 0
  invalid_quote_budget = 54,  ///< quote_budget_units takes the place of quantity_lots on a market buy, which has quantity_lots 0, in an instrument that does not allocate pro rata; else it is 0
  invalid_expire_time = 55,  ///< a gtd order's expire_time_ns must lie ahead; other orders have none
  invalid_offset = 56,  ///< a trailing stop order has either offset_ticks, from 1 to price_ticks_max, or trail_offset_bps, below 10000; a pegged order has a peg_reference and perhaps offset_ticks, at most price_ticks_max either way; other orders have none
  invalid_session = 57,  ///< session_id is stamped by the matcher: send 0
  duplicate_client_order_id = 58,  ///< the account has used this client_order_id before; the same NewOrder again gets the first answer again
  duplicate_transfer = 59,  ///< this transfer_id was applied before
  insufficient_funds = 60,  ///< the available balance does not cover what the order could spend, fees included
  invalid_notional = 61,  ///< price times quantity must lie between the instrument's smallest and largest notional
  outside_collar = 62,  ///< the price is farther from the reference price, or farther beyond the last trade price, than the instrument's collars allow
  post_only_would_trade = 70,  ///< a post-only order would have traded at once
  fok_not_fillable = 71,  ///< a fill-or-kill order could not trade in full
  minimum_not_fillable = 73,  ///< less than minimum_quantity_lots would have traded at once
  budget_too_small = 74,  ///< quote_budget_units buys less than the instrument's smallest quantity
  would_not_reduce = 76,  ///< a reduce-only order needs a position of the account in the instrument that it makes smaller
  no_reference_price = 77,  ///< a trailing stop order needs a last trade price, a pegged order the best price that it follows and a price at which it does not trade at once
  no_liquidity = 75,  ///< the other side has no best price for a market-to-limit order to take
  too_many_orders = 72,  ///< the shard's order pool is full, or the instrument has trailing_stops_max trailing stop or pegged_orders_max pegged orders
  too_many_accounts = 80,  ///< the shard's account table is full
  invalid_account = 81,  ///< account ids run from 1 to account_id_max, trade groups from 0, fee tiers from 0 to 7; the state must be a known one
  unknown_asset = 82,  ///< no such asset on this shard
  invalid_asset = 83,  ///< an asset needs an id from 1 within the shard's limit, a symbol, at most 18 decimals, and keeps its decimals for life
  invalid_instrument = 84,  ///< the instrument's terms are out of range or contradict each other (docs/protocol.md, SetInstrument)
  invalid_amount = 85,  ///< the amount must be positive and keep the asset's supply within units_max; transfer_id must lie between 1 and 2^63 - 1
  invalid_fee_schedule = 86,  ///< a fee lies between 0 and fee_ppm_max, a rebate is at most the smallest taker fee of all tiers, and the largest order, fee included, stays below units_max
  invalid_tick_table = 87,  ///< bands begin at rising prices from 1, with steps from 1
  invalid_trading_state = 88,  ///< state and next_state must be known and differ, and end_time_ns must lie ahead; without an end there is no next_state
  invalid_calendar = 89,  ///< entries are at rising minutes of the week from 0 to 10079, each with a known state
  unknown_trade = 90,  ///< no such trade is remembered: the shard has not made it, or it is older than the last trades_remembered
  trade_already_busted = 91,  ///< the trade was busted before
  invalid_correction = 92,  ///< the new price must be one that orders may name in the instrument, the new quantity lie between 1 and the trade's as it stands, and one of them differ from it
  invalid_quote = 93,  ///< bids must fall and asks rise from level to level, and every bid lie below every ask; a side with 0 lots has no price
  quote_protection_active = 94,  ///< the account's protection pulled its quotes: SetQuoteProtection lets it quote again
  invalid_quote_protection = 95,  ///< window_ns lies between 1 and quote_window_ns_max and one of the two limits is above 0; or all three are 0
  too_many_quote_protections = 96,  ///< the instrument protects quote_protections_max accounts already
  invalid_list = 100,  ///< the list's kind is unknown, or its orders are too few, too many or not of the kinds that it takes (docs/matching.md, Lists of orders)
};

/// Opens every record. `length` counts the whole record; `request_id` is the requester's own,
/// echoed in what answers it.
struct Header {
  std::uint8_t version;
  std::uint8_t type;
  std::uint16_t length;
  std::uint32_t request_id;
};
static_assert(sizeof(Header) == 8);

template <typename T, std::size_t size>
inline constexpr bool is_wire_layout =
    sizeof(T) == size && alignof(T) <= 8 && std::is_trivially_copyable_v<T> &&
    std::is_standard_layout_v<T> && std::has_unique_object_representations_v<T>;

/// What one fee tier pays.
struct FeeTerms {
  std::int32_t maker_fee_ppm{};  ///< as in SetInstrument
  std::uint32_t taker_fee_ppm{};  ///< as in SetInstrument
};
static_assert(is_wire_layout<FeeTerms, 8>);
static_assert(offsetof(FeeTerms, maker_fee_ppm) == 0);
static_assert(offsetof(FeeTerms, taker_fee_ppm) == 4);

/// Prices from here on, up to the next band.
struct PriceBand {
  std::int64_t from_price_ticks{};  ///< from 1, rising from band to band
  std::int64_t step_ticks{};  ///< an order's price must be a multiple of it
};
static_assert(is_wire_layout<PriceBand, 16>);
static_assert(offsetof(PriceBand, from_price_ticks) == 0);
static_assert(offsetof(PriceBand, step_ticks) == 8);

/// A state that begins every week.
struct CalendarEntry {
  std::uint32_t minute_of_week{};  ///< from Monday 00:00 UTC, 0 to 10079, rising from entry to entry
  std::uint32_t trading_state{};
};
static_assert(is_wire_layout<CalendarEntry, 8>);
static_assert(offsetof(CalendarEntry, minute_of_week) == 0);
static_assert(offsetof(CalendarEntry, trading_state) == 4);

/// An order of a list; as in NewOrder, which replaces nothing.
struct ListedOrder {
  std::uint64_t client_order_id{};
  std::int64_t price_ticks{};
  std::int64_t quantity_lots{};
  std::int64_t trigger_price_ticks{};
  std::int64_t display_quantity_lots{};
  std::int64_t minimum_quantity_lots{};
  std::int64_t quote_budget_units{};
  std::int64_t expire_time_ns{};
  std::int64_t offset_ticks{};
  Side side{};
  OrderType order_type{};
  TimeInForce time_in_force{};
  std::uint8_t flags{};  ///< bit set
  SelfTradePrevention self_trade_prevention{};
  PegReference peg_reference{};
  std::uint16_t trail_offset_bps{};
};
static_assert(is_wire_layout<ListedOrder, 80>);
static_assert(offsetof(ListedOrder, client_order_id) == 0);
static_assert(offsetof(ListedOrder, price_ticks) == 8);
static_assert(offsetof(ListedOrder, quantity_lots) == 16);
static_assert(offsetof(ListedOrder, trigger_price_ticks) == 24);
static_assert(offsetof(ListedOrder, display_quantity_lots) == 32);
static_assert(offsetof(ListedOrder, minimum_quantity_lots) == 40);
static_assert(offsetof(ListedOrder, quote_budget_units) == 48);
static_assert(offsetof(ListedOrder, expire_time_ns) == 56);
static_assert(offsetof(ListedOrder, offset_ticks) == 64);
static_assert(offsetof(ListedOrder, side) == 72);
static_assert(offsetof(ListedOrder, order_type) == 73);
static_assert(offsetof(ListedOrder, time_in_force) == 74);
static_assert(offsetof(ListedOrder, flags) == 75);
static_assert(offsetof(ListedOrder, self_trade_prevention) == 76);
static_assert(offsetof(ListedOrder, peg_reference) == 77);
static_assert(offsetof(ListedOrder, trail_offset_bps) == 78);

/// A bid and an ask; a side with 0 lots is not quoted.
struct QuoteLevel {
  std::int64_t bid_price_ticks{};
  std::int64_t bid_lots{};  ///< what is to be open
  std::int64_t ask_price_ticks{};
  std::int64_t ask_lots{};  ///< what is to be open
};
static_assert(is_wire_layout<QuoteLevel, 32>);
static_assert(offsetof(QuoteLevel, bid_price_ticks) == 0);
static_assert(offsetof(QuoteLevel, bid_lots) == 8);
static_assert(offsetof(QuoteLevel, ask_price_ticks) == 16);
static_assert(offsetof(QuoteLevel, ask_lots) == 24);

/// Places an order.
struct NewOrder {
  static constexpr MessageType type = MessageType::new_order;
  Header header{version, static_cast<std::uint8_t>(type), 120, 0};
  std::int64_t time_ns{};  ///< stamped by the matcher; a client sends 0
  std::uint64_t account_id{};  ///< whose order
  std::uint64_t client_order_id{};  ///< the client's own id, unique per account; 0 = none, and then a repeat is a second order
  std::int64_t price_ticks{};  ///< limit price; of a buy stop order the highest price it pays; 0 for a market order and a sell stop order; of a pegged order how far it follows
  std::int64_t quantity_lots{};  ///< how much
  std::int64_t trigger_price_ticks{};  ///< stop orders: waits until a trade reaches this price, a buy from below, a sell from above; else 0
  std::int64_t display_quantity_lots{};  ///< iceberg orders: what the book shows at a time; 0 = all of it
  std::int64_t minimum_quantity_lots{};  ///< ioc limit and market orders: trades at least this much, or is rejected; 0 = any
  std::int64_t quote_budget_units{};  ///< market buys: spends at most this, fees included, in place of quantity_lots; 0 = none
  std::int64_t expire_time_ns{};  ///< gtd: canceled from this time on; else 0
  std::int64_t offset_ticks{};  ///< trailing stop orders: distance of the trigger price from the last trade price; pegged orders: added to the reference; else 0
  std::uint64_t replaces_order_id{};  ///< cancels this open order of the account in the same instrument and step, if this one is accepted; 0 = none
  std::uint32_t instrument_id{};
  std::uint32_t session_id{};  ///< that of the session (LoggedOn), stamped by the matcher; a client sends 0
  Side side{};
  OrderType order_type{};
  TimeInForce time_in_force{};
  std::uint8_t flags{};  ///< bit set
  SelfTradePrevention self_trade_prevention{};  ///< what happens where it would trade, as the taker, with an order of its own trade group
  PegReference peg_reference{};  ///< pegged orders: the price that it follows; else none
  std::uint16_t trail_offset_bps{};  ///< trailing stop orders: distance of the trigger price in hundredths of a percent, in place of offset_ticks; else 0
};
static_assert(is_wire_layout<NewOrder, 120>);
static_assert(offsetof(NewOrder, time_ns) == 8);
static_assert(offsetof(NewOrder, account_id) == 16);
static_assert(offsetof(NewOrder, client_order_id) == 24);
static_assert(offsetof(NewOrder, price_ticks) == 32);
static_assert(offsetof(NewOrder, quantity_lots) == 40);
static_assert(offsetof(NewOrder, trigger_price_ticks) == 48);
static_assert(offsetof(NewOrder, display_quantity_lots) == 56);
static_assert(offsetof(NewOrder, minimum_quantity_lots) == 64);
static_assert(offsetof(NewOrder, quote_budget_units) == 72);
static_assert(offsetof(NewOrder, expire_time_ns) == 80);
static_assert(offsetof(NewOrder, offset_ticks) == 88);
static_assert(offsetof(NewOrder, replaces_order_id) == 96);
static_assert(offsetof(NewOrder, instrument_id) == 104);
static_assert(offsetof(NewOrder, session_id) == 108);
static_assert(offsetof(NewOrder, side) == 112);
static_assert(offsetof(NewOrder, order_type) == 113);
static_assert(offsetof(NewOrder, time_in_force) == 114);
static_assert(offsetof(NewOrder, flags) == 115);
static_assert(offsetof(NewOrder, self_trade_prevention) == 116);
static_assert(offsetof(NewOrder, peg_reference) == 117);
static_assert(offsetof(NewOrder, trail_offset_bps) == 118);

/// Cancels one open order, named by order_id or, where that is 0, by client_order_id.
struct CancelOrder {
  static constexpr MessageType type = MessageType::cancel_order;
  Header header{version, static_cast<std::uint8_t>(type), 40, 0};
  std::int64_t time_ns{};  ///< stamped by the matcher; a client sends 0
  std::uint64_t account_id{};  ///< whose order
  std::uint64_t order_id{};  ///< 0 = use client_order_id
  std::uint64_t client_order_id{};
};
static_assert(is_wire_layout<CancelOrder, 40>);
static_assert(offsetof(CancelOrder, time_ns) == 8);
static_assert(offsetof(CancelOrder, account_id) == 16);
static_assert(offsetof(CancelOrder, order_id) == 24);
static_assert(offsetof(CancelOrder, client_order_id) == 32);

/// Changes price and quantity of one open order, which keeps its ids. A smaller quantity at the same price keeps its place in the queue; anything else goes to the back of its level and may trade first. Refused, it changes nothing.
struct ReplaceOrder {
  static constexpr MessageType type = MessageType::replace_order;
  Header header{version, static_cast<std::uint8_t>(type), 56, 0};
  std::int64_t time_ns{};  ///< stamped by the matcher; a client sends 0
  std::uint64_t account_id{};  ///< whose order
  std::uint64_t order_id{};  ///< 0 = use client_order_id
  std::uint64_t client_order_id{};
  std::int64_t price_ticks{};  ///< the new price; 0 = as it is
  std::int64_t quantity_lots{};  ///< the new quantity in all, what has traded included; 0 = as it is
};
static_assert(is_wire_layout<ReplaceOrder, 56>);
static_assert(offsetof(ReplaceOrder, time_ns) == 8);
static_assert(offsetof(ReplaceOrder, account_id) == 16);
static_assert(offsetof(ReplaceOrder, order_id) == 24);
static_assert(offsetof(ReplaceOrder, client_order_id) == 32);
static_assert(offsetof(ReplaceOrder, price_ticks) == 40);
static_assert(offsetof(ReplaceOrder, quantity_lots) == 48);

/// Cancels the open orders that match all of this, account by account, oldest first, at most cancels_per_command_max.
struct MassCancel {
  static constexpr MessageType type = MessageType::mass_cancel;
  Header header{version, static_cast<std::uint8_t>(type), 40, 0};
  std::int64_t time_ns{};  ///< stamped by the matcher; a client sends 0
  std::uint64_t account_id{};  ///< whose orders; 0 = every account's, operators only
  std::uint32_t instrument_id{};  ///< 0 = every instrument
  std::uint32_t session_id{};  ///< of the session that sent the orders (LoggedOn); 0 = every session
  Side side{};  ///< 0 = both
  std::uint8_t reserved[7]{};
};
static_assert(is_wire_layout<MassCancel, 40>);
static_assert(offsetof(MassCancel, time_ns) == 8);
static_assert(offsetof(MassCancel, account_id) == 16);
static_assert(offsetof(MassCancel, instrument_id) == 24);
static_assert(offsetof(MassCancel, session_id) == 28);
static_assert(offsetof(MassCancel, side) == 32);
static_assert(offsetof(MassCancel, reserved) == 33);

/// Lists an asset, or renames it. Decimals never change.
struct SetAsset {
  static constexpr MessageType type = MessageType::set_asset;
  Header header{version, static_cast<std::uint8_t>(type), 40, 0};
  std::int64_t time_ns{};  ///< stamped by the matcher; a client sends 0
  char symbol[16]{};  ///< such as USD
  std::uint32_t asset_id{};  ///< from 1
  std::uint8_t decimals{};  ///< the smallest unit is 10^-decimals
  std::uint8_t reserved[3]{};
};
static_assert(is_wire_layout<SetAsset, 40>);
static_assert(offsetof(SetAsset, time_ns) == 8);
static_assert(offsetof(SetAsset, symbol) == 16);
static_assert(offsetof(SetAsset, asset_id) == 32);
static_assert(offsetof(SetAsset, decimals) == 36);
static_assert(offsetof(SetAsset, reserved) == 37);

/// Lists an instrument, or changes its limits, fees and trading state. Assets, tick, lot and allocation never change. One tick times one lot must be a whole number (at least 1) of the quote asset's smallest unit, and the largest order, fee included, must stay below units_max.
struct SetInstrument {
  static constexpr MessageType type = MessageType::set_instrument;
  Header header{version, static_cast<std::uint8_t>(type), 160, 0};
  std::int64_t time_ns{};  ///< stamped by the matcher; a client sends 0
  char symbol[16]{};  ///< such as BTC-USD
  std::int64_t tick_size{};  ///< one tick, in units of 10^-price_decimals of the quote asset
  std::int64_t lot_size_units{};  ///< one lot, in the base asset's smallest unit
  std::int64_t price_ticks_min{};  ///< from 1
  std::int64_t price_ticks_max{};  ///< inclusive
  std::int64_t quantity_lots_min{};  ///< from 1
  std::int64_t quantity_lots_max{};  ///< inclusive
  std::uint32_t instrument_id{};  ///< from 1
  std::uint32_t base_asset_id{};  ///< what is traded
  std::uint32_t quote_asset_id{};  ///< what it is priced in
  std::int32_t maker_fee_ppm{};  ///< millionths of the notional, charged in the quote asset, rounded down; negative: a rebate, paid out of the taker's fee, rounded down too
  std::uint32_t taker_fee_ppm{};  ///< millionths of the notional, charged in the quote asset, rounded down
  std::uint32_t market_protection_ppm{};  ///< orders without a price trade no farther than this from the best price they find, in millionths of it; 0 = any price
  std::uint8_t price_decimals{};
  TradingState trading_state{};
  Allocation allocation{};  ///< never changes
  std::uint8_t reserved[5]{};
  std::int64_t notional_units_min{};  ///< smallest price times quantity of an order with a price, in the quote asset; 0 = none
  std::int64_t notional_units_max{};  ///< the largest; 0 = none
  std::int64_t reference_price_ticks{};  ///< what collars, the circuit breaker and, before the first trade, auctions refer to; each auction moves it; 0 = none, or as it is
  std::uint32_t static_collar_ppm{};  ///< how far an order's price may be from the reference price, in millionths of it; 0 = any
  std::uint32_t dynamic_collar_ppm{};  ///< how far a limit order may reach beyond the last trade price, in millionths of it; 0 = any
  std::uint32_t breaker_ppm{};  ///< a trade farther than this from the reference price does not happen: a volatility auction begins; in millionths of it; 0 = any
  std::uint8_t reserved_tail[4]{};
  std::int64_t breaker_auction_ns{};  ///< how long that auction is; 0 without breaker_ppm
};
static_assert(is_wire_layout<SetInstrument, 160>);
static_assert(offsetof(SetInstrument, time_ns) == 8);
static_assert(offsetof(SetInstrument, symbol) == 16);
static_assert(offsetof(SetInstrument, tick_size) == 32);
static_assert(offsetof(SetInstrument, lot_size_units) == 40);
static_assert(offsetof(SetInstrument, price_ticks_min) == 48);
static_assert(offsetof(SetInstrument, price_ticks_max) == 56);
static_assert(offsetof(SetInstrument, quantity_lots_min) == 64);
static_assert(offsetof(SetInstrument, quantity_lots_max) == 72);
static_assert(offsetof(SetInstrument, instrument_id) == 80);
static_assert(offsetof(SetInstrument, base_asset_id) == 84);
static_assert(offsetof(SetInstrument, quote_asset_id) == 88);
static_assert(offsetof(SetInstrument, maker_fee_ppm) == 92);
static_assert(offsetof(SetInstrument, taker_fee_ppm) == 96);
static_assert(offsetof(SetInstrument, market_protection_ppm) == 100);
static_assert(offsetof(SetInstrument, price_decimals) == 104);
static_assert(offsetof(SetInstrument, trading_state) == 105);
static_assert(offsetof(SetInstrument, allocation) == 106);
static_assert(offsetof(SetInstrument, reserved) == 107);
static_assert(offsetof(SetInstrument, notional_units_min) == 112);
static_assert(offsetof(SetInstrument, notional_units_max) == 120);
static_assert(offsetof(SetInstrument, reference_price_ticks) == 128);
static_assert(offsetof(SetInstrument, static_collar_ppm) == 136);
static_assert(offsetof(SetInstrument, dynamic_collar_ppm) == 140);
static_assert(offsetof(SetInstrument, breaker_ppm) == 144);
static_assert(offsetof(SetInstrument, reserved_tail) == 148);
static_assert(offsetof(SetInstrument, breaker_auction_ns) == 152);

/// Opens an account, or changes its state, its trade group and its fee tier.
struct SetAccount {
  static constexpr MessageType type = MessageType::set_account;
  Header header{version, static_cast<std::uint8_t>(type), 40, 0};
  std::int64_t time_ns{};  ///< stamped by the matcher; a client sends 0
  std::uint64_t account_id{};  ///< from 1
  std::uint64_t trade_group{};  ///< accounts of one owner, for self-trade prevention; 0 = the account alone
  AccountState state{};
  std::uint8_t fee_tier{};  ///< 0 to 7: which fees of an instrument it pays (SetFeeSchedule)
  std::uint8_t reserved[6]{};
};
static_assert(is_wire_layout<SetAccount, 40>);
static_assert(offsetof(SetAccount, time_ns) == 8);
static_assert(offsetof(SetAccount, account_id) == 16);
static_assert(offsetof(SetAccount, trade_group) == 24);
static_assert(offsetof(SetAccount, state) == 32);
static_assert(offsetof(SetAccount, fee_tier) == 33);
static_assert(offsetof(SetAccount, reserved) == 34);

/// Adds to an account's available balance. Applied once per transfer_id.
struct Credit {
  static constexpr MessageType type = MessageType::credit;
  Header header{version, static_cast<std::uint8_t>(type), 48, 0};
  std::int64_t time_ns{};  ///< stamped by the matcher; a client sends 0
  std::uint64_t account_id{};
  std::uint64_t transfer_id{};  ///< not 0; unique over credits and debits of the shard
  std::int64_t amount_units{};  ///< from 1
  std::uint32_t asset_id{};
  std::uint8_t reserved[4]{};
};
static_assert(is_wire_layout<Credit, 48>);
static_assert(offsetof(Credit, time_ns) == 8);
static_assert(offsetof(Credit, account_id) == 16);
static_assert(offsetof(Credit, transfer_id) == 24);
static_assert(offsetof(Credit, amount_units) == 32);
static_assert(offsetof(Credit, asset_id) == 40);
static_assert(offsetof(Credit, reserved) == 44);

/// Takes from an account's available balance. Applied once per transfer_id.
struct Debit {
  static constexpr MessageType type = MessageType::debit;
  Header header{version, static_cast<std::uint8_t>(type), 48, 0};
  std::int64_t time_ns{};  ///< stamped by the matcher; a client sends 0
  std::uint64_t account_id{};
  std::uint64_t transfer_id{};  ///< not 0; unique over credits and debits of the shard
  std::int64_t amount_units{};  ///< from 1
  std::uint32_t asset_id{};
  std::uint8_t reserved[4]{};
};
static_assert(is_wire_layout<Debit, 48>);
static_assert(offsetof(Debit, time_ns) == 8);
static_assert(offsetof(Debit, account_id) == 16);
static_assert(offsetof(Debit, transfer_id) == 24);
static_assert(offsetof(Debit, amount_units) == 32);
static_assert(offsetof(Debit, asset_id) == 40);
static_assert(offsetof(Debit, reserved) == 44);

/// Sets what the fee tiers from 1 on pay in an instrument, in place of all that was set before; tier 0, and every tier without an item, pays what SetInstrument says. No tier's rebate may be larger than any tier's taker fee, so that the house never pays for a trade.
struct SetFeeSchedule {
  static constexpr MessageType type = MessageType::set_fee_schedule;
  Header header{version, static_cast<std::uint8_t>(type), 24, 0};
  std::int64_t time_ns{};  ///< stamped by the matcher; a client sends 0
  std::uint32_t instrument_id{};
  std::uint8_t reserved[4]{};
  using Repeated = FeeTerms;  ///< of the tiers 1, 2 and so on
  static constexpr std::size_t repeated_max = 7;
};
static_assert(is_wire_layout<SetFeeSchedule, 24>);
static_assert(offsetof(SetFeeSchedule, time_ns) == 8);
static_assert(offsetof(SetFeeSchedule, instrument_id) == 16);
static_assert(offsetof(SetFeeSchedule, reserved) == 20);

/// Sets which prices orders may name in an instrument, in place of all that was set before. Prices below the first band may be any, and with no bands every price may. Open orders stay as they are.
struct SetTickTable {
  static constexpr MessageType type = MessageType::set_tick_table;
  Header header{version, static_cast<std::uint8_t>(type), 24, 0};
  std::int64_t time_ns{};  ///< stamped by the matcher; a client sends 0
  std::uint32_t instrument_id{};
  std::uint8_t reserved[4]{};
  using Repeated = PriceBand;  ///< from the lowest price up
  static constexpr std::size_t repeated_max = 8;
};
static_assert(is_wire_layout<SetTickTable, 24>);
static_assert(offsetof(SetTickTable, time_ns) == 8);
static_assert(offsetof(SetTickTable, instrument_id) == 16);
static_assert(offsetof(SetTickTable, reserved) == 20);

/// Moves an instrument to a trading state, until told or until a time. Entering continuous trading or the close, a crossed book is uncrossed first (AuctionUncrossed, trades); where that takes more than one command, the next Ticks go on.
struct SetTradingState {
  static constexpr MessageType type = MessageType::set_trading_state;
  Header header{version, static_cast<std::uint8_t>(type), 32, 0};
  std::int64_t time_ns{};  ///< stamped by the matcher; a client sends 0
  std::int64_t end_time_ns{};  ///< when next_state begins; 0 = until told
  std::uint32_t instrument_id{};
  TradingState state{};
  TradingState next_state{};  ///< 0 without an end
  std::uint8_t reserved[2]{};
};
static_assert(is_wire_layout<SetTradingState, 32>);
static_assert(offsetof(SetTradingState, time_ns) == 8);
static_assert(offsetof(SetTradingState, end_time_ns) == 16);
static_assert(offsetof(SetTradingState, instrument_id) == 24);
static_assert(offsetof(SetTradingState, state) == 28);
static_assert(offsetof(SetTradingState, next_state) == 29);
static_assert(offsetof(SetTradingState, reserved) == 30);

/// Sets at which times of the week an instrument changes its trading state, from the next entry on and in place of all that was set before; without entries it no longer does. Other changes of the state hold until the next entry.
struct SetCalendar {
  static constexpr MessageType type = MessageType::set_calendar;
  Header header{version, static_cast<std::uint8_t>(type), 24, 0};
  std::int64_t time_ns{};  ///< stamped by the matcher; a client sends 0
  std::uint32_t instrument_id{};
  std::uint8_t reserved[4]{};
  using Repeated = CalendarEntry;  ///< from Monday on
  static constexpr std::size_t repeated_max = 32;
};
static_assert(is_wire_layout<SetCalendar, 24>);
static_assert(offsetof(SetCalendar, time_ns) == 8);
static_assert(offsetof(SetCalendar, instrument_id) == 16);
static_assert(offsetof(SetCalendar, reserved) == 20);

/// Time has passed: what was due by time_ns happens, at most cancels_per_command_max orders of it. The only command that ends anything by time, so each expiry has one cause.
struct Tick {
  static constexpr MessageType type = MessageType::tick;
  Header header{version, static_cast<std::uint8_t>(type), 16, 0};
  std::int64_t time_ns{};  ///< stamped by the matcher, which sends one when next_deadline_ns is over and before any later command
};
static_assert(is_wire_layout<Tick, 16>);
static_assert(offsetof(Tick, time_ns) == 8);

/// Engaged: cancels the account's open orders at once and refuses new ones and replacements until it is released; cancels work. What cancels_per_command_max leaves is canceled by the Ticks that follow. An account's own session may engage its own; releasing, and the whole shard, is for operators.
struct KillSwitch {
  static constexpr MessageType type = MessageType::kill_switch;
  Header header{version, static_cast<std::uint8_t>(type), 32, 0};
  std::int64_t time_ns{};  ///< stamped by the matcher; a client sends 0
  std::uint64_t account_id{};  ///< 0 = the whole shard
  KillSwitchState state{};
  std::uint8_t reserved[7]{};
};
static_assert(is_wire_layout<KillSwitch, 32>);
static_assert(offsetof(KillSwitch, time_ns) == 8);
static_assert(offsetof(KillSwitch, account_id) == 16);
static_assert(offsetof(KillSwitch, state) == 24);
static_assert(offsetof(KillSwitch, reserved) == 25);

/// Sets the account's dead-man timer anew: unless it is set again before timeout_ns have passed, all open orders of the account are canceled, once.
struct CancelAfter {
  static constexpr MessageType type = MessageType::cancel_after;
  Header header{version, static_cast<std::uint8_t>(type), 32, 0};
  std::int64_t time_ns{};  ///< stamped by the matcher; a client sends 0
  std::uint64_t account_id{};  ///< whose timer
  std::int64_t timeout_ns{};  ///< 0 = off
};
static_assert(is_wire_layout<CancelAfter, 32>);
static_assert(offsetof(CancelAfter, time_ns) == 8);
static_assert(offsetof(CancelAfter, account_id) == 16);
static_assert(offsetof(CancelAfter, timeout_ns) == 24);

/// A session that asked for cancel_on_disconnect is gone: cancels the orders that it sent, as MassCancel does.
struct SessionEnded {
  static constexpr MessageType type = MessageType::session_ended;
  Header header{version, static_cast<std::uint8_t>(type), 32, 0};
  std::int64_t time_ns{};  ///< stamped by the matcher
  std::uint64_t account_id{};  ///< whose session it was; 0 = every account's
  std::uint32_t session_id{};  ///< of the session; 0 = every session that asked for it: the matcher has started anew
  std::uint8_t reserved[4]{};
};
static_assert(is_wire_layout<SessionEnded, 32>);
static_assert(offsetof(SessionEnded, time_ns) == 8);
static_assert(offsetof(SessionEnded, account_id) == 16);
static_assert(offsetof(SessionEnded, session_id) == 24);
static_assert(offsetof(SessionEnded, reserved) == 28);

/// Places orders of one account in one instrument in one command. What their trades trigger comes after the last of them; together they meet at most fills_per_command_max makers.
struct NewOrderList {
  static constexpr MessageType type = MessageType::new_order_list;
  Header header{version, static_cast<std::uint8_t>(type), 40, 0};
  std::int64_t time_ns{};  ///< stamped by the matcher; a client sends 0
  std::uint64_t account_id{};  ///< whose orders
  std::uint32_t instrument_id{};
  std::uint32_t session_id{};  ///< as in NewOrder
  ListKind kind{};
  std::uint8_t reserved[7]{};
  using Repeated = ListedOrder;  ///< in the order in which they are placed
  static constexpr std::size_t repeated_max = 16;
};
static_assert(is_wire_layout<NewOrderList, 40>);
static_assert(offsetof(NewOrderList, time_ns) == 8);
static_assert(offsetof(NewOrderList, account_id) == 16);
static_assert(offsetof(NewOrderList, instrument_id) == 24);
static_assert(offsetof(NewOrderList, session_id) == 28);
static_assert(offsetof(NewOrderList, kind) == 32);
static_assert(offsetof(NewOrderList, reserved) == 33);

/// Puts these quotes in the place of all that the account has in the instrument; without levels it has none. A quote of the same price, flags, mode and session whose quantity does not grow keeps its place; all others go, and the new ones are placed level by level, the bid first, as limit orders that are gtc. All or nothing: refused, it changes nothing. A quote trades on what it crosses until the command has met fills_per_command_max makers.
struct MassQuote {
  static constexpr MessageType type = MessageType::mass_quote;
  Header header{version, static_cast<std::uint8_t>(type), 40, 0};
  std::int64_t time_ns{};  ///< stamped by the matcher; a client sends 0
  std::uint64_t account_id{};  ///< whose quotes
  std::uint32_t instrument_id{};
  std::uint32_t session_id{};  ///< that of the session (LoggedOn), stamped by the matcher; a client sends 0
  std::uint8_t flags{};  ///< of every quote: post_only, or 0
  SelfTradePrevention self_trade_prevention{};  ///< of every quote
  std::uint8_t reserved[6]{};
  using Repeated = QuoteLevel;  ///< from the best down
  static constexpr std::size_t repeated_max = 32;
};
static_assert(is_wire_layout<MassQuote, 40>);
static_assert(offsetof(MassQuote, time_ns) == 8);
static_assert(offsetof(MassQuote, account_id) == 16);
static_assert(offsetof(MassQuote, instrument_id) == 24);
static_assert(offsetof(MassQuote, session_id) == 28);
static_assert(offsetof(MassQuote, flags) == 32);
static_assert(offsetof(MassQuote, self_trade_prevention) == 33);
static_assert(offsetof(MassQuote, reserved) == 34);

/// Sets the account's protection in an instrument anew: when its quotes have traded this much within a window, all of them are canceled and MassQuote is refused until this is sent again. All three 0: off. A window begins with a fill, and the first fill after its end begins the next. What fills a quote is done first: a taker may reach beyond the limit.
struct SetQuoteProtection {
  static constexpr MessageType type = MessageType::set_quote_protection;
  Header header{version, static_cast<std::uint8_t>(type), 48, 0};
  std::int64_t time_ns{};  ///< stamped by the matcher; a client sends 0
  std::uint64_t account_id{};  ///< whose quotes
  std::int64_t window_ns{};  ///< at most quote_window_ns_max
  std::int64_t filled_lots_max{};  ///< lots that may trade within a window; 0 = any
  std::uint32_t fill_count_max{};  ///< trades within a window; 0 = any
  std::uint32_t instrument_id{};
};
static_assert(is_wire_layout<SetQuoteProtection, 48>);
static_assert(offsetof(SetQuoteProtection, time_ns) == 8);
static_assert(offsetof(SetQuoteProtection, account_id) == 16);
static_assert(offsetof(SetQuoteProtection, window_ns) == 24);
static_assert(offsetof(SetQuoteProtection, filled_lots_max) == 32);
static_assert(offsetof(SetQuoteProtection, fill_count_max) == 40);
static_assert(offsetof(SetQuoteProtection, instrument_id) == 44);

/// Undoes a trade: both parties give back what they got, and the house both fees, out of what they have available. Orders, the last price and stop orders stay as the trade left them. Refused with insufficient_funds where one of the three cannot give back: nothing changes.
struct BustTrade {
  static constexpr MessageType type = MessageType::bust_trade;
  Header header{version, static_cast<std::uint8_t>(type), 24, 0};
  std::int64_t time_ns{};  ///< stamped by the matcher; a client sends 0
  std::uint64_t trade_id{};  ///< of one of the last trades_remembered trades
};
static_assert(is_wire_layout<BustTrade, 24>);
static_assert(offsetof(BustTrade, time_ns) == 8);
static_assert(offsetof(BustTrade, trade_id) == 16);

/// Gives a trade another price, a smaller quantity, or both: the parties and the house move the difference, with fees at the rates of the trade. Else as BustTrade.
struct CorrectTrade {
  static constexpr MessageType type = MessageType::correct_trade;
  Header header{version, static_cast<std::uint8_t>(type), 40, 0};
  std::int64_t time_ns{};  ///< stamped by the matcher; a client sends 0
  std::uint64_t trade_id{};  ///< of one of the last trades_remembered trades
  std::int64_t price_ticks{};  ///< the new price; 0 = as it is
  std::int64_t quantity_lots{};  ///< the new quantity, at most what it is; 0 = as it is
};
static_assert(is_wire_layout<CorrectTrade, 40>);
static_assert(offsetof(CorrectTrade, time_ns) == 8);
static_assert(offsetof(CorrectTrade, trade_id) == 16);
static_assert(offsetof(CorrectTrade, price_ticks) == 24);
static_assert(offsetof(CorrectTrade, quantity_lots) == 32);

/// Names the session's account and proves it. Answered with LoggedOn. A reconnect makes a new session: log on again.
struct Logon {
  static constexpr MessageType type = MessageType::logon;
  Header header{version, static_cast<std::uint8_t>(type), 56, 0};
  std::uint64_t account_id{};  ///< 0 for an operator's session, which may act for every account
  std::uint8_t key[32]{};  ///< the API key's 32 bytes
  std::uint8_t flags{};  ///< bit set
  std::uint8_t reserved[7]{};
};
static_assert(is_wire_layout<Logon, 56>);
static_assert(offsetof(Logon, account_id) == 8);
static_assert(offsetof(Logon, key) == 16);
static_assert(offsetof(Logon, flags) == 48);
static_assert(offsetof(Logon, reserved) == 49);

/// Asks for ShardStatus; also the heartbeat, and what a session that asked for cancel_on_disconnect sends when it has nothing else to send.
struct StatusQuery {
  static constexpr MessageType type = MessageType::status_query;
  Header header{version, static_cast<std::uint8_t>(type), 8, 0};
};
static_assert(is_wire_layout<StatusQuery, 8>);

/// Answered with AssetChanged and InstrumentChanged records as they stand, each instrument followed by the FeeScheduleChanged and TickTableChanged that it has, then QueryEnd.
struct InstrumentsQuery {
  static constexpr MessageType type = MessageType::instruments_query;
  Header header{version, static_cast<std::uint8_t>(type), 8, 0};
};
static_assert(is_wire_layout<InstrumentsQuery, 8>);

/// Answered with BookLevel records, best first, bids before asks, then QueryEnd.
struct BookQuery {
  static constexpr MessageType type = MessageType::book_query;
  Header header{version, static_cast<std::uint8_t>(type), 16, 0};
  std::uint32_t instrument_id{};
  std::uint32_t levels_max{};  ///< levels a side, from 1 to book_levels_max
};
static_assert(is_wire_layout<BookQuery, 16>);
static_assert(offsetof(BookQuery, instrument_id) == 8);
static_assert(offsetof(BookQuery, levels_max) == 12);

/// Answered with one ExecutionReport of kind `status`, or Reject `unknown_order` if the order is not open.
struct OrderQuery {
  static constexpr MessageType type = MessageType::order_query;
  Header header{version, static_cast<std::uint8_t>(type), 32, 0};
  std::uint64_t account_id{};
  std::uint64_t order_id{};  ///< 0 = use client_order_id
  std::uint64_t client_order_id{};
};
static_assert(is_wire_layout<OrderQuery, 32>);
static_assert(offsetof(OrderQuery, account_id) == 8);
static_assert(offsetof(OrderQuery, order_id) == 16);
static_assert(offsetof(OrderQuery, client_order_id) == 24);

/// Answered with ExecutionReport records of kind `status`, oldest first, then QueryEnd.
struct OpenOrdersQuery {
  static constexpr MessageType type = MessageType::open_orders_query;
  Header header{version, static_cast<std::uint8_t>(type), 32, 0};
  std::uint64_t account_id{};
  std::uint64_t after_order_id{};  ///< 0 = from the oldest; else the last order_id of the page before
  std::uint32_t instrument_id{};  ///< 0 = every instrument
  std::uint32_t count_max{};  ///< from 1 to 400
};
static_assert(is_wire_layout<OpenOrdersQuery, 32>);
static_assert(offsetof(OpenOrdersQuery, account_id) == 8);
static_assert(offsetof(OpenOrdersQuery, after_order_id) == 16);
static_assert(offsetof(OpenOrdersQuery, instrument_id) == 24);
static_assert(offsetof(OpenOrdersQuery, count_max) == 28);

/// Answered with Balance records by asset_id, then QueryEnd.
struct BalancesQuery {
  static constexpr MessageType type = MessageType::balances_query;
  Header header{version, static_cast<std::uint8_t>(type), 16, 0};
  std::uint64_t account_id{};
};
static_assert(is_wire_layout<BalancesQuery, 16>);
static_assert(offsetof(BalancesQuery, account_id) == 8);

/// For operators' sessions. The next command of the same message belongs to this trace (W3C Trace Context); it is not answered, unless it is refused. request_id is that of the command.
struct TraceContext {
  static constexpr MessageType type = MessageType::trace_context;
  Header header{version, static_cast<std::uint8_t>(type), 32, 0};
  std::uint8_t trace_id[16]{};
  std::uint8_t span_id[8]{};  ///< of the span that sends the command
};
static_assert(is_wire_layout<TraceContext, 32>);
static_assert(offsetof(TraceContext, trace_id) == 8);
static_assert(offsetof(TraceContext, span_id) == 24);

/// The order passed every check. Trades and a cancel may follow under the same seq.
struct OrderAccepted {
  static constexpr MessageType type = MessageType::order_accepted;
  Header header{version, static_cast<std::uint8_t>(type), 112, 0};
  std::uint64_t seq{};  ///< of the command
  std::int64_t time_ns{};  ///< of the command
  std::uint64_t order_id{};  ///< shard_id * 2^48 + a counter from 1
  std::uint64_t account_id{};
  std::uint64_t client_order_id{};
  std::int64_t price_ticks{};  ///< 0 for a market order
  std::int64_t quantity_lots{};
  std::int64_t trigger_price_ticks{};  ///< not 0: the order waits, unless OrderTriggered follows; so does an at-the-close order; of a trailing stop order as it is now
  std::int64_t display_quantity_lots{};  ///< iceberg orders only
  std::int64_t expire_time_ns{};  ///< gtd only
  std::int64_t offset_ticks{};  ///< trailing stop and pegged orders only
  std::uint32_t instrument_id{};
  std::uint32_t session_id{};  ///< of the session that sent it
  Side side{};
  OrderType order_type{};
  TimeInForce time_in_force{};
  std::uint8_t flags{};
  SelfTradePrevention self_trade_prevention{};
  PegReference peg_reference{};  ///< pegged orders only
  std::uint16_t trail_offset_bps{};  ///< trailing stop orders only
};
static_assert(is_wire_layout<OrderAccepted, 112>);
static_assert(offsetof(OrderAccepted, seq) == 8);
static_assert(offsetof(OrderAccepted, time_ns) == 16);
static_assert(offsetof(OrderAccepted, order_id) == 24);
static_assert(offsetof(OrderAccepted, account_id) == 32);
static_assert(offsetof(OrderAccepted, client_order_id) == 40);
static_assert(offsetof(OrderAccepted, price_ticks) == 48);
static_assert(offsetof(OrderAccepted, quantity_lots) == 56);
static_assert(offsetof(OrderAccepted, trigger_price_ticks) == 64);
static_assert(offsetof(OrderAccepted, display_quantity_lots) == 72);
static_assert(offsetof(OrderAccepted, expire_time_ns) == 80);
static_assert(offsetof(OrderAccepted, offset_ticks) == 88);
static_assert(offsetof(OrderAccepted, instrument_id) == 96);
static_assert(offsetof(OrderAccepted, session_id) == 100);
static_assert(offsetof(OrderAccepted, side) == 104);
static_assert(offsetof(OrderAccepted, order_type) == 105);
static_assert(offsetof(OrderAccepted, time_in_force) == 106);
static_assert(offsetof(OrderAccepted, flags) == 107);
static_assert(offsetof(OrderAccepted, self_trade_prevention) == 108);
static_assert(offsetof(OrderAccepted, peg_reference) == 109);
static_assert(offsetof(OrderAccepted, trail_offset_bps) == 110);

/// A NewOrder, CancelOrder or ReplaceOrder, or one order of a list of kind `each`, was refused; nothing changed.
struct OrderRejected {
  static constexpr MessageType type = MessageType::order_rejected;
  Header header{version, static_cast<std::uint8_t>(type), 56, 0};
  std::uint64_t seq{};  ///< of the command
  std::int64_t time_ns{};  ///< of the command
  std::uint64_t order_id{};  ///< as in the command; for NewOrder that of the order which has its client_order_id, or 0
  std::uint64_t account_id{};
  std::uint64_t client_order_id{};
  std::uint32_t instrument_id{};  ///< as in the command; 0 for cancel and replace
  Reason reason{};
  std::uint8_t command_type{};  ///< message type of the command
  std::uint8_t reserved{};
};
static_assert(is_wire_layout<OrderRejected, 56>);
static_assert(offsetof(OrderRejected, seq) == 8);
static_assert(offsetof(OrderRejected, time_ns) == 16);
static_assert(offsetof(OrderRejected, order_id) == 24);
static_assert(offsetof(OrderRejected, account_id) == 32);
static_assert(offsetof(OrderRejected, client_order_id) == 40);
static_assert(offsetof(OrderRejected, instrument_id) == 48);
static_assert(offsetof(OrderRejected, reason) == 52);
static_assert(offsetof(OrderRejected, command_type) == 54);
static_assert(offsetof(OrderRejected, reserved) == 55);

/// One maker met the taker, at the maker's price; in an auction the younger order is the taker.
struct Trade {
  static constexpr MessageType type = MessageType::trade;
  Header header{version, static_cast<std::uint8_t>(type), 152, 0};
  std::uint64_t seq{};  ///< of the command
  std::int64_t time_ns{};  ///< of the command
  std::uint64_t trade_id{};  ///< shard_id * 2^48 + a counter from 1
  std::int64_t price_ticks{};  ///< the maker's; in an auction the auction's
  std::int64_t quantity_lots{};
  std::int64_t notional_units{};  ///< price times quantity, in the quote asset
  std::int64_t base_units{};  ///< quantity, in the base asset
  std::uint64_t maker_order_id{};
  std::uint64_t taker_order_id{};
  std::uint64_t maker_account_id{};
  std::uint64_t taker_account_id{};
  std::uint64_t maker_client_order_id{};
  std::uint64_t taker_client_order_id{};
  std::int64_t maker_fee_units{};  ///< in the quote asset; negative: a rebate, at most the taker's fee
  std::int64_t taker_fee_units{};  ///< in the quote asset
  std::int64_t maker_remaining_lots{};  ///< open after this trade; 0 = filled
  std::int64_t taker_remaining_lots{};  ///< open after this trade; 0 = filled
  std::uint32_t instrument_id{};
  Side taker_side{};
  std::uint8_t reserved[3]{};
};
static_assert(is_wire_layout<Trade, 152>);
static_assert(offsetof(Trade, seq) == 8);
static_assert(offsetof(Trade, time_ns) == 16);
static_assert(offsetof(Trade, trade_id) == 24);
static_assert(offsetof(Trade, price_ticks) == 32);
static_assert(offsetof(Trade, quantity_lots) == 40);
static_assert(offsetof(Trade, notional_units) == 48);
static_assert(offsetof(Trade, base_units) == 56);
static_assert(offsetof(Trade, maker_order_id) == 64);
static_assert(offsetof(Trade, taker_order_id) == 72);
static_assert(offsetof(Trade, maker_account_id) == 80);
static_assert(offsetof(Trade, taker_account_id) == 88);
static_assert(offsetof(Trade, maker_client_order_id) == 96);
static_assert(offsetof(Trade, taker_client_order_id) == 104);
static_assert(offsetof(Trade, maker_fee_units) == 112);
static_assert(offsetof(Trade, taker_fee_units) == 120);
static_assert(offsetof(Trade, maker_remaining_lots) == 128);
static_assert(offsetof(Trade, taker_remaining_lots) == 136);
static_assert(offsetof(Trade, instrument_id) == 144);
static_assert(offsetof(Trade, taker_side) == 148);
static_assert(offsetof(Trade, reserved) == 149);

/// What was open of the order is gone.
struct OrderCanceled {
  static constexpr MessageType type = MessageType::order_canceled;
  Header header{version, static_cast<std::uint8_t>(type), 80, 0};
  std::uint64_t seq{};  ///< of the command
  std::int64_t time_ns{};  ///< of the command
  std::uint64_t order_id{};
  std::uint64_t account_id{};
  std::uint64_t client_order_id{};
  std::int64_t canceled_lots{};  ///< what was open
  std::int64_t filled_lots{};  ///< what had traded
  std::int64_t price_ticks{};
  std::uint32_t instrument_id{};
  Side side{};
  CancelReason reason{};
  std::uint8_t reserved[2]{};
};
static_assert(is_wire_layout<OrderCanceled, 80>);
static_assert(offsetof(OrderCanceled, seq) == 8);
static_assert(offsetof(OrderCanceled, time_ns) == 16);
static_assert(offsetof(OrderCanceled, order_id) == 24);
static_assert(offsetof(OrderCanceled, account_id) == 32);
static_assert(offsetof(OrderCanceled, client_order_id) == 40);
static_assert(offsetof(OrderCanceled, canceled_lots) == 48);
static_assert(offsetof(OrderCanceled, filled_lots) == 56);
static_assert(offsetof(OrderCanceled, price_ticks) == 64);
static_assert(offsetof(OrderCanceled, instrument_id) == 72);
static_assert(offsetof(OrderCanceled, side) == 76);
static_assert(offsetof(OrderCanceled, reason) == 77);
static_assert(offsetof(OrderCanceled, reserved) == 78);

/// The order has a new price or quantity: it was replaced, or is pegged and has come to rest at another price. Trades may follow under the same seq.
struct OrderReplaced {
  static constexpr MessageType type = MessageType::order_replaced;
  Header header{version, static_cast<std::uint8_t>(type), 80, 0};
  std::uint64_t seq{};  ///< of the command
  std::int64_t time_ns{};  ///< of the command
  std::uint64_t order_id{};
  std::uint64_t account_id{};
  std::uint64_t client_order_id{};
  std::int64_t price_ticks{};  ///< new
  std::int64_t quantity_lots{};  ///< new, what has traded included
  std::int64_t filled_lots{};  ///< what had traded before
  std::uint32_t instrument_id{};
  Side side{};
  std::uint8_t flags{};
  std::uint8_t reserved[2]{};
};
static_assert(is_wire_layout<OrderReplaced, 80>);
static_assert(offsetof(OrderReplaced, seq) == 8);
static_assert(offsetof(OrderReplaced, time_ns) == 16);
static_assert(offsetof(OrderReplaced, order_id) == 24);
static_assert(offsetof(OrderReplaced, account_id) == 32);
static_assert(offsetof(OrderReplaced, client_order_id) == 40);
static_assert(offsetof(OrderReplaced, price_ticks) == 48);
static_assert(offsetof(OrderReplaced, quantity_lots) == 56);
static_assert(offsetof(OrderReplaced, filled_lots) == 64);
static_assert(offsetof(OrderReplaced, instrument_id) == 72);
static_assert(offsetof(OrderReplaced, side) == 76);
static_assert(offsetof(OrderReplaced, flags) == 77);
static_assert(offsetof(OrderReplaced, reserved) == 78);

/// Ends a MassCancel or a SessionEnded, after its OrderCanceled events.
struct MassCanceled {
  static constexpr MessageType type = MessageType::mass_canceled;
  Header header{version, static_cast<std::uint8_t>(type), 40, 0};
  std::uint64_t seq{};  ///< of the command
  std::int64_t time_ns{};  ///< of the command
  std::uint64_t account_id{};
  std::uint32_t canceled_count{};
  std::uint32_t remaining_count{};  ///< orders that match and are still open: send MassCancel again
};
static_assert(is_wire_layout<MassCanceled, 40>);
static_assert(offsetof(MassCanceled, seq) == 8);
static_assert(offsetof(MassCanceled, time_ns) == 16);
static_assert(offsetof(MassCanceled, account_id) == 24);
static_assert(offsetof(MassCanceled, canceled_count) == 32);
static_assert(offsetof(MassCanceled, remaining_count) == 36);

/// A Credit or Debit was applied.
struct BalanceChanged {
  static constexpr MessageType type = MessageType::balance_changed;
  Header header{version, static_cast<std::uint8_t>(type), 72, 0};
  std::uint64_t seq{};  ///< of the command
  std::int64_t time_ns{};  ///< of the command
  std::uint64_t account_id{};
  std::uint64_t transfer_id{};
  std::int64_t delta_units{};  ///< negative for a debit
  std::int64_t available_units{};  ///< after
  std::int64_t held_units{};  ///< after
  std::uint32_t asset_id{};
  std::uint8_t reserved[4]{};
};
static_assert(is_wire_layout<BalanceChanged, 72>);
static_assert(offsetof(BalanceChanged, seq) == 8);
static_assert(offsetof(BalanceChanged, time_ns) == 16);
static_assert(offsetof(BalanceChanged, account_id) == 24);
static_assert(offsetof(BalanceChanged, transfer_id) == 32);
static_assert(offsetof(BalanceChanged, delta_units) == 40);
static_assert(offsetof(BalanceChanged, available_units) == 48);
static_assert(offsetof(BalanceChanged, held_units) == 56);
static_assert(offsetof(BalanceChanged, asset_id) == 64);
static_assert(offsetof(BalanceChanged, reserved) == 68);

/// An asset as it stands.
struct AssetChanged {
  static constexpr MessageType type = MessageType::asset_changed;
  Header header{version, static_cast<std::uint8_t>(type), 48, 0};
  std::uint64_t seq{};  ///< of the command; in an answer to a query, of the last SetAsset
  std::int64_t time_ns{};  ///< of that command
  char symbol[16]{};
  std::uint32_t asset_id{};
  std::uint8_t decimals{};
  std::uint8_t reserved[3]{};
};
static_assert(is_wire_layout<AssetChanged, 48>);
static_assert(offsetof(AssetChanged, seq) == 8);
static_assert(offsetof(AssetChanged, time_ns) == 16);
static_assert(offsetof(AssetChanged, symbol) == 24);
static_assert(offsetof(AssetChanged, asset_id) == 40);
static_assert(offsetof(AssetChanged, decimals) == 44);
static_assert(offsetof(AssetChanged, reserved) == 45);

/// An instrument as it stands.
struct InstrumentChanged {
  static constexpr MessageType type = MessageType::instrument_changed;
  Header header{version, static_cast<std::uint8_t>(type), 176, 0};
  std::uint64_t seq{};  ///< of the command; in an answer to a query, of the last SetInstrument
  std::int64_t time_ns{};  ///< of that command
  char symbol[16]{};
  std::int64_t tick_size{};  ///< one tick, in units of 10^-price_decimals of the quote asset
  std::int64_t lot_size_units{};  ///< one lot, in the base asset's smallest unit
  std::int64_t tick_lot_units{};  ///< one tick times one lot, in the quote asset's smallest unit
  std::int64_t price_ticks_min{};
  std::int64_t price_ticks_max{};
  std::int64_t quantity_lots_min{};
  std::int64_t quantity_lots_max{};
  std::uint32_t instrument_id{};
  std::uint32_t base_asset_id{};
  std::uint32_t quote_asset_id{};
  std::int32_t maker_fee_ppm{};  ///< negative: a rebate
  std::uint32_t taker_fee_ppm{};
  std::uint32_t market_protection_ppm{};
  std::uint8_t price_decimals{};
  TradingState trading_state{};
  Allocation allocation{};  ///< never changes
  std::uint8_t reserved[5]{};
  std::int64_t notional_units_min{};  ///< smallest price times quantity of an order with a price, in the quote asset; 0 = none
  std::int64_t notional_units_max{};  ///< the largest; 0 = none
  std::int64_t reference_price_ticks{};  ///< what collars, the circuit breaker and, before the first trade, auctions refer to; each auction moves it; 0 = none, or as it is
  std::uint32_t static_collar_ppm{};  ///< how far an order's price may be from the reference price, in millionths of it; 0 = any
  std::uint32_t dynamic_collar_ppm{};  ///< how far a limit order may reach beyond the last trade price, in millionths of it; 0 = any
  std::uint32_t breaker_ppm{};  ///< a trade farther than this from the reference price does not happen: a volatility auction begins; in millionths of it; 0 = any
  std::uint8_t reserved_tail[4]{};
  std::int64_t breaker_auction_ns{};  ///< how long that auction is; 0 without breaker_ppm
};
static_assert(is_wire_layout<InstrumentChanged, 176>);
static_assert(offsetof(InstrumentChanged, seq) == 8);
static_assert(offsetof(InstrumentChanged, time_ns) == 16);
static_assert(offsetof(InstrumentChanged, symbol) == 24);
static_assert(offsetof(InstrumentChanged, tick_size) == 40);
static_assert(offsetof(InstrumentChanged, lot_size_units) == 48);
static_assert(offsetof(InstrumentChanged, tick_lot_units) == 56);
static_assert(offsetof(InstrumentChanged, price_ticks_min) == 64);
static_assert(offsetof(InstrumentChanged, price_ticks_max) == 72);
static_assert(offsetof(InstrumentChanged, quantity_lots_min) == 80);
static_assert(offsetof(InstrumentChanged, quantity_lots_max) == 88);
static_assert(offsetof(InstrumentChanged, instrument_id) == 96);
static_assert(offsetof(InstrumentChanged, base_asset_id) == 100);
static_assert(offsetof(InstrumentChanged, quote_asset_id) == 104);
static_assert(offsetof(InstrumentChanged, maker_fee_ppm) == 108);
static_assert(offsetof(InstrumentChanged, taker_fee_ppm) == 112);
static_assert(offsetof(InstrumentChanged, market_protection_ppm) == 116);
static_assert(offsetof(InstrumentChanged, price_decimals) == 120);
static_assert(offsetof(InstrumentChanged, trading_state) == 121);
static_assert(offsetof(InstrumentChanged, allocation) == 122);
static_assert(offsetof(InstrumentChanged, reserved) == 123);
static_assert(offsetof(InstrumentChanged, notional_units_min) == 128);
static_assert(offsetof(InstrumentChanged, notional_units_max) == 136);
static_assert(offsetof(InstrumentChanged, reference_price_ticks) == 144);
static_assert(offsetof(InstrumentChanged, static_collar_ppm) == 152);
static_assert(offsetof(InstrumentChanged, dynamic_collar_ppm) == 156);
static_assert(offsetof(InstrumentChanged, breaker_ppm) == 160);
static_assert(offsetof(InstrumentChanged, reserved_tail) == 164);
static_assert(offsetof(InstrumentChanged, breaker_auction_ns) == 168);

/// An account as it stands.
struct AccountChanged {
  static constexpr MessageType type = MessageType::account_changed;
  Header header{version, static_cast<std::uint8_t>(type), 48, 0};
  std::uint64_t seq{};  ///< of the command
  std::int64_t time_ns{};  ///< of the command
  std::uint64_t account_id{};
  std::uint64_t trade_group{};  ///< 0 = the account alone
  AccountState state{};
  std::uint8_t fee_tier{};  ///< 0 to 7
  std::uint8_t reserved[6]{};
};
static_assert(is_wire_layout<AccountChanged, 48>);
static_assert(offsetof(AccountChanged, seq) == 8);
static_assert(offsetof(AccountChanged, time_ns) == 16);
static_assert(offsetof(AccountChanged, account_id) == 24);
static_assert(offsetof(AccountChanged, trade_group) == 32);
static_assert(offsetof(AccountChanged, state) == 40);
static_assert(offsetof(AccountChanged, fee_tier) == 41);
static_assert(offsetof(AccountChanged, reserved) == 42);

/// A MassCancel or an administrative command was refused; nothing changed.
struct CommandRejected {
  static constexpr MessageType type = MessageType::command_rejected;
  Header header{version, static_cast<std::uint8_t>(type), 40, 0};
  std::uint64_t seq{};  ///< of the command
  std::int64_t time_ns{};  ///< of the command
  std::uint64_t account_id{};  ///< as in the command, or 0
  Reason reason{};
  std::uint8_t command_type{};  ///< message type of the command
  std::uint8_t reserved[5]{};
};
static_assert(is_wire_layout<CommandRejected, 40>);
static_assert(offsetof(CommandRejected, seq) == 8);
static_assert(offsetof(CommandRejected, time_ns) == 16);
static_assert(offsetof(CommandRejected, account_id) == 24);
static_assert(offsetof(CommandRejected, reason) == 32);
static_assert(offsetof(CommandRejected, command_type) == 34);
static_assert(offsetof(CommandRejected, reserved) == 35);

/// A maker and a taker of one trade group met and did not trade. The OrderCanceled events of those that end by it follow, the maker's first; an order that goes on has the quantity named here.
struct SelfTradePrevented {
  static constexpr MessageType type = MessageType::self_trade_prevented;
  Header header{version, static_cast<std::uint8_t>(type), 128, 0};
  std::uint64_t seq{};  ///< of the command
  std::int64_t time_ns{};  ///< of the command
  std::int64_t price_ticks{};  ///< the maker's
  std::int64_t prevented_lots{};  ///< what would have traded
  std::uint64_t maker_order_id{};
  std::uint64_t taker_order_id{};
  std::uint64_t maker_account_id{};
  std::uint64_t taker_account_id{};
  std::uint64_t maker_client_order_id{};
  std::uint64_t taker_client_order_id{};
  std::int64_t maker_quantity_lots{};  ///< in all, after; smaller than before only where the order was decremented and goes on
  std::int64_t taker_quantity_lots{};  ///< in all, after; smaller than before only where the order was decremented and goes on
  std::int64_t maker_remaining_lots{};  ///< open after this and before the cancel that may follow
  std::int64_t taker_remaining_lots{};  ///< open after this and before the cancel that may follow
  std::uint32_t instrument_id{};
  Side taker_side{};
  SelfTradePrevention mode{};  ///< the taker's
  std::uint8_t reserved[2]{};
};
static_assert(is_wire_layout<SelfTradePrevented, 128>);
static_assert(offsetof(SelfTradePrevented, seq) == 8);
static_assert(offsetof(SelfTradePrevented, time_ns) == 16);
static_assert(offsetof(SelfTradePrevented, price_ticks) == 24);
static_assert(offsetof(SelfTradePrevented, prevented_lots) == 32);
static_assert(offsetof(SelfTradePrevented, maker_order_id) == 40);
static_assert(offsetof(SelfTradePrevented, taker_order_id) == 48);
static_assert(offsetof(SelfTradePrevented, maker_account_id) == 56);
static_assert(offsetof(SelfTradePrevented, taker_account_id) == 64);
static_assert(offsetof(SelfTradePrevented, maker_client_order_id) == 72);
static_assert(offsetof(SelfTradePrevented, taker_client_order_id) == 80);
static_assert(offsetof(SelfTradePrevented, maker_quantity_lots) == 88);
static_assert(offsetof(SelfTradePrevented, taker_quantity_lots) == 96);
static_assert(offsetof(SelfTradePrevented, maker_remaining_lots) == 104);
static_assert(offsetof(SelfTradePrevented, taker_remaining_lots) == 112);
static_assert(offsetof(SelfTradePrevented, instrument_id) == 120);
static_assert(offsetof(SelfTradePrevented, taker_side) == 124);
static_assert(offsetof(SelfTradePrevented, mode) == 125);
static_assert(offsetof(SelfTradePrevented, reserved) == 126);

/// A trade reached a waiting order's trigger price, or the closing auction began (then both prices are 0). Its trades and perhaps its cancel follow.
struct OrderTriggered {
  static constexpr MessageType type = MessageType::order_triggered;
  Header header{version, static_cast<std::uint8_t>(type), 72, 0};
  std::uint64_t seq{};  ///< of the command
  std::int64_t time_ns{};  ///< of the command
  std::uint64_t order_id{};
  std::uint64_t account_id{};
  std::uint64_t client_order_id{};
  std::int64_t trigger_price_ticks{};
  std::int64_t reached_price_ticks{};  ///< of the trade that reached it farthest
  std::uint32_t instrument_id{};
  Side side{};
  OrderType order_type{};
  std::uint8_t reserved[2]{};
};
static_assert(is_wire_layout<OrderTriggered, 72>);
static_assert(offsetof(OrderTriggered, seq) == 8);
static_assert(offsetof(OrderTriggered, time_ns) == 16);
static_assert(offsetof(OrderTriggered, order_id) == 24);
static_assert(offsetof(OrderTriggered, account_id) == 32);
static_assert(offsetof(OrderTriggered, client_order_id) == 40);
static_assert(offsetof(OrderTriggered, trigger_price_ticks) == 48);
static_assert(offsetof(OrderTriggered, reached_price_ticks) == 56);
static_assert(offsetof(OrderTriggered, instrument_id) == 64);
static_assert(offsetof(OrderTriggered, side) == 68);
static_assert(offsetof(OrderTriggered, order_type) == 69);
static_assert(offsetof(OrderTriggered, reserved) == 70);

/// A trade was undone: what stands here went back.
struct TradeBusted {
  static constexpr MessageType type = MessageType::trade_busted;
  Header header{version, static_cast<std::uint8_t>(type), 128, 0};
  std::uint64_t seq{};  ///< of the command
  std::int64_t time_ns{};  ///< of the command
  std::uint64_t trade_id{};
  std::uint64_t trade_seq{};  ///< of the command that made the trade
  std::int64_t price_ticks{};  ///< of the trade, as last corrected; so is what follows
  std::int64_t quantity_lots{};
  std::int64_t notional_units{};  ///< price times quantity, in the quote asset
  std::int64_t base_units{};  ///< quantity, in the base asset
  std::uint64_t maker_order_id{};
  std::uint64_t taker_order_id{};
  std::uint64_t maker_account_id{};
  std::uint64_t taker_account_id{};
  std::int64_t maker_fee_units{};  ///< in the quote asset; negative: a rebate
  std::int64_t taker_fee_units{};  ///< in the quote asset
  std::uint32_t instrument_id{};
  Side taker_side{};
  std::uint8_t reserved[3]{};
};
static_assert(is_wire_layout<TradeBusted, 128>);
static_assert(offsetof(TradeBusted, seq) == 8);
static_assert(offsetof(TradeBusted, time_ns) == 16);
static_assert(offsetof(TradeBusted, trade_id) == 24);
static_assert(offsetof(TradeBusted, trade_seq) == 32);
static_assert(offsetof(TradeBusted, price_ticks) == 40);
static_assert(offsetof(TradeBusted, quantity_lots) == 48);
static_assert(offsetof(TradeBusted, notional_units) == 56);
static_assert(offsetof(TradeBusted, base_units) == 64);
static_assert(offsetof(TradeBusted, maker_order_id) == 72);
static_assert(offsetof(TradeBusted, taker_order_id) == 80);
static_assert(offsetof(TradeBusted, maker_account_id) == 88);
static_assert(offsetof(TradeBusted, taker_account_id) == 96);
static_assert(offsetof(TradeBusted, maker_fee_units) == 104);
static_assert(offsetof(TradeBusted, taker_fee_units) == 112);
static_assert(offsetof(TradeBusted, instrument_id) == 120);
static_assert(offsetof(TradeBusted, taker_side) == 124);
static_assert(offsetof(TradeBusted, reserved) == 125);

/// A trade has another price or quantity: the differences moved between its parties and the house.
struct TradeCorrected {
  static constexpr MessageType type = MessageType::trade_corrected;
  Header header{version, static_cast<std::uint8_t>(type), 176, 0};
  std::uint64_t seq{};  ///< of the command
  std::int64_t time_ns{};  ///< of the command
  std::uint64_t trade_id{};
  std::uint64_t trade_seq{};  ///< of the command that made the trade
  std::int64_t price_ticks{};  ///< of the trade from now on; so is what follows
  std::int64_t quantity_lots{};
  std::int64_t notional_units{};  ///< price times quantity, in the quote asset
  std::int64_t base_units{};  ///< quantity, in the base asset
  std::uint64_t maker_order_id{};
  std::uint64_t taker_order_id{};
  std::uint64_t maker_account_id{};
  std::uint64_t taker_account_id{};
  std::int64_t maker_fee_units{};  ///< in the quote asset; negative: a rebate, at most the taker's fee
  std::int64_t taker_fee_units{};  ///< in the quote asset
  std::int64_t previous_price_ticks{};  ///< until now; so is what follows
  std::int64_t previous_quantity_lots{};
  std::int64_t previous_notional_units{};
  std::int64_t previous_base_units{};
  std::int64_t previous_maker_fee_units{};
  std::int64_t previous_taker_fee_units{};
  std::uint32_t instrument_id{};
  Side taker_side{};
  std::uint8_t reserved[3]{};
};
static_assert(is_wire_layout<TradeCorrected, 176>);
static_assert(offsetof(TradeCorrected, seq) == 8);
static_assert(offsetof(TradeCorrected, time_ns) == 16);
static_assert(offsetof(TradeCorrected, trade_id) == 24);
static_assert(offsetof(TradeCorrected, trade_seq) == 32);
static_assert(offsetof(TradeCorrected, price_ticks) == 40);
static_assert(offsetof(TradeCorrected, quantity_lots) == 48);
static_assert(offsetof(TradeCorrected, notional_units) == 56);
static_assert(offsetof(TradeCorrected, base_units) == 64);
static_assert(offsetof(TradeCorrected, maker_order_id) == 72);
static_assert(offsetof(TradeCorrected, taker_order_id) == 80);
static_assert(offsetof(TradeCorrected, maker_account_id) == 88);
static_assert(offsetof(TradeCorrected, taker_account_id) == 96);
static_assert(offsetof(TradeCorrected, maker_fee_units) == 104);
static_assert(offsetof(TradeCorrected, taker_fee_units) == 112);
static_assert(offsetof(TradeCorrected, previous_price_ticks) == 120);
static_assert(offsetof(TradeCorrected, previous_quantity_lots) == 128);
static_assert(offsetof(TradeCorrected, previous_notional_units) == 136);
static_assert(offsetof(TradeCorrected, previous_base_units) == 144);
static_assert(offsetof(TradeCorrected, previous_maker_fee_units) == 152);
static_assert(offsetof(TradeCorrected, previous_taker_fee_units) == 160);
static_assert(offsetof(TradeCorrected, instrument_id) == 168);
static_assert(offsetof(TradeCorrected, taker_side) == 172);
static_assert(offsetof(TradeCorrected, reserved) == 173);

/// Ends what a MassQuote did with the account's quotes, after their events.
struct MassQuoted {
  static constexpr MessageType type = MessageType::mass_quoted;
  Header header{version, static_cast<std::uint8_t>(type), 48, 0};
  std::uint64_t seq{};  ///< of the command
  std::int64_t time_ns{};  ///< of the command
  std::uint64_t account_id{};
  std::uint32_t instrument_id{};
  std::uint32_t kept_count{};  ///< quotes that kept their place
  std::uint32_t canceled_count{};  ///< quotes that went
  std::uint32_t placed_count{};  ///< new ones
};
static_assert(is_wire_layout<MassQuoted, 48>);
static_assert(offsetof(MassQuoted, seq) == 8);
static_assert(offsetof(MassQuoted, time_ns) == 16);
static_assert(offsetof(MassQuoted, account_id) == 24);
static_assert(offsetof(MassQuoted, instrument_id) == 32);
static_assert(offsetof(MassQuoted, kept_count) == 36);
static_assert(offsetof(MassQuoted, canceled_count) == 40);
static_assert(offsetof(MassQuoted, placed_count) == 44);

/// An account's protection in an instrument as it stands: set, switched off, or pulled, after the quotes that it canceled.
struct QuoteProtectionChanged {
  static constexpr MessageType type = MessageType::quote_protection_changed;
  Header header{version, static_cast<std::uint8_t>(type), 64, 0};
  std::uint64_t seq{};  ///< of the command
  std::int64_t time_ns{};  ///< of the command
  std::uint64_t account_id{};
  std::int64_t window_ns{};
  std::int64_t filled_lots_max{};
  std::uint32_t fill_count_max{};
  std::uint32_t instrument_id{};
  std::uint32_t canceled_count{};  ///< quotes that it canceled
  QuoteProtectionState state{};
  std::uint8_t reserved[3]{};
};
static_assert(is_wire_layout<QuoteProtectionChanged, 64>);
static_assert(offsetof(QuoteProtectionChanged, seq) == 8);
static_assert(offsetof(QuoteProtectionChanged, time_ns) == 16);
static_assert(offsetof(QuoteProtectionChanged, account_id) == 24);
static_assert(offsetof(QuoteProtectionChanged, window_ns) == 32);
static_assert(offsetof(QuoteProtectionChanged, filled_lots_max) == 40);
static_assert(offsetof(QuoteProtectionChanged, fill_count_max) == 48);
static_assert(offsetof(QuoteProtectionChanged, instrument_id) == 52);
static_assert(offsetof(QuoteProtectionChanged, canceled_count) == 56);
static_assert(offsetof(QuoteProtectionChanged, state) == 60);
static_assert(offsetof(QuoteProtectionChanged, reserved) == 61);

/// What the fee tiers of an instrument pay from now on; open orders keep the fees that they were placed with.
struct FeeScheduleChanged {
  static constexpr MessageType type = MessageType::fee_schedule_changed;
  Header header{version, static_cast<std::uint8_t>(type), 32, 0};
  std::uint64_t seq{};  ///< of the command; in an answer to a query 0
  std::int64_t time_ns{};  ///< of the command; in an answer to a query 0
  std::uint32_t instrument_id{};
  std::uint8_t reserved[4]{};
  using Repeated = FeeTerms;  ///< of the tiers 1, 2 and so on
  static constexpr std::size_t repeated_max = 7;
};
static_assert(is_wire_layout<FeeScheduleChanged, 32>);
static_assert(offsetof(FeeScheduleChanged, seq) == 8);
static_assert(offsetof(FeeScheduleChanged, time_ns) == 16);
static_assert(offsetof(FeeScheduleChanged, instrument_id) == 24);
static_assert(offsetof(FeeScheduleChanged, reserved) == 28);

/// Which prices orders may name in an instrument from now on.
struct TickTableChanged {
  static constexpr MessageType type = MessageType::tick_table_changed;
  Header header{version, static_cast<std::uint8_t>(type), 32, 0};
  std::uint64_t seq{};  ///< of the command; in an answer to a query 0
  std::int64_t time_ns{};  ///< of the command; in an answer to a query 0
  std::uint32_t instrument_id{};
  std::uint8_t reserved[4]{};
  using Repeated = PriceBand;  ///< from the lowest price up
  static constexpr std::size_t repeated_max = 8;
};
static_assert(is_wire_layout<TickTableChanged, 32>);
static_assert(offsetof(TickTableChanged, seq) == 8);
static_assert(offsetof(TickTableChanged, time_ns) == 16);
static_assert(offsetof(TickTableChanged, instrument_id) == 24);
static_assert(offsetof(TickTableChanged, reserved) == 28);

/// An instrument is in another trading state, or in the same one with another end.
struct TradingStateChanged {
  static constexpr MessageType type = MessageType::trading_state_changed;
  Header header{version, static_cast<std::uint8_t>(type), 40, 0};
  std::uint64_t seq{};  ///< of the command
  std::int64_t time_ns{};  ///< of the command
  std::int64_t end_time_ns{};  ///< when next_state begins; 0 = until told
  std::uint32_t instrument_id{};
  TradingState state{};
  TradingState previous_state{};
  TradingState next_state{};  ///< 0 without an end
  std::uint8_t reserved{};
};
static_assert(is_wire_layout<TradingStateChanged, 40>);
static_assert(offsetof(TradingStateChanged, seq) == 8);
static_assert(offsetof(TradingStateChanged, time_ns) == 16);
static_assert(offsetof(TradingStateChanged, end_time_ns) == 24);
static_assert(offsetof(TradingStateChanged, instrument_id) == 32);
static_assert(offsetof(TradingStateChanged, state) == 36);
static_assert(offsetof(TradingStateChanged, previous_state) == 37);
static_assert(offsetof(TradingStateChanged, next_state) == 38);
static_assert(offsetof(TradingStateChanged, reserved) == 39);

/// An auction found its price. Its trades follow, in this command and perhaps in the next Ticks; self-trade prevention may make them fewer.
struct AuctionUncrossed {
  static constexpr MessageType type = MessageType::auction_uncrossed;
  Header header{version, static_cast<std::uint8_t>(type), 56, 0};
  std::uint64_t seq{};  ///< of the command
  std::int64_t time_ns{};  ///< of the command
  std::int64_t price_ticks{};  ///< of all its trades
  std::int64_t volume_lots{};  ///< what can trade at this price
  std::int64_t imbalance_lots{};  ///< what could trade at this price and finds no other side
  std::uint32_t instrument_id{};
  Side imbalance_side{};  ///< of the imbalance; 0 = none
  std::uint8_t reserved[3]{};
};
static_assert(is_wire_layout<AuctionUncrossed, 56>);
static_assert(offsetof(AuctionUncrossed, seq) == 8);
static_assert(offsetof(AuctionUncrossed, time_ns) == 16);
static_assert(offsetof(AuctionUncrossed, price_ticks) == 24);
static_assert(offsetof(AuctionUncrossed, volume_lots) == 32);
static_assert(offsetof(AuctionUncrossed, imbalance_lots) == 40);
static_assert(offsetof(AuctionUncrossed, instrument_id) == 48);
static_assert(offsetof(AuctionUncrossed, imbalance_side) == 52);
static_assert(offsetof(AuctionUncrossed, reserved) == 53);

/// At which times of the week an instrument changes its trading state from now on.
struct CalendarChanged {
  static constexpr MessageType type = MessageType::calendar_changed;
  Header header{version, static_cast<std::uint8_t>(type), 32, 0};
  std::uint64_t seq{};  ///< of the command
  std::int64_t time_ns{};  ///< of the command
  std::uint32_t instrument_id{};
  std::uint8_t reserved[4]{};
  using Repeated = CalendarEntry;  ///< from Monday on
  static constexpr std::size_t repeated_max = 32;
};
static_assert(is_wire_layout<CalendarChanged, 32>);
static_assert(offsetof(CalendarChanged, seq) == 8);
static_assert(offsetof(CalendarChanged, time_ns) == 16);
static_assert(offsetof(CalendarChanged, instrument_id) == 24);
static_assert(offsetof(CalendarChanged, reserved) == 28);

/// The first order of its list is filled, and this one is placed: it rests, trades or waits for its trigger price. Its trades and perhaps its cancel follow.
struct OrderActivated {
  static constexpr MessageType type = MessageType::order_activated;
  Header header{version, static_cast<std::uint8_t>(type), 64, 0};
  std::uint64_t seq{};  ///< of the command
  std::int64_t time_ns{};  ///< of the command
  std::uint64_t order_id{};
  std::uint64_t account_id{};
  std::uint64_t client_order_id{};
  std::int64_t trigger_price_ticks{};  ///< not 0: the order waits, unless OrderTriggered follows
  std::uint32_t instrument_id{};
  Side side{};
  OrderType order_type{};
  std::uint8_t reserved[2]{};
};
static_assert(is_wire_layout<OrderActivated, 64>);
static_assert(offsetof(OrderActivated, seq) == 8);
static_assert(offsetof(OrderActivated, time_ns) == 16);
static_assert(offsetof(OrderActivated, order_id) == 24);
static_assert(offsetof(OrderActivated, account_id) == 32);
static_assert(offsetof(OrderActivated, client_order_id) == 40);
static_assert(offsetof(OrderActivated, trigger_price_ticks) == 48);
static_assert(offsetof(OrderActivated, instrument_id) == 56);
static_assert(offsetof(OrderActivated, side) == 60);
static_assert(offsetof(OrderActivated, order_type) == 61);
static_assert(offsetof(OrderActivated, reserved) == 62);

/// Ends a Tick, after what was due.
struct Ticked {
  static constexpr MessageType type = MessageType::ticked;
  Header header{version, static_cast<std::uint8_t>(type), 40, 0};
  std::uint64_t seq{};  ///< of the command
  std::int64_t time_ns{};  ///< of the command
  std::int64_t next_deadline_ns{};  ///< when the next Tick is due; not later than time_ns if something was left over; 0 = never
  std::uint32_t canceled_count{};  ///< orders that it canceled
  std::uint8_t reserved[4]{};
};
static_assert(is_wire_layout<Ticked, 40>);
static_assert(offsetof(Ticked, seq) == 8);
static_assert(offsetof(Ticked, time_ns) == 16);
static_assert(offsetof(Ticked, next_deadline_ns) == 24);
static_assert(offsetof(Ticked, canceled_count) == 32);
static_assert(offsetof(Ticked, reserved) == 36);

/// A kill switch as it stands. The orders that it cancels stand before this event, or in later Ticks.
struct KillSwitchChanged {
  static constexpr MessageType type = MessageType::kill_switch_changed;
  Header header{version, static_cast<std::uint8_t>(type), 40, 0};
  std::uint64_t seq{};  ///< of the command
  std::int64_t time_ns{};  ///< of the command
  std::uint64_t account_id{};  ///< 0 = the whole shard
  std::uint32_t canceled_count{};  ///< orders that the command canceled
  KillSwitchState state{};
  std::uint8_t reserved[3]{};
};
static_assert(is_wire_layout<KillSwitchChanged, 40>);
static_assert(offsetof(KillSwitchChanged, seq) == 8);
static_assert(offsetof(KillSwitchChanged, time_ns) == 16);
static_assert(offsetof(KillSwitchChanged, account_id) == 24);
static_assert(offsetof(KillSwitchChanged, canceled_count) == 32);
static_assert(offsetof(KillSwitchChanged, state) == 36);
static_assert(offsetof(KillSwitchChanged, reserved) == 37);

/// An account's dead-man timer as it stands: set, switched off, or run out, after the last order that it canceled.
struct CancelAfterChanged {
  static constexpr MessageType type = MessageType::cancel_after_changed;
  Header header{version, static_cast<std::uint8_t>(type), 40, 0};
  std::uint64_t seq{};  ///< of the command
  std::int64_t time_ns{};  ///< of the command
  std::uint64_t account_id{};
  std::int64_t deadline_ns{};  ///< when it runs out; 0 = it is off
};
static_assert(is_wire_layout<CancelAfterChanged, 40>);
static_assert(offsetof(CancelAfterChanged, seq) == 8);
static_assert(offsetof(CancelAfterChanged, time_ns) == 16);
static_assert(offsetof(CancelAfterChanged, account_id) == 24);
static_assert(offsetof(CancelAfterChanged, deadline_ns) == 32);

/// Ends a NewOrderList, after the events of its orders and before what they trigger.
struct OrderListPlaced {
  static constexpr MessageType type = MessageType::order_list_placed;
  Header header{version, static_cast<std::uint8_t>(type), 56, 0};
  std::uint64_t seq{};  ///< of the command
  std::int64_t time_ns{};  ///< of the command
  std::uint64_t account_id{};
  std::uint64_t first_order_id{};  ///< of the orders accepted, whose ids follow each other; 0 = none
  std::uint32_t instrument_id{};
  std::uint16_t accepted_count{};
  std::uint16_t rejected_count{};  ///< kind `each` only
  ListKind kind{};
  std::uint8_t reserved[7]{};
};
static_assert(is_wire_layout<OrderListPlaced, 56>);
static_assert(offsetof(OrderListPlaced, seq) == 8);
static_assert(offsetof(OrderListPlaced, time_ns) == 16);
static_assert(offsetof(OrderListPlaced, account_id) == 24);
static_assert(offsetof(OrderListPlaced, first_order_id) == 32);
static_assert(offsetof(OrderListPlaced, instrument_id) == 40);
static_assert(offsetof(OrderListPlaced, accepted_count) == 44);
static_assert(offsetof(OrderListPlaced, rejected_count) == 46);
static_assert(offsetof(OrderListPlaced, kind) == 48);
static_assert(offsetof(OrderListPlaced, reserved) == 49);

/// A NewOrderList was refused as a whole; nothing changed.
struct OrderListRejected {
  static constexpr MessageType type = MessageType::order_list_rejected;
  Header header{version, static_cast<std::uint8_t>(type), 48, 0};
  std::uint64_t seq{};  ///< of the command
  std::int64_t time_ns{};  ///< of the command
  std::uint64_t account_id{};
  std::uint64_t client_order_id{};  ///< of the order that is the cause
  std::uint32_t instrument_id{};  ///< as in the command
  Reason reason{};
  std::uint8_t index{};  ///< of the order that is the cause, from 0
  ListKind kind{};  ///< as in the command
};
static_assert(is_wire_layout<OrderListRejected, 48>);
static_assert(offsetof(OrderListRejected, seq) == 8);
static_assert(offsetof(OrderListRejected, time_ns) == 16);
static_assert(offsetof(OrderListRejected, account_id) == 24);
static_assert(offsetof(OrderListRejected, client_order_id) == 32);
static_assert(offsetof(OrderListRejected, instrument_id) == 40);
static_assert(offsetof(OrderListRejected, reason) == 44);
static_assert(offsetof(OrderListRejected, index) == 46);
static_assert(offsetof(OrderListRejected, kind) == 47);

/// What happened to one order of the session's account. Answers carry the request's request_id, and the last of them the flag `last`; reports that nobody asked for carry 0.
struct ExecutionReport {
  static constexpr MessageType type = MessageType::execution_report;
  Header header{version, static_cast<std::uint8_t>(type), 168, 0};
  std::uint64_t seq{};  ///< of the command that caused it
  std::int64_t time_ns{};  ///< of that command
  std::uint64_t order_id{};  ///< 0 if the order was never accepted
  std::uint64_t account_id{};
  std::uint64_t client_order_id{};
  std::int64_t price_ticks{};  ///< the order's limit; 0 for a market order; of a pegged order where it rests
  std::int64_t quantity_lots{};  ///< the order's quantity in all
  std::int64_t filled_lots{};  ///< traded so far, this report included
  std::int64_t remaining_lots{};  ///< still open
  std::uint64_t trade_id{};  ///< kinds `trade`, `trade_busted` and `trade_corrected` only
  std::int64_t trade_price_ticks{};  ///< as trade_id
  std::int64_t trade_quantity_lots{};  ///< as trade_id
  std::int64_t fee_units{};  ///< as trade_id: this side's fee, in the quote asset
  std::int64_t trigger_price_ticks{};  ///< 0 if not a stop order; of a trailing stop order as it is now
  std::int64_t display_quantity_lots{};  ///< iceberg orders only
  std::int64_t expire_time_ns{};  ///< gtd only
  std::int64_t offset_ticks{};  ///< trailing stop and pegged orders only
  std::uint32_t instrument_id{};
  Reason reason{};  ///< kind `rejected` only
  ExecutionKind kind{};
  OrderStatus status{};  ///< of the order, after this report; 0 where the report is about a trade alone
  Side side{};
  OrderType order_type{};
  TimeInForce time_in_force{};
  std::uint8_t order_flags{};
  Liquidity liquidity{};
  CancelReason cancel_reason{};  ///< kind `canceled` only, else 0
  std::uint8_t command_type{};  ///< message type of the command that caused it; 0 in an answer to a query
  std::uint8_t flags{};
  std::uint16_t trail_offset_bps{};  ///< trailing stop orders only
  SelfTradePrevention self_trade_prevention{};
  PegReference peg_reference{};  ///< pegged orders only
  std::uint8_t reserved[4]{};
};
static_assert(is_wire_layout<ExecutionReport, 168>);
static_assert(offsetof(ExecutionReport, seq) == 8);
static_assert(offsetof(ExecutionReport, time_ns) == 16);
static_assert(offsetof(ExecutionReport, order_id) == 24);
static_assert(offsetof(ExecutionReport, account_id) == 32);
static_assert(offsetof(ExecutionReport, client_order_id) == 40);
static_assert(offsetof(ExecutionReport, price_ticks) == 48);
static_assert(offsetof(ExecutionReport, quantity_lots) == 56);
static_assert(offsetof(ExecutionReport, filled_lots) == 64);
static_assert(offsetof(ExecutionReport, remaining_lots) == 72);
static_assert(offsetof(ExecutionReport, trade_id) == 80);
static_assert(offsetof(ExecutionReport, trade_price_ticks) == 88);
static_assert(offsetof(ExecutionReport, trade_quantity_lots) == 96);
static_assert(offsetof(ExecutionReport, fee_units) == 104);
static_assert(offsetof(ExecutionReport, trigger_price_ticks) == 112);
static_assert(offsetof(ExecutionReport, display_quantity_lots) == 120);
static_assert(offsetof(ExecutionReport, expire_time_ns) == 128);
static_assert(offsetof(ExecutionReport, offset_ticks) == 136);
static_assert(offsetof(ExecutionReport, instrument_id) == 144);
static_assert(offsetof(ExecutionReport, reason) == 148);
static_assert(offsetof(ExecutionReport, kind) == 150);
static_assert(offsetof(ExecutionReport, status) == 151);
static_assert(offsetof(ExecutionReport, side) == 152);
static_assert(offsetof(ExecutionReport, order_type) == 153);
static_assert(offsetof(ExecutionReport, time_in_force) == 154);
static_assert(offsetof(ExecutionReport, order_flags) == 155);
static_assert(offsetof(ExecutionReport, liquidity) == 156);
static_assert(offsetof(ExecutionReport, cancel_reason) == 157);
static_assert(offsetof(ExecutionReport, command_type) == 158);
static_assert(offsetof(ExecutionReport, flags) == 159);
static_assert(offsetof(ExecutionReport, trail_offset_bps) == 160);
static_assert(offsetof(ExecutionReport, self_trade_prevention) == 162);
static_assert(offsetof(ExecutionReport, peg_reference) == 163);
static_assert(offsetof(ExecutionReport, reserved) == 164);

/// The request was refused before it was sequenced, or a query or an administrative command was refused; or, `busy` with a seq, an order that was sent again cannot be given its first answer, since the peer does not read.
struct Reject {
  static constexpr MessageType type = MessageType::reject;
  Header header{version, static_cast<std::uint8_t>(type), 24, 0};
  std::uint64_t seq{};  ///< of the command, or 0 if it was not sequenced
  std::uint32_t offset_bytes{};  ///< where in the message the refused record begins
  Reason reason{};
  std::uint8_t record_type{};  ///< the refused record's type, as far as it could be read
  std::uint8_t flags{};
};
static_assert(is_wire_layout<Reject, 24>);
static_assert(offsetof(Reject, seq) == 8);
static_assert(offsetof(Reject, offset_bytes) == 16);
static_assert(offsetof(Reject, reason) == 20);
static_assert(offsetof(Reject, record_type) == 22);
static_assert(offsetof(Reject, flags) == 23);

/// The session may send.
struct LoggedOn {
  static constexpr MessageType type = MessageType::logged_on;
  Header header{version, static_cast<std::uint8_t>(type), 40, 0};
  std::uint64_t account_id{};  ///< 0 for an operator
  std::uint64_t seq{};  ///< last sequenced command
  std::uint32_t shard_id{};
  std::uint32_t session_id{};  ///< of this session: its orders carry it, and MassCancel may name it
  Durability durability{};  ///< what a reply promises
  std::uint8_t reserved[7]{};
};
static_assert(is_wire_layout<LoggedOn, 40>);
static_assert(offsetof(LoggedOn, account_id) == 8);
static_assert(offsetof(LoggedOn, seq) == 16);
static_assert(offsetof(LoggedOn, shard_id) == 24);
static_assert(offsetof(LoggedOn, session_id) == 28);
static_assert(offsetof(LoggedOn, durability) == 32);
static_assert(offsetof(LoggedOn, reserved) == 33);

/// Where the shard stands. Sessions that asked for cancel_on_disconnect, and have sent an order, get one each second that answers nothing: its request_id is 0.
struct ShardStatus {
  static constexpr MessageType type = MessageType::shard_status;
  Header header{version, static_cast<std::uint8_t>(type), 56, 0};
  std::uint64_t seq{};  ///< last sequenced command
  std::uint64_t committed_seq{};  ///< last durable command
  std::uint64_t digest{};  ///< chain digest at seq
  std::int64_t time_ns{};  ///< the matcher's clock
  std::uint64_t open_order_count{};
  std::uint32_t account_count{};
  std::uint32_t shard_id{};
};
static_assert(is_wire_layout<ShardStatus, 56>);
static_assert(offsetof(ShardStatus, seq) == 8);
static_assert(offsetof(ShardStatus, committed_seq) == 16);
static_assert(offsetof(ShardStatus, digest) == 24);
static_assert(offsetof(ShardStatus, time_ns) == 32);
static_assert(offsetof(ShardStatus, open_order_count) == 40);
static_assert(offsetof(ShardStatus, account_count) == 48);
static_assert(offsetof(ShardStatus, shard_id) == 52);

/// One price level.
struct BookLevel {
  static constexpr MessageType type = MessageType::book_level;
  Header header{version, static_cast<std::uint8_t>(type), 40, 0};
  std::int64_t price_ticks{};
  std::int64_t quantity_lots{};  ///< open at this price
  std::uint32_t order_count{};
  std::uint32_t instrument_id{};
  Side side{};
  std::uint8_t reserved[7]{};
};
static_assert(is_wire_layout<BookLevel, 40>);
static_assert(offsetof(BookLevel, price_ticks) == 8);
static_assert(offsetof(BookLevel, quantity_lots) == 16);
static_assert(offsetof(BookLevel, order_count) == 24);
static_assert(offsetof(BookLevel, instrument_id) == 28);
static_assert(offsetof(BookLevel, side) == 32);
static_assert(offsetof(BookLevel, reserved) == 33);

/// One asset of one account.
struct Balance {
  static constexpr MessageType type = MessageType::balance;
  Header header{version, static_cast<std::uint8_t>(type), 40, 0};
  std::uint64_t account_id{};
  std::int64_t available_units{};
  std::int64_t held_units{};  ///< reserved by open orders
  std::uint32_t asset_id{};
  std::uint8_t reserved[4]{};
};
static_assert(is_wire_layout<Balance, 40>);
static_assert(offsetof(Balance, account_id) == 8);
static_assert(offsetof(Balance, available_units) == 16);
static_assert(offsetof(Balance, held_units) == 24);
static_assert(offsetof(Balance, asset_id) == 32);
static_assert(offsetof(Balance, reserved) == 36);

/// Ends the answer to a query.
struct QueryEnd {
  static constexpr MessageType type = MessageType::query_end;
  Header header{version, static_cast<std::uint8_t>(type), 32, 0};
  std::uint64_t seq{};  ///< the answer is exact as of this seq
  std::uint64_t account_seq{};  ///< last command that changed the asked account (orders, balances, trades); 0 where no account was asked
  std::uint32_t count{};  ///< records before this one
  std::uint8_t reserved[4]{};
};
static_assert(is_wire_layout<QueryEnd, 32>);
static_assert(offsetof(QueryEnd, seq) == 8);
static_assert(offsetof(QueryEnd, account_seq) == 16);
static_assert(offsetof(QueryEnd, count) == 24);
static_assert(offsetof(QueryEnd, reserved) == 28);

/// A trade, after it is durable.
struct MarketTrade {
  static constexpr MessageType type = MessageType::market_trade;
  Header header{version, static_cast<std::uint8_t>(type), 56, 0};
  std::uint64_t seq{};
  std::int64_t time_ns{};
  std::uint64_t trade_id{};
  std::int64_t price_ticks{};
  std::int64_t quantity_lots{};
  std::uint32_t instrument_id{};
  Side taker_side{};
  std::uint8_t reserved[3]{};
};
static_assert(is_wire_layout<MarketTrade, 56>);
static_assert(offsetof(MarketTrade, seq) == 8);
static_assert(offsetof(MarketTrade, time_ns) == 16);
static_assert(offsetof(MarketTrade, trade_id) == 24);
static_assert(offsetof(MarketTrade, price_ticks) == 32);
static_assert(offsetof(MarketTrade, quantity_lots) == 40);
static_assert(offsetof(MarketTrade, instrument_id) == 48);
static_assert(offsetof(MarketTrade, taker_side) == 52);
static_assert(offsetof(MarketTrade, reserved) == 53);

/// Best bid and ask after a commit that changed them; a side without orders has price and quantity 0.
struct TopOfBook {
  static constexpr MessageType type = MessageType::top_of_book;
  Header header{version, static_cast<std::uint8_t>(type), 64, 0};
  std::uint64_t seq{};
  std::int64_t time_ns{};
  std::int64_t bid_price_ticks{};
  std::int64_t bid_quantity_lots{};
  std::int64_t ask_price_ticks{};
  std::int64_t ask_quantity_lots{};
  std::uint32_t instrument_id{};
  std::uint8_t reserved[4]{};
};
static_assert(is_wire_layout<TopOfBook, 64>);
static_assert(offsetof(TopOfBook, seq) == 8);
static_assert(offsetof(TopOfBook, time_ns) == 16);
static_assert(offsetof(TopOfBook, bid_price_ticks) == 24);
static_assert(offsetof(TopOfBook, bid_quantity_lots) == 32);
static_assert(offsetof(TopOfBook, ask_price_ticks) == 40);
static_assert(offsetof(TopOfBook, ask_quantity_lots) == 48);
static_assert(offsetof(TopOfBook, instrument_id) == 56);
static_assert(offsetof(TopOfBook, reserved) == 60);

/// What an auction would do if it ended now, after a commit that changed it, while the instrument is in an auction state; all 0 while nothing crosses, and once when the auction is over.
struct AuctionIndicative {
  static constexpr MessageType type = MessageType::auction_indicative;
  Header header{version, static_cast<std::uint8_t>(type), 56, 0};
  std::uint64_t seq{};
  std::int64_t time_ns{};
  std::int64_t indicative_price_ticks{};
  std::int64_t executable_lots{};
  std::int64_t imbalance_lots{};
  std::uint32_t instrument_id{};
  Side imbalance_side{};  ///< of the imbalance; 0 = none
  std::uint8_t reserved[3]{};
};
static_assert(is_wire_layout<AuctionIndicative, 56>);
static_assert(offsetof(AuctionIndicative, seq) == 8);
static_assert(offsetof(AuctionIndicative, time_ns) == 16);
static_assert(offsetof(AuctionIndicative, indicative_price_ticks) == 24);
static_assert(offsetof(AuctionIndicative, executable_lots) == 32);
static_assert(offsetof(AuctionIndicative, imbalance_lots) == 40);
static_assert(offsetof(AuctionIndicative, instrument_id) == 48);
static_assert(offsetof(AuctionIndicative, imbalance_side) == 52);
static_assert(offsetof(AuctionIndicative, reserved) == 53);

/// A trade was busted or corrected, after that is durable.
struct MarketTradeChanged {
  static constexpr MessageType type = MessageType::market_trade_changed;
  Header header{version, static_cast<std::uint8_t>(type), 56, 0};
  std::uint64_t seq{};
  std::int64_t time_ns{};  ///< of the change
  std::uint64_t trade_id{};  ///< as in its MarketTrade
  std::int64_t price_ticks{};  ///< from now on; of a busted trade as it was
  std::int64_t quantity_lots{};  ///< from now on; 0 = the trade was busted
  std::uint32_t instrument_id{};
  Side taker_side{};
  std::uint8_t reserved[3]{};
};
static_assert(is_wire_layout<MarketTradeChanged, 56>);
static_assert(offsetof(MarketTradeChanged, seq) == 8);
static_assert(offsetof(MarketTradeChanged, time_ns) == 16);
static_assert(offsetof(MarketTradeChanged, trade_id) == 24);
static_assert(offsetof(MarketTradeChanged, price_ticks) == 32);
static_assert(offsetof(MarketTradeChanged, quantity_lots) == 40);
static_assert(offsetof(MarketTradeChanged, instrument_id) == 48);
static_assert(offsetof(MarketTradeChanged, taker_side) == 52);
static_assert(offsetof(MarketTradeChanged, reserved) == 53);

/// One sequenced command and its events, in the journal and in a commit batch. The command record follows, then the event records. crc32c (Castagnoli) covers everything after itself.
struct JournalEntry {
  std::uint32_t length{};  ///< bytes, this header included; a multiple of 8
  std::uint32_t crc32c{};
  std::uint64_t seq{};
  std::uint64_t commit_first_seq{};  ///< seq that opened the group of commands synced together
  std::uint64_t digest{};  ///< chain digest after this command's events
  std::uint32_t event_count{};
  std::uint32_t reserved{};
};
static_assert(is_wire_layout<JournalEntry, 40>);
static_assert(offsetof(JournalEntry, length) == 0);
static_assert(offsetof(JournalEntry, crc32c) == 4);
static_assert(offsetof(JournalEntry, seq) == 8);
static_assert(offsetof(JournalEntry, commit_first_seq) == 16);
static_assert(offsetof(JournalEntry, digest) == 24);
static_assert(offsetof(JournalEntry, event_count) == 32);
static_assert(offsetof(JournalEntry, reserved) == 36);

/// Opens a journal segment file.
struct SegmentHeader {
  std::uint8_t magic[8]{};  ///< TPJRNL\0\0
  std::uint32_t version{};  ///< format of the journal, of the wire
  std::uint32_t shard_id{};
  std::uint64_t first_seq{};  ///< of the first entry
  std::uint64_t digest{};  ///< chain digest before the first entry
  std::uint64_t size_bytes{};  ///< of the file
  std::uint8_t reserved[16]{};
  std::uint32_t reserved_tail{};
  std::uint32_t crc32c{};  ///< over everything before itself
};
static_assert(is_wire_layout<SegmentHeader, 64>);
static_assert(offsetof(SegmentHeader, magic) == 0);
static_assert(offsetof(SegmentHeader, version) == 8);
static_assert(offsetof(SegmentHeader, shard_id) == 12);
static_assert(offsetof(SegmentHeader, first_seq) == 16);
static_assert(offsetof(SegmentHeader, digest) == 24);
static_assert(offsetof(SegmentHeader, size_bytes) == 32);
static_assert(offsetof(SegmentHeader, reserved) == 40);
static_assert(offsetof(SegmentHeader, reserved_tail) == 56);
static_assert(offsetof(SegmentHeader, crc32c) == 60);

/// Opens a snapshot file of a shard; the engine's snapshot follows, then where the journal holds the shard's recent orders. The entry with `seq` stands in the journal segment that begins with segment_first_seq.
struct SnapshotFileHeader {
  std::uint8_t magic[8]{};  ///< TPSNAP\0\0
  std::uint32_t version{};  ///< format of the file
  std::uint32_t shard_id{};
  std::uint64_t seq{};  ///< of the last command in it
  std::uint64_t digest{};  ///< chain digest at seq
  std::uint64_t configuration{};  ///< hash over the engine's limits and the versions of journal and wire
  std::uint64_t segment_first_seq{};
  std::uint64_t entry_offset{};  ///< of the entry with seq in its segment
  std::uint64_t next_offset{};  ///< of the entry after it, unless that opens the next segment
  std::uint64_t body_bytes{};  ///< what follows this header
  std::uint64_t places_bytes{};  ///< the last part of it, behind the engine's snapshot
  std::uint32_t body_crc32c{};  ///< over what follows this header
  std::uint32_t crc32c{};  ///< over everything before itself
};
static_assert(is_wire_layout<SnapshotFileHeader, 88>);
static_assert(offsetof(SnapshotFileHeader, magic) == 0);
static_assert(offsetof(SnapshotFileHeader, version) == 8);
static_assert(offsetof(SnapshotFileHeader, shard_id) == 12);
static_assert(offsetof(SnapshotFileHeader, seq) == 16);
static_assert(offsetof(SnapshotFileHeader, digest) == 24);
static_assert(offsetof(SnapshotFileHeader, configuration) == 32);
static_assert(offsetof(SnapshotFileHeader, segment_first_seq) == 40);
static_assert(offsetof(SnapshotFileHeader, entry_offset) == 48);
static_assert(offsetof(SnapshotFileHeader, next_offset) == 56);
static_assert(offsetof(SnapshotFileHeader, body_bytes) == 64);
static_assert(offsetof(SnapshotFileHeader, places_bytes) == 72);
static_assert(offsetof(SnapshotFileHeader, body_crc32c) == 80);
static_assert(offsetof(SnapshotFileHeader, crc32c) == 84);

/// Opens a JetStream message; whole JournalEntry items follow.
struct CommitBatchHeader {
  std::uint8_t magic[4]{};  ///< TPCB
  std::uint16_t version{};
  std::uint16_t reserved{};
  std::uint32_t shard_id{};
  std::uint32_t entry_count{};
  std::uint64_t first_seq{};
  std::uint64_t last_seq{};
  std::uint64_t last_digest{};  ///< chain digest at last_seq
};
static_assert(is_wire_layout<CommitBatchHeader, 40>);
static_assert(offsetof(CommitBatchHeader, magic) == 0);
static_assert(offsetof(CommitBatchHeader, version) == 4);
static_assert(offsetof(CommitBatchHeader, reserved) == 6);
static_assert(offsetof(CommitBatchHeader, shard_id) == 8);
static_assert(offsetof(CommitBatchHeader, entry_count) == 12);
static_assert(offsetof(CommitBatchHeader, first_seq) == 16);
static_assert(offsetof(CommitBatchHeader, last_seq) == 24);
static_assert(offsetof(CommitBatchHeader, last_digest) == 32);

/// The longest record.
inline constexpr std::size_t record_bytes_max = 1320;

/// Size of a record of `type` without what it repeats, or 0 if there is no such type.
[[nodiscard]] constexpr std::size_t size_of(MessageType type) noexcept {
  switch (type) {
    case MessageType::new_order: return sizeof(NewOrder);
    case MessageType::cancel_order: return sizeof(CancelOrder);
    case MessageType::replace_order: return sizeof(ReplaceOrder);
    case MessageType::mass_cancel: return sizeof(MassCancel);
    case MessageType::set_asset: return sizeof(SetAsset);
    case MessageType::set_instrument: return sizeof(SetInstrument);
    case MessageType::set_account: return sizeof(SetAccount);
    case MessageType::credit: return sizeof(Credit);
    case MessageType::debit: return sizeof(Debit);
    case MessageType::set_fee_schedule: return sizeof(SetFeeSchedule);
    case MessageType::set_tick_table: return sizeof(SetTickTable);
    case MessageType::set_trading_state: return sizeof(SetTradingState);
    case MessageType::set_calendar: return sizeof(SetCalendar);
    case MessageType::tick: return sizeof(Tick);
    case MessageType::kill_switch: return sizeof(KillSwitch);
    case MessageType::cancel_after: return sizeof(CancelAfter);
    case MessageType::session_ended: return sizeof(SessionEnded);
    case MessageType::new_order_list: return sizeof(NewOrderList);
    case MessageType::mass_quote: return sizeof(MassQuote);
    case MessageType::set_quote_protection: return sizeof(SetQuoteProtection);
    case MessageType::bust_trade: return sizeof(BustTrade);
    case MessageType::correct_trade: return sizeof(CorrectTrade);
    case MessageType::logon: return sizeof(Logon);
    case MessageType::status_query: return sizeof(StatusQuery);
    case MessageType::instruments_query: return sizeof(InstrumentsQuery);
    case MessageType::book_query: return sizeof(BookQuery);
    case MessageType::order_query: return sizeof(OrderQuery);
    case MessageType::open_orders_query: return sizeof(OpenOrdersQuery);
    case MessageType::balances_query: return sizeof(BalancesQuery);
    case MessageType::trace_context: return sizeof(TraceContext);
    case MessageType::order_accepted: return sizeof(OrderAccepted);
    case MessageType::order_rejected: return sizeof(OrderRejected);
    case MessageType::trade: return sizeof(Trade);
    case MessageType::order_canceled: return sizeof(OrderCanceled);
    case MessageType::order_replaced: return sizeof(OrderReplaced);
    case MessageType::mass_canceled: return sizeof(MassCanceled);
    case MessageType::balance_changed: return sizeof(BalanceChanged);
    case MessageType::asset_changed: return sizeof(AssetChanged);
    case MessageType::instrument_changed: return sizeof(InstrumentChanged);
    case MessageType::account_changed: return sizeof(AccountChanged);
    case MessageType::command_rejected: return sizeof(CommandRejected);
    case MessageType::self_trade_prevented: return sizeof(SelfTradePrevented);
    case MessageType::order_triggered: return sizeof(OrderTriggered);
    case MessageType::trade_busted: return sizeof(TradeBusted);
    case MessageType::trade_corrected: return sizeof(TradeCorrected);
    case MessageType::mass_quoted: return sizeof(MassQuoted);
    case MessageType::quote_protection_changed: return sizeof(QuoteProtectionChanged);
    case MessageType::fee_schedule_changed: return sizeof(FeeScheduleChanged);
    case MessageType::tick_table_changed: return sizeof(TickTableChanged);
    case MessageType::trading_state_changed: return sizeof(TradingStateChanged);
    case MessageType::auction_uncrossed: return sizeof(AuctionUncrossed);
    case MessageType::calendar_changed: return sizeof(CalendarChanged);
    case MessageType::order_activated: return sizeof(OrderActivated);
    case MessageType::ticked: return sizeof(Ticked);
    case MessageType::kill_switch_changed: return sizeof(KillSwitchChanged);
    case MessageType::cancel_after_changed: return sizeof(CancelAfterChanged);
    case MessageType::order_list_placed: return sizeof(OrderListPlaced);
    case MessageType::order_list_rejected: return sizeof(OrderListRejected);
    case MessageType::execution_report: return sizeof(ExecutionReport);
    case MessageType::reject: return sizeof(Reject);
    case MessageType::logged_on: return sizeof(LoggedOn);
    case MessageType::shard_status: return sizeof(ShardStatus);
    case MessageType::book_level: return sizeof(BookLevel);
    case MessageType::balance: return sizeof(Balance);
    case MessageType::query_end: return sizeof(QueryEnd);
    case MessageType::market_trade: return sizeof(MarketTrade);
    case MessageType::top_of_book: return sizeof(TopOfBook);
    case MessageType::auction_indicative: return sizeof(AuctionIndicative);
    case MessageType::market_trade_changed: return sizeof(MarketTradeChanged);
  }
  return 0;
}

/// Whether a record of `type` may have `length` bytes.
[[nodiscard]] constexpr bool is_length_valid(MessageType type, std::size_t length) noexcept {
  const std::size_t fixed = size_of(type);
  std::size_t item = 1;
  std::size_t item_count_max = 0;
  switch (type) {
    case MessageType::set_fee_schedule:
      item = sizeof(FeeTerms);
      item_count_max = 7;
      break;
    case MessageType::set_tick_table:
      item = sizeof(PriceBand);
      item_count_max = 8;
      break;
    case MessageType::set_calendar:
      item = sizeof(CalendarEntry);
      item_count_max = 32;
      break;
    case MessageType::new_order_list:
      item = sizeof(ListedOrder);
      item_count_max = 16;
      break;
    case MessageType::mass_quote:
      item = sizeof(QuoteLevel);
      item_count_max = 32;
      break;
    case MessageType::fee_schedule_changed:
      item = sizeof(FeeTerms);
      item_count_max = 7;
      break;
    case MessageType::tick_table_changed:
      item = sizeof(PriceBand);
      item_count_max = 8;
      break;
    case MessageType::calendar_changed:
      item = sizeof(CalendarEntry);
      item_count_max = 32;
      break;
    default:
      break;
  }
  return fixed != 0 && length >= fixed && (length - fixed) % item == 0 &&
         (length - fixed) / item <= item_count_max;
}

/// True for a record that is sequenced by a matcher.
[[nodiscard]] constexpr bool is_command(MessageType type) noexcept {
  switch (type) {
    case MessageType::new_order:
    case MessageType::cancel_order:
    case MessageType::replace_order:
    case MessageType::mass_cancel:
    case MessageType::set_asset:
    case MessageType::set_instrument:
    case MessageType::set_account:
    case MessageType::credit:
    case MessageType::debit:
    case MessageType::set_fee_schedule:
    case MessageType::set_tick_table:
    case MessageType::set_trading_state:
    case MessageType::set_calendar:
    case MessageType::tick:
    case MessageType::kill_switch:
    case MessageType::cancel_after:
    case MessageType::session_ended:
    case MessageType::new_order_list:
    case MessageType::mass_quote:
    case MessageType::set_quote_protection:
    case MessageType::bust_trade:
    case MessageType::correct_trade:
      return true;
    default:
      return false;
  }
}

/// True for a record that is answered without being sequenced.
[[nodiscard]] constexpr bool is_request(MessageType type) noexcept {
  switch (type) {
    case MessageType::logon:
    case MessageType::status_query:
    case MessageType::instruments_query:
    case MessageType::book_query:
    case MessageType::order_query:
    case MessageType::open_orders_query:
    case MessageType::balances_query:
    case MessageType::trace_context:
      return true;
    default:
      return false;
  }
}

/// True for a record that is emitted by the engine.
[[nodiscard]] constexpr bool is_event(MessageType type) noexcept {
  switch (type) {
    case MessageType::order_accepted:
    case MessageType::order_rejected:
    case MessageType::trade:
    case MessageType::order_canceled:
    case MessageType::order_replaced:
    case MessageType::mass_canceled:
    case MessageType::balance_changed:
    case MessageType::asset_changed:
    case MessageType::instrument_changed:
    case MessageType::account_changed:
    case MessageType::command_rejected:
    case MessageType::self_trade_prevented:
    case MessageType::order_triggered:
    case MessageType::trade_busted:
    case MessageType::trade_corrected:
    case MessageType::mass_quoted:
    case MessageType::quote_protection_changed:
    case MessageType::fee_schedule_changed:
    case MessageType::tick_table_changed:
    case MessageType::trading_state_changed:
    case MessageType::auction_uncrossed:
    case MessageType::calendar_changed:
    case MessageType::order_activated:
    case MessageType::ticked:
    case MessageType::kill_switch_changed:
    case MessageType::cancel_after_changed:
    case MessageType::order_list_placed:
    case MessageType::order_list_rejected:
      return true;
    default:
      return false;
  }
}

/// True for a command that only an operator's session may send.
[[nodiscard]] constexpr bool is_administrative(MessageType type) noexcept {
  switch (type) {
    case MessageType::set_asset:
    case MessageType::set_instrument:
    case MessageType::set_account:
    case MessageType::credit:
    case MessageType::debit:
    case MessageType::set_fee_schedule:
    case MessageType::set_tick_table:
    case MessageType::set_trading_state:
    case MessageType::set_calendar:
    case MessageType::bust_trade:
    case MessageType::correct_trade:
      return true;
    default:
      return false;
  }
}

/// True for a command that the matcher makes itself and no session may send.
[[nodiscard]] constexpr bool is_internal(MessageType type) noexcept {
  switch (type) {
    case MessageType::tick:
    case MessageType::session_ended:
      return true;
    default:
      return false;
  }
}

/// True for an event that answers the command as it is; the last such event does.
[[nodiscard]] constexpr bool is_answer(MessageType command, MessageType event) noexcept {
  switch (command) {
    case MessageType::mass_cancel: return event == MessageType::mass_canceled;
    case MessageType::set_asset: return event == MessageType::asset_changed;
    case MessageType::set_instrument: return event == MessageType::instrument_changed;
    case MessageType::set_account: return event == MessageType::account_changed;
    case MessageType::credit: return event == MessageType::balance_changed;
    case MessageType::debit: return event == MessageType::balance_changed;
    case MessageType::set_fee_schedule: return event == MessageType::fee_schedule_changed;
    case MessageType::set_tick_table: return event == MessageType::tick_table_changed;
    case MessageType::set_trading_state: return event == MessageType::trading_state_changed || event == MessageType::auction_uncrossed;
    case MessageType::set_calendar: return event == MessageType::calendar_changed;
    case MessageType::kill_switch: return event == MessageType::kill_switch_changed;
    case MessageType::cancel_after: return event == MessageType::cancel_after_changed;
    case MessageType::new_order_list: return event == MessageType::order_list_placed || event == MessageType::order_list_rejected;
    case MessageType::mass_quote: return event == MessageType::mass_quoted;
    case MessageType::set_quote_protection: return event == MessageType::quote_protection_changed;
    case MessageType::bust_trade: return event == MessageType::trade_busted;
    case MessageType::correct_trade: return event == MessageType::trade_corrected;
    default: return false;
  }
}

/// True if every reserved byte of the record at `bytes` is zero; `bytes` holds size_of(type).
[[nodiscard, gnu::noinline]] inline bool is_reserved_zero(MessageType type, const std::byte* bytes) noexcept {
  switch (type) {
    case MessageType::mass_cancel: return (bytes[33] | bytes[34] | bytes[35] | bytes[36] | bytes[37] | bytes[38] | bytes[39]) == std::byte{0};
    case MessageType::set_asset: return (bytes[37] | bytes[38] | bytes[39]) == std::byte{0};
    case MessageType::set_instrument: return (bytes[107] | bytes[108] | bytes[109] | bytes[110] | bytes[111] | bytes[148] | bytes[149] | bytes[150] | bytes[151]) == std::byte{0};
    case MessageType::set_account: return (bytes[34] | bytes[35] | bytes[36] | bytes[37] | bytes[38] | bytes[39]) == std::byte{0};
    case MessageType::credit: return (bytes[44] | bytes[45] | bytes[46] | bytes[47]) == std::byte{0};
    case MessageType::debit: return (bytes[44] | bytes[45] | bytes[46] | bytes[47]) == std::byte{0};
    case MessageType::set_fee_schedule: return (bytes[20] | bytes[21] | bytes[22] | bytes[23]) == std::byte{0};
    case MessageType::set_tick_table: return (bytes[20] | bytes[21] | bytes[22] | bytes[23]) == std::byte{0};
    case MessageType::set_trading_state: return (bytes[30] | bytes[31]) == std::byte{0};
    case MessageType::set_calendar: return (bytes[20] | bytes[21] | bytes[22] | bytes[23]) == std::byte{0};
    case MessageType::kill_switch: return (bytes[25] | bytes[26] | bytes[27] | bytes[28] | bytes[29] | bytes[30] | bytes[31]) == std::byte{0};
    case MessageType::session_ended: return (bytes[28] | bytes[29] | bytes[30] | bytes[31]) == std::byte{0};
    case MessageType::new_order_list: return (bytes[33] | bytes[34] | bytes[35] | bytes[36] | bytes[37] | bytes[38] | bytes[39]) == std::byte{0};
    case MessageType::mass_quote: return (bytes[34] | bytes[35] | bytes[36] | bytes[37] | bytes[38] | bytes[39]) == std::byte{0};
    case MessageType::logon: return (bytes[49] | bytes[50] | bytes[51] | bytes[52] | bytes[53] | bytes[54] | bytes[55]) == std::byte{0};
    case MessageType::order_rejected: return (bytes[55]) == std::byte{0};
    case MessageType::trade: return (bytes[149] | bytes[150] | bytes[151]) == std::byte{0};
    case MessageType::order_canceled: return (bytes[78] | bytes[79]) == std::byte{0};
    case MessageType::order_replaced: return (bytes[78] | bytes[79]) == std::byte{0};
    case MessageType::balance_changed: return (bytes[68] | bytes[69] | bytes[70] | bytes[71]) == std::byte{0};
    case MessageType::asset_changed: return (bytes[45] | bytes[46] | bytes[47]) == std::byte{0};
    case MessageType::instrument_changed: return (bytes[123] | bytes[124] | bytes[125] | bytes[126] | bytes[127] | bytes[164] | bytes[165] | bytes[166] | bytes[167]) == std::byte{0};
    case MessageType::account_changed: return (bytes[42] | bytes[43] | bytes[44] | bytes[45] | bytes[46] | bytes[47]) == std::byte{0};
    case MessageType::command_rejected: return (bytes[35] | bytes[36] | bytes[37] | bytes[38] | bytes[39]) == std::byte{0};
    case MessageType::self_trade_prevented: return (bytes[126] | bytes[127]) == std::byte{0};
    case MessageType::order_triggered: return (bytes[70] | bytes[71]) == std::byte{0};
    case MessageType::trade_busted: return (bytes[125] | bytes[126] | bytes[127]) == std::byte{0};
    case MessageType::trade_corrected: return (bytes[173] | bytes[174] | bytes[175]) == std::byte{0};
    case MessageType::quote_protection_changed: return (bytes[61] | bytes[62] | bytes[63]) == std::byte{0};
    case MessageType::fee_schedule_changed: return (bytes[28] | bytes[29] | bytes[30] | bytes[31]) == std::byte{0};
    case MessageType::tick_table_changed: return (bytes[28] | bytes[29] | bytes[30] | bytes[31]) == std::byte{0};
    case MessageType::trading_state_changed: return (bytes[39]) == std::byte{0};
    case MessageType::auction_uncrossed: return (bytes[53] | bytes[54] | bytes[55]) == std::byte{0};
    case MessageType::calendar_changed: return (bytes[28] | bytes[29] | bytes[30] | bytes[31]) == std::byte{0};
    case MessageType::order_activated: return (bytes[62] | bytes[63]) == std::byte{0};
    case MessageType::ticked: return (bytes[36] | bytes[37] | bytes[38] | bytes[39]) == std::byte{0};
    case MessageType::kill_switch_changed: return (bytes[37] | bytes[38] | bytes[39]) == std::byte{0};
    case MessageType::order_list_placed: return (bytes[49] | bytes[50] | bytes[51] | bytes[52] | bytes[53] | bytes[54] | bytes[55]) == std::byte{0};
    case MessageType::execution_report: return (bytes[164] | bytes[165] | bytes[166] | bytes[167]) == std::byte{0};
    case MessageType::logged_on: return (bytes[33] | bytes[34] | bytes[35] | bytes[36] | bytes[37] | bytes[38] | bytes[39]) == std::byte{0};
    case MessageType::book_level: return (bytes[33] | bytes[34] | bytes[35] | bytes[36] | bytes[37] | bytes[38] | bytes[39]) == std::byte{0};
    case MessageType::balance: return (bytes[36] | bytes[37] | bytes[38] | bytes[39]) == std::byte{0};
    case MessageType::query_end: return (bytes[28] | bytes[29] | bytes[30] | bytes[31]) == std::byte{0};
    case MessageType::market_trade: return (bytes[53] | bytes[54] | bytes[55]) == std::byte{0};
    case MessageType::top_of_book: return (bytes[60] | bytes[61] | bytes[62] | bytes[63]) == std::byte{0};
    case MessageType::auction_indicative: return (bytes[53] | bytes[54] | bytes[55]) == std::byte{0};
    case MessageType::market_trade_changed: return (bytes[53] | bytes[54] | bytes[55]) == std::byte{0};
    default: return true;
  }
}

}  // namespace tradepit::wire
