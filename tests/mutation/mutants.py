"""The classic bugs of matching engines, each as a small change of our C++ sources.

`old` stands in the sources exactly once, in whichever file; where a change of the engine moves or
rewords it, the mutant moves along. `known_from` names where the bug was shipped.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    name: str
    known_from: str
    old: str
    new: str


MUTANTS = [
    Mutant(
        "a partial fill sends the maker to the back of its level",
        "OrderBook-rs#88",
        "      if (maker_open_lots == 0) unlink(maker_slot);\n",
        "      unlink(maker_slot);\n"
        "      if (maker_open_lots > 0) {\n"
        "        rest(maker_slot, opposite(taker_side), price_ticks, maker_open_lots);\n"
        "      }\n",
    ),
    Mutant(
        "the youngest order of a level trades first",
        "abyssbook#41, py-rs-quant#1, StockSharp#681",
        "      const std::uint32_t maker_slot = level.head;\n",
        "      const std::uint32_t maker_slot = level.tail;\n",
    ),
    Mutant(
        "the best bid is the lowest",
        "rust-exchange#4, luo4neck/MatchingEngine#3",
        "  if (best_ticks == 0 || !is_within(side, price_ticks, best_ticks)) best_slot",
        "  if (best_ticks == 0 || price_ticks < best_ticks) best_slot",
    ),
    Mutant(
        "trades are at the taker's price",
        "cpp_orderbook#2",
        "  event.price_ticks = price_ticks;\n  event.quantity_lots = traded_lots;\n",
        "  event.price_ticks = taker.price_ticks != 0 ? taker.price_ticks : price_ticks;\n"
        "  event.quantity_lots = traded_lots;\n",
    ),
    Mutant(
        "an order does not trade at its own limit",
        "flash1-dev/matching-engine-benchmark docs/CONFORMANCE.md",
        "    return (price_ticks ^ mask) <= (limit_ticks ^ mask);\n",
        "    return (price_ticks ^ mask) < (limit_ticks ^ mask);\n",
    ),
    Mutant(
        "a level stays when its last order leaves",
        "flash1-dev/matching-engine-benchmark docs/CONFORMANCE.md, phantom best",
        "  if (level.head == no_slot) drop_level(level_slot);\n",
        "  if (level.head == no_slot && best_[level.is_sell] == level_slot) drop_level(level_slot);\n",
    ),
    Mutant(
        "a level keeps the quantity that traded",
        "SwitchDexIssues#24",
        "      level.open_lots -= traded_lots;\n",
        "      level.open_lots -= traded_lots - traded_lots / 8;\n",
    ),
    Mutant(
        "what an IOC order does not trade rests",
        "liquibook#43",
        "order.is_waiting != 0 || may_rest(order.time_in_force)",
        "order.is_waiting != 0 || order.time_in_force != TimeInForce::fok",
    ),
    Mutant(
        "an amended order rests crossed",
        "hft-clob-core#59, orderbook-rs#9",
        "  enter(order_slot, *instrument);\n",
        "  rest(order_slot, *instrument);\n",
    ),
    Mutant(
        "a larger quantity keeps the place in the queue",
        "OrderBook-rs#208",
        "(changed.price_ticks == order.price_ticks &&\n"
        "                                                    changed.quantity_lots < order.quantity_lots)",
        "(changed.price_ticks == order.price_ticks)",
    ),
    Mutant(
        "a smaller quantity loses the place in the queue",
        "liquibook replace = erase and add",
        "(changed.price_ticks == order.price_ticks &&\n"
        "                                                    changed.quantity_lots < order.quantity_lots)",
        "(changed.quantity_lots < 0)",
    ),
    Mutant(
        "an order may be amended below what it has traded",
        "robaho/go-trader#23, opexdev/core#688",
        "  if (changed.open_lots() <= 0) return Reason::quantity_below_filled;\n",
        "  if (changed.open_lots() < 0) return Reason::quantity_below_filled;\n",
    ),
    Mutant(
        "a cascade triggers one stop order and leaves the rest for later",
        "melin#2",
        "    if (count == triggers_max || ",
        "    if (count == 1 || ",
    ),
    Mutant(
        "a stop order waits at the price that the last trade had",
        "nautilus#3740",
        "(order.side == Side::buy ? last_ticks >= placing.trigger_price_ticks",
        "(order.side == Side::buy ? last_ticks > placing.trigger_price_ticks",
    ),
    Mutant(
        "a triggered stop order keeps its hold",
        "nautilus#3741",
        "  release_hold(order, instrument);\n"
        "  book_of(order, instrument).unlink(order_slot);\n"
        "  if (order.order_type",
        "  book_of(order, instrument).unlink(order_slot);\n  if (order.order_type",
    ),
    Mutant(
        "the maker's fee goes by the taker's rate",
        "OrderBook-rs#114",
        "fee_units(notional, maker.maker_fee_ppm)",
        "fee_units(notional, maker.taker_fee_ppm)",
    ),
    Mutant(
        "the fee of the house is forgotten",
        "midaz#2499",
        ".receive(maker_fee + taker_fee);\n",
        ".receive(maker_fee);\n",
    ),
    Mutant(
        "a canceled order keeps its hold",
        "FLOX venue, read in its sources",
        "  release_hold(order, instrument);\n  if (order.is_pending == 0) book_of",
        "  if (order.is_pending == 0) book_of",
    ),
    Mutant(
        "a hold is made for the maker's fee alone",
        "bnb-chain/node#508",
        "  return std::max(fees.taker_fee_ppm, static_cast",
        "  return std::min(fees.taker_fee_ppm, static_cast",
    ),
    Mutant(
        "a market order is let in without its fee",
        "exchange-core#145",
        "    cost_units += notional + fee_units(",
        "    cost_units += notional + 0 * fee_units(",
    ),
    Mutant(
        "a fill-or-kill order trades in part",
        "exchange-core#104",
        "if (is_fok && fillable_lots < ",
        "if (is_fok && fillable_lots + 1 < ",
    ),
    Mutant(
        "fill or kill counts lots that self-trade prevention takes away",
        "OrderBook-rs#96, #209",
        "  if (mode == SelfTradePrevention::decrement_and_cancel) return Book::Meeting::shrinks;",
        "  if (mode == SelfTradePrevention::decrement_and_cancel) return Book::Meeting::trades;",
    ),
    Mutant(
        "a client order id is free again once its order is closed",
        "exchange-core duplicate ids; FLOX idempotence",
        "      find_name({command.client_order_id, account_index}, other_slot)) {",
        "      find_name({command.client_order_id, account_index}, other_slot) && other_slot != no_slot) {",
    ),
    Mutant(
        "an order that replaces another pays from what that one gives back, and a sell too",
        "BTCMarkets/API#173",
        "orders[taking.gone_slot].side != taking.side) return units;",
        "orders[taking.gone_slot].quantity_lots < 0) return units;",
    ),
    Mutant(
        "the order that is replaced is still traded with",
        "hummingbot#4478",
        "    if (maker_slot == taking.gone_slot) return Book::Meeting::none;\n",
        "",
    ),
    Mutant(
        "an order that ends on a date outlives it in its index",
        "OrderBookMatchingEngine#25",
        "  if (may_be_listed(order)) enlist(order_slot);\n  return order_slot;",
        "  return order_slot;",
    ),
    Mutant(
        "self-trade prevention is skipped by a triggered order",
        "flox#448",
        "  const bool is_plain = taker.self_trade_prevention == SelfTradePrevention::none &&",
        "  const bool is_plain = (taker.self_trade_prevention == SelfTradePrevention::none || is_cascade_) &&",
    ),
    Mutant(
        "self-trade prevention is skipped by a replaced order",
        "flox#448",
        "  const bool is_plain = taker.self_trade_prevention == SelfTradePrevention::none &&",
        "  const bool is_plain = (taker.self_trade_prevention == SelfTradePrevention::none ||\n"
        "      command_type_ == static_cast<std::uint8_t>(wire::MessageType::replace_order)) &&",
    ),
    Mutant(
        "the rest of a taker that self-trade prevention ended rests",
        "OrderBook-rs#97, #138",
        "      if (!prevent(taker, maker_slot, instrument)) return CancelReason::self_trade;",
        "      if (!prevent(taker, maker_slot, instrument)) return CancelReason{};",
    ),
    Mutant(
        "decrement takes nothing from the taker",
        "orderbook#11",
        "  if (!ends_taker && decrements) taker.quantity_lots -= prevented_lots;\n",
        "",
    ),
    Mutant(
        "a trade group is not looked at",
        "OrderBook-rs CHANGELOG #103",
        "    return group != 0 && group == accounts_[right].trade_group;\n",
        "    return group == 1 && group == accounts_[right].trade_group;\n",
    ),
    Mutant(
        "a post-only order trades",
        "parity#144",
        "      crosses(taking.side, taking.limit_ticks, placing.best_ticks)) {",
        "      taking.limit_ticks < 0) {",
    ),
    Mutant(
        "any account may cancel another's order",
        "FLOX venue, reproduced",
        "    return order_slot == no_slot || orders[order_slot].account_index != account_index ? no_slot",
        "    return order_slot == no_slot || account_index == no_slot ? no_slot",
    ),
    Mutant(
        "a full pool accepts orders",
        "FLOX venue, reproduced",
        "  if (needs_slot && placing.replaced_slot == no_slot && store.orders.is_full()) {\n"
        "    return Reason::too_many_orders;",
        "  if (needs_slot && placing.replaced_slot == no_slot && store.orders.is_full()) {\n"
        "    return Reason::none;",
    ),
    Mutant(
        "a suspended account may replace",
        "flox#448",
        "  if (accounts[order.account_index].state != wire::AccountState::active) {\n"
        "    return Reason::account_suspended;\n",
        "  if (accounts[order.account_index].state == wire::AccountState{}) {\n"
        "    return Reason::account_suspended;\n",
    ),
    Mutant(
        "a refused order uses up an order id",
        "orderbook (Go) docs/PINNED-DEFECTS.md",
        "    event.instrument_id = command.instrument_id;\n    event.reason = reason;\n",
        "    event.instrument_id = command.instrument_id;\n    event.reason = reason;\n"
        "    ++order_counter;\n",
    ),
    Mutant(
        "a transfer is applied twice",
        "peatio#1324, #2377",
        "  transfer_ids.take(transfer_id);\n  accounts",
        "  accounts",
    ),
    Mutant(
        "a snapshot forgets the last price",
        "bnb-chain/node#175",
        "    instrument.last_price_ticks = record.last_price_ticks;\n",
        "",
    ),
    Mutant(
        "a snapshot forgets the trade group",
        "OrderBook-rs#101",
        "    state->accounts[static_cast<std::uint32_t>(index)].trade_group = record.trade_group;\n",
        "",
    ),
    Mutant(
        "a snapshot forgets what an order has traded",
        "OrderBook-rs#102",
        "  order.filled_lots = record.filled_lots;\n",
        "  order.quantity_lots = record.quantity_lots - record.filled_lots;\n",
    ),
    Mutant(
        "a notional is computed in 32 bits",
        "liquibook replace, exchange-core CoreArithmeticUtils",
        "  const int128 product = static_cast<int128>(price_ticks) * quantity_lots * tick_lot_units;\n",
        "  const int128 product =\n"
        "      static_cast<std::uint32_t>(price_ticks * quantity_lots * tick_lot_units);\n",
    ),
    Mutant(
        "a trailing stop follows the market back",
        "StockSharp, backtrader trailing stops",
        "    if (is_buy ? trigger_ticks < own.trigger_price_ticks\n",
        "    if (is_buy ? trigger_ticks != own.trigger_price_ticks\n",
    ),
    Mutant(
        "a trailing stop to sell follows the lowest trade",
        "the wrong extreme",
        "    const std::int64_t trigger_ticks = trailing_ticks(order.side, is_buy ? low_ticks : high_ticks,",
        "    const std::int64_t trigger_ticks = trailing_ticks(order.side, is_buy ? high_ticks : low_ticks,",
    ),
    Mutant(
        "a pegged order is a reference for others",
        "pegs that chase each other",
        "      if (slot != gone_slot && orders[slot].order_type != OrderType::pegged) {",
        "      if (slot != gone_slot) {",
    ),
    Mutant(
        "a pegged order crosses the book when it moves",
        "a passive order that takes",
        "  if (other_ticks != 0) {\n    price_ticks =",
        "  if (other_ticks < 0) {\n    price_ticks =",
    ),
    Mutant(
        "a reduce-only maker turns the position around",
        "CCXT and venue reports of flipped positions",
        "    const std::int64_t maker_lots = tradable_lots(maker);",
        "    const std::int64_t maker_lots = maker.open_lots();",
    ),
    Mutant(
        "a fill moves the position of the taker alone",
        "half of a double entry",
        "  move(position(maker.instrument_id, maker.account_index), maker.side, lots);\n",
        "  move(position(maker.instrument_id, maker.account_index), maker.side, 0);\n",
    ),
    Mutant(
        "an order at the open stays in continuous trading",
        "auction orders that outlive the auction",
        "  if ((!is_before_end_of_opening(instrument) && !instrument.opening_orders.is_empty()) ||",
        "  if ((false && !instrument.opening_orders.is_empty()) ||",
    ),
    Mutant(
        "the lots that rounding leaves are lost",
        "pro rata allocators that under-fill",
        "      const std::int64_t extra_lots = std::min(left_lots, open_lots - share_lots);",
        "      const std::int64_t extra_lots = std::min<std::int64_t>(0, open_lots - share_lots);",
    ),
    Mutant(
        "both orders of a pair trade",
        "one-cancels-the-other raced by a fill",
        "  if (maker.is_linked != 0) leave_sibling(maker_slot);\n",
        "",
    ),
    Mutant(
        "the two of a pair hold their funds twice",
        "brackets that need double margin",
        "  stop.is_backed = 1;\n  if (stop_units > limit_units) {",
        "  stop.is_backed = 0;\n  if (stop_units > limit_units) {",
    ),
    Mutant(
        "a partly filled first triggers what waits for it",
        "one-triggers-the-other at the first fill",
        "  if (order.open_lots() == 0) {\n    for (const std::uint32_t slot : {first, second}) {",
        "  if (order.filled_lots > 0) {\n    for (const std::uint32_t slot : {first, second}) {",
    ),
    Mutant(
        "a busted trade's fees stay with the house",
        "of our own making",
        "      {&accounts.balance(Accounts::house, terms.quote_asset_id), maker_fee + taker_fee},\n",
        "      {&accounts.balance(Accounts::house, terms.quote_asset_id), 0},\n",
    ),
    Mutant(
        "a trade can be busted twice",
        "of our own making",
        "  trade->is_busted = 1;\n",
        "  trade->is_busted = 0;\n",
    ),
    Mutant(
        "a mass quote keeps a place for more than it had",
        "of our own making",
        "          quote.lots > order.open_lots() || quote.kept_slot != no_slot) {\n",
        "          quote.kept_slot != no_slot) {\n",
    ),
    Mutant(
        "a fill of the taker's quote does not count",
        "of our own making",
        "      count_quote_fill(taker, traded_lots, instrument);\n",
        "      (void)traded_lots;\n",
    ),
    Mutant(
        "a retry's fills do not add up",
        "whoever answers a retry from the last fill alone",
        "report_.filled_lots += event.quantity_lots;",
        "report_.filled_lots = event.quantity_lots;",
    ),
]
