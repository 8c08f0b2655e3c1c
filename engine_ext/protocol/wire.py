"""The wire in Python. Generated from engine_ext/protocol/schema.toml by generate.py. Do not edit.

Each record is a NamedTuple with an `encode()`; `decode` and `decode_all` read them back.
Enum fields hold plain ints, which compare equal to the members of the enums below.
"""

import struct
from enum import IntEnum, IntFlag
from struct import Struct
from typing import Any, NamedTuple

from tradepit.protocol.errors import MalformedRecord

VERSION = 1
HEADER_SIZE = 8

MESSAGE_BYTES_MAX = 65536
FILLS_PER_COMMAND_MAX = 10000
TRIGGERS_PER_COMMAND_MAX = 1000
CANCELS_PER_COMMAND_MAX = 10000
TIED_SESSION_BIT = 2147483648
TIED_SESSION_SILENCE_NS_MAX = 10000000000
TRAILING_STOPS_MAX = 1000
PEGGED_ORDERS_MAX = 1000
TRADES_REMEMBERED = 65536
QUOTE_PROTECTIONS_MAX = 64
QUOTE_WINDOW_NS_MAX = 86400000000000
CANCEL_AFTER_NS_MAX = 86400000000000
BOOK_LEVELS_MAX = 500
ACCOUNT_ID_MAX = 9223372036854775807
UNITS_MAX = 4611686018427387904
PRICE_TICKS_MAX = 1099511627776
QUANTITY_LOTS_MAX = 1099511627776
FEE_PPM_MAX = 100000
MARKET_PROTECTION_PPM_MAX = 1000000
DECIMALS_MAX = 18


class MessageType(IntEnum):
    NEW_ORDER = 1
    CANCEL_ORDER = 2
    REPLACE_ORDER = 3
    MASS_CANCEL = 4
    SET_ASSET = 5
    SET_INSTRUMENT = 6
    SET_ACCOUNT = 7
    CREDIT = 8
    DEBIT = 9
    SET_FEE_SCHEDULE = 10
    SET_TICK_TABLE = 11
    SET_TRADING_STATE = 12
    SET_CALENDAR = 13
    TICK = 16
    KILL_SWITCH = 17
    CANCEL_AFTER = 18
    SESSION_ENDED = 19
    NEW_ORDER_LIST = 20
    MASS_QUOTE = 24
    SET_QUOTE_PROTECTION = 25
    BUST_TRADE = 26
    CORRECT_TRADE = 27
    LOGON = 32
    STATUS_QUERY = 33
    INSTRUMENTS_QUERY = 34
    BOOK_QUERY = 35
    ORDER_QUERY = 36
    OPEN_ORDERS_QUERY = 37
    BALANCES_QUERY = 38
    TRACE_CONTEXT = 39
    ORDER_ACCEPTED = 64
    ORDER_REJECTED = 65
    TRADE = 66
    ORDER_CANCELED = 67
    ORDER_REPLACED = 68
    MASS_CANCELED = 69
    BALANCE_CHANGED = 70
    ASSET_CHANGED = 71
    INSTRUMENT_CHANGED = 72
    ACCOUNT_CHANGED = 73
    COMMAND_REJECTED = 74
    SELF_TRADE_PREVENTED = 75
    ORDER_TRIGGERED = 76
    TRADE_BUSTED = 77
    TRADE_CORRECTED = 78
    MASS_QUOTED = 79
    QUOTE_PROTECTION_CHANGED = 80
    FEE_SCHEDULE_CHANGED = 81
    TICK_TABLE_CHANGED = 82
    TRADING_STATE_CHANGED = 83
    AUCTION_UNCROSSED = 84
    CALENDAR_CHANGED = 85
    ORDER_ACTIVATED = 86
    TICKED = 88
    KILL_SWITCH_CHANGED = 89
    CANCEL_AFTER_CHANGED = 90
    ORDER_LIST_PLACED = 91
    ORDER_LIST_REJECTED = 92
    EXECUTION_REPORT = 96
    REJECT = 97
    LOGGED_ON = 98
    SHARD_STATUS = 99
    BOOK_LEVEL = 100
    BALANCE = 101
    QUERY_END = 102
    MARKET_TRADE = 112
    TOP_OF_BOOK = 113
    AUCTION_INDICATIVE = 114
    MARKET_TRADE_CHANGED = 115


class Side(IntEnum):
    BUY = 1
    SELL = 2


class OrderType(IntEnum):
    LIMIT = 1
    MARKET = 2
    STOP = 3
    STOP_LIMIT = 4
    TRAILING_STOP = 5
    PEGGED = 6
    MARKET_TO_LIMIT = 7


class TimeInForce(IntEnum):
    GTC = 1
    IOC = 2
    FOK = 3
    DAY = 4
    GTD = 5
    AT_THE_OPEN = 6
    AT_THE_CLOSE = 7


class OrderFlag(IntFlag):
    POST_ONLY = 1
    POST_ONLY_SLIDE = 2
    PENDING = 16
    REDUCE_ONLY = 4
    QUOTE = 8


class ListKind(IntEnum):
    EACH = 1
    ALL_OR_NONE = 2
    OCO = 3
    OTO = 4
    BRACKET = 5


class PegReference(IntEnum):
    NONE = 0
    BEST_BID = 1
    BEST_ASK = 2
    MIDDLE = 3


class SelfTradePrevention(IntEnum):
    NONE = 0
    CANCEL_NEWEST = 1
    CANCEL_OLDEST = 2
    CANCEL_BOTH = 3
    DECREMENT_AND_CANCEL = 4


class OrderStatus(IntEnum):
    OPEN = 1
    PARTIALLY_FILLED = 2
    FILLED = 3
    CANCELED = 4
    REJECTED = 5
    WAITING = 6


class ExecutionKind(IntEnum):
    ACCEPTED = 1
    REJECTED = 2
    TRADE = 3
    CANCELED = 4
    REPLACED = 5
    STATUS = 6
    REDUCED = 7
    ACTIVATED = 9
    TRIGGERED = 8
    TRADE_BUSTED = 20
    TRADE_CORRECTED = 21


class Liquidity(IntEnum):
    NONE = 0
    MAKER = 1
    TAKER = 2


class CancelReason(IntEnum):
    REQUESTED = 1
    MASS_CANCEL = 2
    IOC_REMAINDER = 3
    FILL_LIMIT = 4
    SELF_TRADE = 5
    ACCOUNT_SUSPENDED = 6
    REPLACED = 7
    PROTECTION_BAND = 8
    AUCTION_OVER = 9
    CONTINGENCY = 11
    NOT_PLACEABLE = 12
    REDUCE_ONLY = 10
    CIRCUIT_BREAKER = 13
    EXPIRED = 19
    KILL_SWITCH = 20
    DEAD_MAN = 21
    DISCONNECTED = 22
    QUOTE_REPLACED = 23
    QUOTE_PROTECTION = 24


class AccountState(IntEnum):
    ACTIVE = 1
    SUSPENDED = 2


class TradingState(IntEnum):
    CONTINUOUS = 1
    HALTED = 2
    PRE_OPEN = 3
    OPENING_AUCTION = 4
    VOLATILITY_AUCTION = 5
    CLOSING_AUCTION = 6
    CLOSED = 7


class Allocation(IntEnum):
    PRICE_TIME = 0
    PRO_RATA = 1


class KillSwitchState(IntEnum):
    ENGAGED = 1
    RELEASED = 2


class QuoteProtectionState(IntEnum):
    OFF = 1
    ARMED = 2
    PULLED = 3


class ReportFlag(IntFlag):
    LAST = 1
    REPLAYED = 2


class ReplaceFlag(IntFlag):
    KEPT_PRIORITY = 1
    WAITING = 2
    PEGGED = 4


class LogonFlag(IntFlag):
    RECEIVE_REPORTS = 1
    CANCEL_ON_DISCONNECT = 2


class Durability(IntEnum):
    MEMORY = 1
    DISK = 2
    REPLICATED = 3


class Reason(IntEnum):
    NONE = 0
    MALFORMED = 1
    UNSUPPORTED_VERSION = 2
    UNKNOWN_TYPE = 3
    MESSAGE_TOO_LARGE = 4
    NOT_LOGGED_ON = 5
    WRONG_KEY = 6
    NOT_AUTHORIZED = 7
    BUSY = 8
    STORAGE_FULL = 9
    UNKNOWN_INSTRUMENT = 20
    INSTRUMENT_HALTED = 21
    NOT_IN_THIS_STATE = 22
    AUCTION_ENDING = 23
    UNKNOWN_ACCOUNT = 30
    ACCOUNT_SUSPENDED = 31
    UNKNOWN_ORDER = 32
    KILL_SWITCH_ENGAGED = 33
    INVALID_KILL_SWITCH = 34
    CONTINGENT_ORDER = 36
    INVALID_TIMEOUT = 35
    INVALID_SIDE = 40
    INVALID_ORDER_TYPE = 41
    INVALID_TIME_IN_FORCE = 42
    INVALID_FLAGS = 43
    INVALID_PRICE = 44
    INVALID_QUANTITY = 45
    INVALID_CLIENT_ORDER_ID = 46
    QUANTITY_BELOW_FILLED = 47
    INVALID_SELF_TRADE_PREVENTION = 48
    INVALID_TRIGGER_PRICE = 49
    INVALID_DISPLAY_QUANTITY = 52
    INVALID_MINIMUM_QUANTITY = 53
    INVALID_QUOTE_BUDGET = 54
    INVALID_EXPIRE_TIME = 55
    INVALID_OFFSET = 56
    INVALID_SESSION = 57
    DUPLICATE_CLIENT_ORDER_ID = 58
    DUPLICATE_TRANSFER = 59
    INSUFFICIENT_FUNDS = 60
    INVALID_NOTIONAL = 61
    OUTSIDE_COLLAR = 62
    POST_ONLY_WOULD_TRADE = 70
    FOK_NOT_FILLABLE = 71
    MINIMUM_NOT_FILLABLE = 73
    BUDGET_TOO_SMALL = 74
    WOULD_NOT_REDUCE = 76
    NO_REFERENCE_PRICE = 77
    NO_LIQUIDITY = 75
    TOO_MANY_ORDERS = 72
    TOO_MANY_ACCOUNTS = 80
    INVALID_ACCOUNT = 81
    UNKNOWN_ASSET = 82
    INVALID_ASSET = 83
    INVALID_INSTRUMENT = 84
    INVALID_AMOUNT = 85
    INVALID_FEE_SCHEDULE = 86
    INVALID_TICK_TABLE = 87
    INVALID_TRADING_STATE = 88
    INVALID_CALENDAR = 89
    UNKNOWN_TRADE = 90
    TRADE_ALREADY_BUSTED = 91
    INVALID_CORRECTION = 92
    INVALID_QUOTE = 93
    QUOTE_PROTECTION_ACTIVE = 94
    INVALID_QUOTE_PROTECTION = 95
    TOO_MANY_QUOTE_PROTECTIONS = 96
    INVALID_LIST = 100


REASON_TEXT: dict[Reason, str] = {
    Reason.NONE: "accepted",
    Reason.MALFORMED: "the bytes are not a record of this protocol: truncated, wrong length, or a reserved field that is not zero",
    Reason.UNSUPPORTED_VERSION: "the record's version is not the one this server speaks",
    Reason.UNKNOWN_TYPE: "the record's type is unknown, or is not one that a client sends",
    Reason.MESSAGE_TOO_LARGE: "the message is larger than message_bytes_max, or has more frames than one",
    Reason.NOT_LOGGED_ON: "send Logon first: this session is unknown (a reconnect makes a new one)",
    Reason.WRONG_KEY: "the key is not valid for this account",
    Reason.NOT_AUTHORIZED: "this session may not act for that account, or may not administer",
    Reason.BUSY: "a queue is at its limit: wait and send again",
    Reason.STORAGE_FULL: "the journal's disk is full: nothing is accepted until there is space",
    Reason.UNKNOWN_INSTRUMENT: "no such instrument on this shard",
    Reason.INSTRUMENT_HALTED: "the instrument is halted: orders can be canceled, not placed or replaced",
    Reason.NOT_IN_THIS_STATE: "the instrument's trading state does not allow this: outside continuous trading only orders that can rest or wait are placed, and none while it is closed",
    Reason.AUCTION_ENDING: "the trades of an auction are being made: send again",
    Reason.UNKNOWN_ACCOUNT: "no such account on this shard",
    Reason.ACCOUNT_SUSPENDED: "the account is suspended: it may cancel, not place or replace",
    Reason.UNKNOWN_ORDER: "no open order of this account has that id; replaces_order_id names one of the same instrument",
    Reason.KILL_SWITCH_ENGAGED: "the kill switch of the account or of the shard is engaged: orders can be canceled, not placed or replaced",
    Reason.INVALID_KILL_SWITCH: "state must be engaged or released",
    Reason.CONTINGENT_ORDER: "the order is linked with another one of its list: it can be canceled, not replaced",
    Reason.INVALID_TIMEOUT: "timeout_ns must lie between 0 and cancel_after_ns_max",
    Reason.INVALID_SIDE: "side must be buy or sell",
    Reason.INVALID_ORDER_TYPE: "type must be limit, market, stop, stop_limit, trailing_stop, pegged or market_to_limit",
    Reason.INVALID_TIME_IN_FORCE: "time in force must be a known one; a market order's ioc or fok, a stop and a trailing stop order's ioc, a stop-limit order's gtc, day, gtd or ioc, a market-to-limit and a pegged order's gtc, day or gtd; at_the_open and at_the_close are for limit orders",
    Reason.INVALID_FLAGS: "unknown flag, or post_only or post_only_slide on an order that is not a limit order with gtc, day or gtd, or both of them, or reduce_only in an instrument that allocates pro rata",
    Reason.INVALID_PRICE: "the price of a limit, a stop-limit, a pegged and a buy stop or trailing stop order must lie between the instrument's lowest and highest and be a multiple of its tick table's step; a market, a market-to-limit and a sell stop or trailing stop order have none",
    Reason.INVALID_QUANTITY: "the quantity must lie between the instrument's smallest and largest",
    Reason.INVALID_CLIENT_ORDER_ID: "client_order_id must be below 2^63",
    Reason.QUANTITY_BELOW_FILLED: "the new quantity must be larger than what has traded already",
    Reason.INVALID_SELF_TRADE_PREVENTION: "self_trade_prevention must be none, cancel_newest, cancel_oldest, cancel_both or decrement_and_cancel",
    Reason.INVALID_TRIGGER_PRICE: "a stop or stop-limit order's trigger price must lie between the instrument's lowest and highest and be a multiple of its tick table's step; other orders have none",
    Reason.INVALID_DISPLAY_QUANTITY: "display_quantity_lots must lie between the instrument's smallest quantity and the order's, on an order that rests in an instrument that does not allocate pro rata; else it is 0",
    Reason.INVALID_MINIMUM_QUANTITY: "minimum_quantity_lots must lie between 0 and the order's quantity, on a limit or market order that is ioc; else it is 0",
    Reason.INVALID_QUOTE_BUDGET: "quote_budget_units takes the place of quantity_lots on a market buy, which has quantity_lots 0, in an instrument that does not allocate pro rata; else it is 0",
    Reason.INVALID_EXPIRE_TIME: "a gtd order's expire_time_ns must lie ahead; other orders have none",
    Reason.INVALID_OFFSET: "a trailing stop order has either offset_ticks, from 1 to price_ticks_max, or trail_offset_bps, below 10000; a pegged order has a peg_reference and perhaps offset_ticks, at most price_ticks_max either way; other orders have none",
    Reason.INVALID_SESSION: "session_id is stamped by the matcher: send 0",
    Reason.DUPLICATE_CLIENT_ORDER_ID: "the account has used this client_order_id before; the same NewOrder again gets the first answer again",
    Reason.DUPLICATE_TRANSFER: "this transfer_id was applied before",
    Reason.INSUFFICIENT_FUNDS: "the available balance does not cover what the order could spend, fees included",
    Reason.INVALID_NOTIONAL: "price times quantity must lie between the instrument's smallest and largest notional",
    Reason.OUTSIDE_COLLAR: "the price is farther from the reference price, or farther beyond the last trade price, than the instrument's collars allow",
    Reason.POST_ONLY_WOULD_TRADE: "a post-only order would have traded at once",
    Reason.FOK_NOT_FILLABLE: "a fill-or-kill order could not trade in full",
    Reason.MINIMUM_NOT_FILLABLE: "less than minimum_quantity_lots would have traded at once",
    Reason.BUDGET_TOO_SMALL: "quote_budget_units buys less than the instrument's smallest quantity",
    Reason.WOULD_NOT_REDUCE: "a reduce-only order needs a position of the account in the instrument that it makes smaller",
    Reason.NO_REFERENCE_PRICE: "a trailing stop order needs a last trade price, a pegged order the best price that it follows and a price at which it does not trade at once",
    Reason.NO_LIQUIDITY: "the other side has no best price for a market-to-limit order to take",
    Reason.TOO_MANY_ORDERS: "the shard's order pool is full, or the instrument has trailing_stops_max trailing stop or pegged_orders_max pegged orders",
    Reason.TOO_MANY_ACCOUNTS: "the shard's account table is full",
    Reason.INVALID_ACCOUNT: "account ids run from 1 to account_id_max, trade groups from 0, fee tiers from 0 to 7; the state must be a known one",
    Reason.UNKNOWN_ASSET: "no such asset on this shard",
    Reason.INVALID_ASSET: "an asset needs an id from 1 within the shard's limit, a symbol, at most 18 decimals, and keeps its decimals for life",
    Reason.INVALID_INSTRUMENT: "the instrument's terms are out of range or contradict each other (docs/protocol.md, SetInstrument)",
    Reason.INVALID_AMOUNT: "the amount must be positive and keep the asset's supply within units_max; transfer_id must lie between 1 and 2^63 - 1",
    Reason.INVALID_FEE_SCHEDULE: "a fee lies between 0 and fee_ppm_max, a rebate is at most the smallest taker fee of all tiers, and the largest order, fee included, stays below units_max",
    Reason.INVALID_TICK_TABLE: "bands begin at rising prices from 1, with steps from 1",
    Reason.INVALID_TRADING_STATE: "state and next_state must be known and differ, and end_time_ns must lie ahead; without an end there is no next_state",
    Reason.INVALID_CALENDAR: "entries are at rising minutes of the week from 0 to 10079, each with a known state",
    Reason.UNKNOWN_TRADE: "no such trade is remembered: the shard has not made it, or it is older than the last trades_remembered",
    Reason.TRADE_ALREADY_BUSTED: "the trade was busted before",
    Reason.INVALID_CORRECTION: "the new price must be one that orders may name in the instrument, the new quantity lie between 1 and the trade's as it stands, and one of them differ from it",
    Reason.INVALID_QUOTE: "bids must fall and asks rise from level to level, and every bid lie below every ask; a side with 0 lots has no price",
    Reason.QUOTE_PROTECTION_ACTIVE: "the account's protection pulled its quotes: SetQuoteProtection lets it quote again",
    Reason.INVALID_QUOTE_PROTECTION: "window_ns lies between 1 and quote_window_ns_max and one of the two limits is above 0; or all three are 0",
    Reason.TOO_MANY_QUOTE_PROTECTIONS: "the instrument protects quote_protections_max accounts already",
    Reason.INVALID_LIST: "the list's kind is unknown, or its orders are too few, too many or not of the kinds that it takes (docs/matching.md, Lists of orders)",
}

REASON_HTTP_STATUS: dict[Reason, int] = {
    Reason.NONE: 200,
    Reason.MALFORMED: 400,
    Reason.UNSUPPORTED_VERSION: 400,
    Reason.UNKNOWN_TYPE: 400,
    Reason.MESSAGE_TOO_LARGE: 413,
    Reason.NOT_LOGGED_ON: 401,
    Reason.WRONG_KEY: 401,
    Reason.NOT_AUTHORIZED: 403,
    Reason.BUSY: 503,
    Reason.STORAGE_FULL: 503,
    Reason.UNKNOWN_INSTRUMENT: 404,
    Reason.INSTRUMENT_HALTED: 409,
    Reason.NOT_IN_THIS_STATE: 409,
    Reason.AUCTION_ENDING: 409,
    Reason.UNKNOWN_ACCOUNT: 404,
    Reason.ACCOUNT_SUSPENDED: 403,
    Reason.UNKNOWN_ORDER: 404,
    Reason.KILL_SWITCH_ENGAGED: 409,
    Reason.INVALID_KILL_SWITCH: 400,
    Reason.CONTINGENT_ORDER: 409,
    Reason.INVALID_TIMEOUT: 400,
    Reason.INVALID_SIDE: 400,
    Reason.INVALID_ORDER_TYPE: 400,
    Reason.INVALID_TIME_IN_FORCE: 400,
    Reason.INVALID_FLAGS: 400,
    Reason.INVALID_PRICE: 400,
    Reason.INVALID_QUANTITY: 400,
    Reason.INVALID_CLIENT_ORDER_ID: 400,
    Reason.QUANTITY_BELOW_FILLED: 409,
    Reason.INVALID_SELF_TRADE_PREVENTION: 400,
    Reason.INVALID_TRIGGER_PRICE: 400,
    Reason.INVALID_DISPLAY_QUANTITY: 400,
    Reason.INVALID_MINIMUM_QUANTITY: 400,
    Reason.INVALID_QUOTE_BUDGET: 400,
    Reason.INVALID_EXPIRE_TIME: 400,
    Reason.INVALID_OFFSET: 400,
    Reason.INVALID_SESSION: 400,
    Reason.DUPLICATE_CLIENT_ORDER_ID: 409,
    Reason.DUPLICATE_TRANSFER: 409,
    Reason.INSUFFICIENT_FUNDS: 422,
    Reason.INVALID_NOTIONAL: 400,
    Reason.OUTSIDE_COLLAR: 400,
    Reason.POST_ONLY_WOULD_TRADE: 409,
    Reason.FOK_NOT_FILLABLE: 409,
    Reason.MINIMUM_NOT_FILLABLE: 409,
    Reason.BUDGET_TOO_SMALL: 409,
    Reason.WOULD_NOT_REDUCE: 409,
    Reason.NO_REFERENCE_PRICE: 409,
    Reason.NO_LIQUIDITY: 409,
    Reason.TOO_MANY_ORDERS: 503,
    Reason.TOO_MANY_ACCOUNTS: 503,
    Reason.INVALID_ACCOUNT: 400,
    Reason.UNKNOWN_ASSET: 404,
    Reason.INVALID_ASSET: 400,
    Reason.INVALID_INSTRUMENT: 400,
    Reason.INVALID_AMOUNT: 400,
    Reason.INVALID_FEE_SCHEDULE: 400,
    Reason.INVALID_TICK_TABLE: 400,
    Reason.INVALID_TRADING_STATE: 400,
    Reason.INVALID_CALENDAR: 400,
    Reason.UNKNOWN_TRADE: 404,
    Reason.TRADE_ALREADY_BUSTED: 409,
    Reason.INVALID_CORRECTION: 400,
    Reason.INVALID_QUOTE: 400,
    Reason.QUOTE_PROTECTION_ACTIVE: 409,
    Reason.INVALID_QUOTE_PROTECTION: 400,
    Reason.TOO_MANY_QUOTE_PROTECTIONS: 503,
    Reason.INVALID_LIST: 400,
}


def _text(value: str, size: int) -> bytes:
    data = value.encode()
    if len(data) > size:
        raise ValueError(f"{value!r} is longer than {size} bytes")
    return data


def pack_record(layout: Struct, values: tuple[Any, ...]) -> bytes:
    """Pack; a value that its field cannot hold is a ValueError."""
    try:
        return layout.pack(*values)
    except struct.error as error:
        raise ValueError(f"a field does not fit: {error}") from error


FEE_TERMS_LAYOUT = Struct("<iI")


class FeeTerms(NamedTuple):
    """What one fee tier pays."""

    maker_fee_ppm: int = 0
    taker_fee_ppm: int = 0

    def encode(self) -> bytes:
        return pack_record(FEE_TERMS_LAYOUT, self)


PRICE_BAND_LAYOUT = Struct("<qq")


class PriceBand(NamedTuple):
    """Prices from here on, up to the next band."""

    from_price_ticks: int = 0
    step_ticks: int = 0

    def encode(self) -> bytes:
        return pack_record(PRICE_BAND_LAYOUT, self)


CALENDAR_ENTRY_LAYOUT = Struct("<II")


class CalendarEntry(NamedTuple):
    """A state that begins every week."""

    minute_of_week: int = 0
    trading_state: int = 0

    def encode(self) -> bytes:
        return pack_record(CALENDAR_ENTRY_LAYOUT, self)


LISTED_ORDER_LAYOUT = Struct("<QqqqqqqqqBBBBBBH")


class ListedOrder(NamedTuple):
    """An order of a list; as in NewOrder, which replaces nothing."""

    client_order_id: int = 0
    price_ticks: int = 0
    quantity_lots: int = 0
    trigger_price_ticks: int = 0
    display_quantity_lots: int = 0
    minimum_quantity_lots: int = 0
    quote_budget_units: int = 0
    expire_time_ns: int = 0
    offset_ticks: int = 0
    side: int = 0
    order_type: int = 0
    time_in_force: int = 0
    flags: int = 0
    self_trade_prevention: int = 0
    peg_reference: int = 0
    trail_offset_bps: int = 0

    def encode(self) -> bytes:
        return pack_record(LISTED_ORDER_LAYOUT, self)


QUOTE_LEVEL_LAYOUT = Struct("<qqqq")


class QuoteLevel(NamedTuple):
    """A bid and an ask; a side with 0 lots is not quoted."""

    bid_price_ticks: int = 0
    bid_lots: int = 0
    ask_price_ticks: int = 0
    ask_lots: int = 0

    def encode(self) -> bytes:
        return pack_record(QUOTE_LEVEL_LAYOUT, self)


_NEW_ORDER = Struct("<BBHIqQQqqqqqqqqQIIBBBBBBH")
_NEW_ORDER_BODY = Struct("<4xIqQQqqqqqqqqQIIBBBBBBH")


class NewOrder(NamedTuple):
    """Places an order."""

    request_id: int = 0
    time_ns: int = 0
    account_id: int = 0
    client_order_id: int = 0
    price_ticks: int = 0
    quantity_lots: int = 0
    trigger_price_ticks: int = 0
    display_quantity_lots: int = 0
    minimum_quantity_lots: int = 0
    quote_budget_units: int = 0
    expire_time_ns: int = 0
    offset_ticks: int = 0
    replaces_order_id: int = 0
    instrument_id: int = 0
    session_id: int = 0
    side: int = 0
    order_type: int = 0
    time_in_force: int = 0
    flags: int = 0
    self_trade_prevention: int = 0
    peg_reference: int = 0
    trail_offset_bps: int = 0

    def encode(self) -> bytes:
        return pack_record(_NEW_ORDER, (VERSION, 1, 120, *self))


_CANCEL_ORDER = Struct("<BBHIqQQQ")
_CANCEL_ORDER_BODY = Struct("<4xIqQQQ")


class CancelOrder(NamedTuple):
    """Cancels one open order, named by order_id or, where that is 0, by client_order_id."""

    request_id: int = 0
    time_ns: int = 0
    account_id: int = 0
    order_id: int = 0
    client_order_id: int = 0

    def encode(self) -> bytes:
        return pack_record(_CANCEL_ORDER, (VERSION, 2, 40, *self))


_REPLACE_ORDER = Struct("<BBHIqQQQqq")
_REPLACE_ORDER_BODY = Struct("<4xIqQQQqq")


class ReplaceOrder(NamedTuple):
    """Changes price and quantity of one open order, which keeps its ids. A smaller quantity at
    the same price keeps its place in the queue; anything else goes to the back of its level
    and may trade first. Refused, it changes nothing.
    """

    request_id: int = 0
    time_ns: int = 0
    account_id: int = 0
    order_id: int = 0
    client_order_id: int = 0
    price_ticks: int = 0
    quantity_lots: int = 0

    def encode(self) -> bytes:
        return pack_record(_REPLACE_ORDER, (VERSION, 3, 56, *self))


_MASS_CANCEL = Struct("<BBHIqQIIB7x")
_MASS_CANCEL_BODY = Struct("<4xIqQIIB7x")


class MassCancel(NamedTuple):
    """Cancels the open orders that match all of this, account by account, oldest first, at
    most cancels_per_command_max.
    """

    request_id: int = 0
    time_ns: int = 0
    account_id: int = 0
    instrument_id: int = 0
    session_id: int = 0
    side: int = 0

    def encode(self) -> bytes:
        return pack_record(_MASS_CANCEL, (VERSION, 4, 40, *self))


_SET_ASSET = Struct("<BBHIq16sIB3x")
_SET_ASSET_BODY = Struct("<4xIq16sIB3x")


class SetAsset(NamedTuple):
    """Lists an asset, or renames it. Decimals never change."""

    request_id: int = 0
    time_ns: int = 0
    symbol: str = ""
    asset_id: int = 0
    decimals: int = 0

    def encode(self) -> bytes:
        return pack_record(
            _SET_ASSET,
            (VERSION, 5, 40, self.request_id, self.time_ns, _text(self.symbol, 16), self.asset_id, self.decimals),
        )


_SET_INSTRUMENT = Struct("<BBHIq16sqqqqqqIIIiIIBBB5xqqqIII4xq")
_SET_INSTRUMENT_BODY = Struct("<4xIq16sqqqqqqIIIiIIBBB5xqqqIII4xq")


class SetInstrument(NamedTuple):
    """Lists an instrument, or changes its limits, fees and trading state. Assets, tick, lot
    and allocation never change. One tick times one lot must be a whole number (at least 1)
    of the quote asset's smallest unit, and the largest order, fee included, must stay below
    units_max.
    """

    request_id: int = 0
    time_ns: int = 0
    symbol: str = ""
    tick_size: int = 0
    lot_size_units: int = 0
    price_ticks_min: int = 0
    price_ticks_max: int = 0
    quantity_lots_min: int = 0
    quantity_lots_max: int = 0
    instrument_id: int = 0
    base_asset_id: int = 0
    quote_asset_id: int = 0
    maker_fee_ppm: int = 0
    taker_fee_ppm: int = 0
    market_protection_ppm: int = 0
    price_decimals: int = 0
    trading_state: int = 0
    allocation: int = 0
    notional_units_min: int = 0
    notional_units_max: int = 0
    reference_price_ticks: int = 0
    static_collar_ppm: int = 0
    dynamic_collar_ppm: int = 0
    breaker_ppm: int = 0
    breaker_auction_ns: int = 0

    def encode(self) -> bytes:
        return pack_record(
            _SET_INSTRUMENT,
            (VERSION, 6, 160, self.request_id, self.time_ns, _text(self.symbol, 16), self.tick_size, self.lot_size_units, self.price_ticks_min, self.price_ticks_max, self.quantity_lots_min, self.quantity_lots_max, self.instrument_id, self.base_asset_id, self.quote_asset_id, self.maker_fee_ppm, self.taker_fee_ppm, self.market_protection_ppm, self.price_decimals, self.trading_state, self.allocation, self.notional_units_min, self.notional_units_max, self.reference_price_ticks, self.static_collar_ppm, self.dynamic_collar_ppm, self.breaker_ppm, self.breaker_auction_ns),
        )


_SET_ACCOUNT = Struct("<BBHIqQQBB6x")
_SET_ACCOUNT_BODY = Struct("<4xIqQQBB6x")


class SetAccount(NamedTuple):
    """Opens an account, or changes its state, its trade group and its fee tier."""

    request_id: int = 0
    time_ns: int = 0
    account_id: int = 0
    trade_group: int = 0
    state: int = 0
    fee_tier: int = 0

    def encode(self) -> bytes:
        return pack_record(_SET_ACCOUNT, (VERSION, 7, 40, *self))


_CREDIT = Struct("<BBHIqQQqI4x")
_CREDIT_BODY = Struct("<4xIqQQqI4x")


class Credit(NamedTuple):
    """Adds to an account's available balance. Applied once per transfer_id."""

    request_id: int = 0
    time_ns: int = 0
    account_id: int = 0
    transfer_id: int = 0
    amount_units: int = 0
    asset_id: int = 0

    def encode(self) -> bytes:
        return pack_record(_CREDIT, (VERSION, 8, 48, *self))


_DEBIT = Struct("<BBHIqQQqI4x")
_DEBIT_BODY = Struct("<4xIqQQqI4x")


class Debit(NamedTuple):
    """Takes from an account's available balance. Applied once per transfer_id."""

    request_id: int = 0
    time_ns: int = 0
    account_id: int = 0
    transfer_id: int = 0
    amount_units: int = 0
    asset_id: int = 0

    def encode(self) -> bytes:
        return pack_record(_DEBIT, (VERSION, 9, 48, *self))


_SET_FEE_SCHEDULE = Struct("<BBHIqI4x")
_SET_FEE_SCHEDULE_BODY = Struct("<4xIqI4x")


class SetFeeSchedule(NamedTuple):
    """Sets what the fee tiers from 1 on pay in an instrument, in place of all that was set
    before; tier 0, and every tier without an item, pays what SetInstrument says. No tier's
    rebate may be larger than any tier's taker fee, so that the house never pays for a
    trade.
    """

    request_id: int = 0
    time_ns: int = 0
    instrument_id: int = 0
    tiers: tuple[FeeTerms, ...] = ()

    def encode(self) -> bytes:
        if len(self.tiers) > 7:
            raise ValueError("at most 7 tiers")
        items = b"".join(item.encode() for item in self.tiers)
        return (
            pack_record(
                _SET_FEE_SCHEDULE,
                (VERSION, 10, 24 + len(items), self.request_id, self.time_ns, self.instrument_id),
            )
            + items
        )


_SET_TICK_TABLE = Struct("<BBHIqI4x")
_SET_TICK_TABLE_BODY = Struct("<4xIqI4x")


class SetTickTable(NamedTuple):
    """Sets which prices orders may name in an instrument, in place of all that was set before.
    Prices below the first band may be any, and with no bands every price may. Open orders
    stay as they are.
    """

    request_id: int = 0
    time_ns: int = 0
    instrument_id: int = 0
    bands: tuple[PriceBand, ...] = ()

    def encode(self) -> bytes:
        if len(self.bands) > 8:
            raise ValueError("at most 8 bands")
        items = b"".join(item.encode() for item in self.bands)
        return (
            pack_record(
                _SET_TICK_TABLE,
                (VERSION, 11, 24 + len(items), self.request_id, self.time_ns, self.instrument_id),
            )
            + items
        )


_SET_TRADING_STATE = Struct("<BBHIqqIBB2x")
_SET_TRADING_STATE_BODY = Struct("<4xIqqIBB2x")


class SetTradingState(NamedTuple):
    """Moves an instrument to a trading state, until told or until a time. Entering continuous
    trading or the close, a crossed book is uncrossed first (AuctionUncrossed, trades);
    where that takes more than one command, the next Ticks go on.
    """

    request_id: int = 0
    time_ns: int = 0
    end_time_ns: int = 0
    instrument_id: int = 0
    state: int = 0
    next_state: int = 0

    def encode(self) -> bytes:
        return pack_record(_SET_TRADING_STATE, (VERSION, 12, 32, *self))


_SET_CALENDAR = Struct("<BBHIqI4x")
_SET_CALENDAR_BODY = Struct("<4xIqI4x")


class SetCalendar(NamedTuple):
    """Sets at which times of the week an instrument changes its trading state, from the next
    entry on and in place of all that was set before; without entries it no longer does.
    Other changes of the state hold until the next entry.
    """

    request_id: int = 0
    time_ns: int = 0
    instrument_id: int = 0
    entries: tuple[CalendarEntry, ...] = ()

    def encode(self) -> bytes:
        if len(self.entries) > 32:
            raise ValueError("at most 32 entries")
        items = b"".join(item.encode() for item in self.entries)
        return (
            pack_record(
                _SET_CALENDAR,
                (VERSION, 13, 24 + len(items), self.request_id, self.time_ns, self.instrument_id),
            )
            + items
        )


_TICK = Struct("<BBHIq")
_TICK_BODY = Struct("<4xIq")


class Tick(NamedTuple):
    """Time has passed: what was due by time_ns happens, at most cancels_per_command_max orders
    of it. The only command that ends anything by time, so each expiry has one cause.
    """

    request_id: int = 0
    time_ns: int = 0

    def encode(self) -> bytes:
        return pack_record(_TICK, (VERSION, 16, 16, *self))


_KILL_SWITCH = Struct("<BBHIqQB7x")
_KILL_SWITCH_BODY = Struct("<4xIqQB7x")


class KillSwitch(NamedTuple):
    """Engaged: cancels the account's open orders at once and refuses new ones and replacements
    until it is released; cancels work. What cancels_per_command_max leaves is canceled by
    the Ticks that follow. An account's own session may engage its own; releasing, and the
    whole shard, is for operators.
    """

    request_id: int = 0
    time_ns: int = 0
    account_id: int = 0
    state: int = 0

    def encode(self) -> bytes:
        return pack_record(_KILL_SWITCH, (VERSION, 17, 32, *self))


_CANCEL_AFTER = Struct("<BBHIqQq")
_CANCEL_AFTER_BODY = Struct("<4xIqQq")


class CancelAfter(NamedTuple):
    """Sets the account's dead-man timer anew: unless it is set again before timeout_ns have
    passed, all open orders of the account are canceled, once.
    """

    request_id: int = 0
    time_ns: int = 0
    account_id: int = 0
    timeout_ns: int = 0

    def encode(self) -> bytes:
        return pack_record(_CANCEL_AFTER, (VERSION, 18, 32, *self))


_SESSION_ENDED = Struct("<BBHIqQI4x")
_SESSION_ENDED_BODY = Struct("<4xIqQI4x")


class SessionEnded(NamedTuple):
    """A session that asked for cancel_on_disconnect is gone: cancels the orders that it sent,
    as MassCancel does.
    """

    request_id: int = 0
    time_ns: int = 0
    account_id: int = 0
    session_id: int = 0

    def encode(self) -> bytes:
        return pack_record(_SESSION_ENDED, (VERSION, 19, 32, *self))


_NEW_ORDER_LIST = Struct("<BBHIqQIIB7x")
_NEW_ORDER_LIST_BODY = Struct("<4xIqQIIB7x")


class NewOrderList(NamedTuple):
    """Places orders of one account in one instrument in one command. What their trades trigger
    comes after the last of them; together they meet at most fills_per_command_max makers.
    """

    request_id: int = 0
    time_ns: int = 0
    account_id: int = 0
    instrument_id: int = 0
    session_id: int = 0
    kind: int = 0
    orders: tuple[ListedOrder, ...] = ()

    def encode(self) -> bytes:
        if len(self.orders) > 16:
            raise ValueError("at most 16 orders")
        items = b"".join(item.encode() for item in self.orders)
        return (
            pack_record(
                _NEW_ORDER_LIST,
                (VERSION, 20, 40 + len(items), self.request_id, self.time_ns, self.account_id, self.instrument_id, self.session_id, self.kind),
            )
            + items
        )


_MASS_QUOTE = Struct("<BBHIqQIIBB6x")
_MASS_QUOTE_BODY = Struct("<4xIqQIIBB6x")


class MassQuote(NamedTuple):
    """Puts these quotes in the place of all that the account has in the instrument; without
    levels it has none. A quote of the same price, flags, mode and session whose quantity
    does not grow keeps its place; all others go, and the new ones are placed level by
    level, the bid first, as limit orders that are gtc. All or nothing: refused, it changes
    nothing. A quote trades on what it crosses until the command has met
    fills_per_command_max makers.
    """

    request_id: int = 0
    time_ns: int = 0
    account_id: int = 0
    instrument_id: int = 0
    session_id: int = 0
    flags: int = 0
    self_trade_prevention: int = 0
    levels: tuple[QuoteLevel, ...] = ()

    def encode(self) -> bytes:
        if len(self.levels) > 32:
            raise ValueError("at most 32 levels")
        items = b"".join(item.encode() for item in self.levels)
        return (
            pack_record(
                _MASS_QUOTE,
                (VERSION, 24, 40 + len(items), self.request_id, self.time_ns, self.account_id, self.instrument_id, self.session_id, self.flags, self.self_trade_prevention),
            )
            + items
        )


_SET_QUOTE_PROTECTION = Struct("<BBHIqQqqII")
_SET_QUOTE_PROTECTION_BODY = Struct("<4xIqQqqII")


class SetQuoteProtection(NamedTuple):
    """Sets the account's protection in an instrument anew: when its quotes have traded this
    much within a window, all of them are canceled and MassQuote is refused until this is
    sent again. All three 0: off. A window begins with a fill, and the first fill after its
    end begins the next. What fills a quote is done first: a taker may reach beyond the
    limit.
    """

    request_id: int = 0
    time_ns: int = 0
    account_id: int = 0
    window_ns: int = 0
    filled_lots_max: int = 0
    fill_count_max: int = 0
    instrument_id: int = 0

    def encode(self) -> bytes:
        return pack_record(_SET_QUOTE_PROTECTION, (VERSION, 25, 48, *self))


_BUST_TRADE = Struct("<BBHIqQ")
_BUST_TRADE_BODY = Struct("<4xIqQ")


class BustTrade(NamedTuple):
    """Undoes a trade: both parties give back what they got, and the house both fees, out of
    what they have available. Orders, the last price and stop orders stay as the trade left
    them. Refused with insufficient_funds where one of the three cannot give back: nothing
    changes.
    """

    request_id: int = 0
    time_ns: int = 0
    trade_id: int = 0

    def encode(self) -> bytes:
        return pack_record(_BUST_TRADE, (VERSION, 26, 24, *self))


_CORRECT_TRADE = Struct("<BBHIqQqq")
_CORRECT_TRADE_BODY = Struct("<4xIqQqq")


class CorrectTrade(NamedTuple):
    """Gives a trade another price, a smaller quantity, or both: the parties and the house move
    the difference, with fees at the rates of the trade. Else as BustTrade.
    """

    request_id: int = 0
    time_ns: int = 0
    trade_id: int = 0
    price_ticks: int = 0
    quantity_lots: int = 0

    def encode(self) -> bytes:
        return pack_record(_CORRECT_TRADE, (VERSION, 27, 40, *self))


_LOGON = Struct("<BBHIQ32sB7x")
_LOGON_BODY = Struct("<4xIQ32sB7x")


class Logon(NamedTuple):
    """Names the session's account and proves it. Answered with LoggedOn. A reconnect makes a
    new session: log on again.
    """

    request_id: int = 0
    account_id: int = 0
    key: bytes = bytes(32)
    flags: int = 0

    def encode(self) -> bytes:
        return pack_record(_LOGON, (VERSION, 32, 56, *self))


_STATUS_QUERY = Struct("<BBHI")
_STATUS_QUERY_BODY = Struct("<4xI")


class StatusQuery(NamedTuple):
    """Asks for ShardStatus; also the heartbeat, and what a session that asked for
    cancel_on_disconnect sends when it has nothing else to send.
    """

    request_id: int = 0

    def encode(self) -> bytes:
        return pack_record(_STATUS_QUERY, (VERSION, 33, 8, *self))


_INSTRUMENTS_QUERY = Struct("<BBHI")
_INSTRUMENTS_QUERY_BODY = Struct("<4xI")


class InstrumentsQuery(NamedTuple):
    """Answered with AssetChanged and InstrumentChanged records as they stand, each instrument
    followed by the FeeScheduleChanged and TickTableChanged that it has, then QueryEnd.
    """

    request_id: int = 0

    def encode(self) -> bytes:
        return pack_record(_INSTRUMENTS_QUERY, (VERSION, 34, 8, *self))


_BOOK_QUERY = Struct("<BBHIII")
_BOOK_QUERY_BODY = Struct("<4xIII")


class BookQuery(NamedTuple):
    """Answered with BookLevel records, best first, bids before asks, then QueryEnd."""

    request_id: int = 0
    instrument_id: int = 0
    levels_max: int = 0

    def encode(self) -> bytes:
        return pack_record(_BOOK_QUERY, (VERSION, 35, 16, *self))


_ORDER_QUERY = Struct("<BBHIQQQ")
_ORDER_QUERY_BODY = Struct("<4xIQQQ")


class OrderQuery(NamedTuple):
    """Answered with one ExecutionReport of kind `status`, or Reject `unknown_order` if the
    order is not open.
    """

    request_id: int = 0
    account_id: int = 0
    order_id: int = 0
    client_order_id: int = 0

    def encode(self) -> bytes:
        return pack_record(_ORDER_QUERY, (VERSION, 36, 32, *self))


_OPEN_ORDERS_QUERY = Struct("<BBHIQQII")
_OPEN_ORDERS_QUERY_BODY = Struct("<4xIQQII")


class OpenOrdersQuery(NamedTuple):
    """Answered with ExecutionReport records of kind `status`, oldest first, then QueryEnd."""

    request_id: int = 0
    account_id: int = 0
    after_order_id: int = 0
    instrument_id: int = 0
    count_max: int = 0

    def encode(self) -> bytes:
        return pack_record(_OPEN_ORDERS_QUERY, (VERSION, 37, 32, *self))


_BALANCES_QUERY = Struct("<BBHIQ")
_BALANCES_QUERY_BODY = Struct("<4xIQ")


class BalancesQuery(NamedTuple):
    """Answered with Balance records by asset_id, then QueryEnd."""

    request_id: int = 0
    account_id: int = 0

    def encode(self) -> bytes:
        return pack_record(_BALANCES_QUERY, (VERSION, 38, 16, *self))


_TRACE_CONTEXT = Struct("<BBHI16s8s")
_TRACE_CONTEXT_BODY = Struct("<4xI16s8s")


class TraceContext(NamedTuple):
    """For operators' sessions. The next command of the same message belongs to this trace (W3C
    Trace Context); it is not answered, unless it is refused. request_id is that of the
    command.
    """

    request_id: int = 0
    trace_id: bytes = bytes(16)
    span_id: bytes = bytes(8)

    def encode(self) -> bytes:
        return pack_record(_TRACE_CONTEXT, (VERSION, 39, 32, *self))


_ORDER_ACCEPTED = Struct("<BBHIQqQQQqqqqqqIIBBBBBBH")
_ORDER_ACCEPTED_BODY = Struct("<4xIQqQQQqqqqqqIIBBBBBBH")


class OrderAccepted(NamedTuple):
    """The order passed every check. Trades and a cancel may follow under the same seq."""

    request_id: int = 0
    seq: int = 0
    time_ns: int = 0
    order_id: int = 0
    account_id: int = 0
    client_order_id: int = 0
    price_ticks: int = 0
    quantity_lots: int = 0
    trigger_price_ticks: int = 0
    display_quantity_lots: int = 0
    expire_time_ns: int = 0
    offset_ticks: int = 0
    instrument_id: int = 0
    session_id: int = 0
    side: int = 0
    order_type: int = 0
    time_in_force: int = 0
    flags: int = 0
    self_trade_prevention: int = 0
    peg_reference: int = 0
    trail_offset_bps: int = 0

    def encode(self) -> bytes:
        return pack_record(_ORDER_ACCEPTED, (VERSION, 64, 112, *self))


_ORDER_REJECTED = Struct("<BBHIQqQQQIHB1x")
_ORDER_REJECTED_BODY = Struct("<4xIQqQQQIHB1x")


class OrderRejected(NamedTuple):
    """A NewOrder, CancelOrder or ReplaceOrder, or one order of a list of kind `each`, was
    refused; nothing changed.
    """

    request_id: int = 0
    seq: int = 0
    time_ns: int = 0
    order_id: int = 0
    account_id: int = 0
    client_order_id: int = 0
    instrument_id: int = 0
    reason: int = 0
    command_type: int = 0

    def encode(self) -> bytes:
        return pack_record(_ORDER_REJECTED, (VERSION, 65, 56, *self))


_TRADE = Struct("<BBHIQqQqqqqQQQQQQqqqqIB3x")
_TRADE_BODY = Struct("<4xIQqQqqqqQQQQQQqqqqIB3x")


class Trade(NamedTuple):
    """One maker met the taker, at the maker's price; in an auction the younger order is the
    taker.
    """

    request_id: int = 0
    seq: int = 0
    time_ns: int = 0
    trade_id: int = 0
    price_ticks: int = 0
    quantity_lots: int = 0
    notional_units: int = 0
    base_units: int = 0
    maker_order_id: int = 0
    taker_order_id: int = 0
    maker_account_id: int = 0
    taker_account_id: int = 0
    maker_client_order_id: int = 0
    taker_client_order_id: int = 0
    maker_fee_units: int = 0
    taker_fee_units: int = 0
    maker_remaining_lots: int = 0
    taker_remaining_lots: int = 0
    instrument_id: int = 0
    taker_side: int = 0

    def encode(self) -> bytes:
        return pack_record(_TRADE, (VERSION, 66, 152, *self))


_ORDER_CANCELED = Struct("<BBHIQqQQQqqqIBB2x")
_ORDER_CANCELED_BODY = Struct("<4xIQqQQQqqqIBB2x")


class OrderCanceled(NamedTuple):
    """What was open of the order is gone."""

    request_id: int = 0
    seq: int = 0
    time_ns: int = 0
    order_id: int = 0
    account_id: int = 0
    client_order_id: int = 0
    canceled_lots: int = 0
    filled_lots: int = 0
    price_ticks: int = 0
    instrument_id: int = 0
    side: int = 0
    reason: int = 0

    def encode(self) -> bytes:
        return pack_record(_ORDER_CANCELED, (VERSION, 67, 80, *self))


_ORDER_REPLACED = Struct("<BBHIQqQQQqqqIBB2x")
_ORDER_REPLACED_BODY = Struct("<4xIQqQQQqqqIBB2x")


class OrderReplaced(NamedTuple):
    """The order has a new price or quantity: it was replaced, or is pegged and has come to
    rest at another price. Trades may follow under the same seq.
    """

    request_id: int = 0
    seq: int = 0
    time_ns: int = 0
    order_id: int = 0
    account_id: int = 0
    client_order_id: int = 0
    price_ticks: int = 0
    quantity_lots: int = 0
    filled_lots: int = 0
    instrument_id: int = 0
    side: int = 0
    flags: int = 0

    def encode(self) -> bytes:
        return pack_record(_ORDER_REPLACED, (VERSION, 68, 80, *self))


_MASS_CANCELED = Struct("<BBHIQqQII")
_MASS_CANCELED_BODY = Struct("<4xIQqQII")


class MassCanceled(NamedTuple):
    """Ends a MassCancel or a SessionEnded, after its OrderCanceled events."""

    request_id: int = 0
    seq: int = 0
    time_ns: int = 0
    account_id: int = 0
    canceled_count: int = 0
    remaining_count: int = 0

    def encode(self) -> bytes:
        return pack_record(_MASS_CANCELED, (VERSION, 69, 40, *self))


_BALANCE_CHANGED = Struct("<BBHIQqQQqqqI4x")
_BALANCE_CHANGED_BODY = Struct("<4xIQqQQqqqI4x")


class BalanceChanged(NamedTuple):
    """A Credit or Debit was applied."""

    request_id: int = 0
    seq: int = 0
    time_ns: int = 0
    account_id: int = 0
    transfer_id: int = 0
    delta_units: int = 0
    available_units: int = 0
    held_units: int = 0
    asset_id: int = 0

    def encode(self) -> bytes:
        return pack_record(_BALANCE_CHANGED, (VERSION, 70, 72, *self))


_ASSET_CHANGED = Struct("<BBHIQq16sIB3x")
_ASSET_CHANGED_BODY = Struct("<4xIQq16sIB3x")


class AssetChanged(NamedTuple):
    """An asset as it stands."""

    request_id: int = 0
    seq: int = 0
    time_ns: int = 0
    symbol: str = ""
    asset_id: int = 0
    decimals: int = 0

    def encode(self) -> bytes:
        return pack_record(
            _ASSET_CHANGED,
            (VERSION, 71, 48, self.request_id, self.seq, self.time_ns, _text(self.symbol, 16), self.asset_id, self.decimals),
        )


_INSTRUMENT_CHANGED = Struct("<BBHIQq16sqqqqqqqIIIiIIBBB5xqqqIII4xq")
_INSTRUMENT_CHANGED_BODY = Struct("<4xIQq16sqqqqqqqIIIiIIBBB5xqqqIII4xq")


class InstrumentChanged(NamedTuple):
    """An instrument as it stands."""

    request_id: int = 0
    seq: int = 0
    time_ns: int = 0
    symbol: str = ""
    tick_size: int = 0
    lot_size_units: int = 0
    tick_lot_units: int = 0
    price_ticks_min: int = 0
    price_ticks_max: int = 0
    quantity_lots_min: int = 0
    quantity_lots_max: int = 0
    instrument_id: int = 0
    base_asset_id: int = 0
    quote_asset_id: int = 0
    maker_fee_ppm: int = 0
    taker_fee_ppm: int = 0
    market_protection_ppm: int = 0
    price_decimals: int = 0
    trading_state: int = 0
    allocation: int = 0
    notional_units_min: int = 0
    notional_units_max: int = 0
    reference_price_ticks: int = 0
    static_collar_ppm: int = 0
    dynamic_collar_ppm: int = 0
    breaker_ppm: int = 0
    breaker_auction_ns: int = 0

    def encode(self) -> bytes:
        return pack_record(
            _INSTRUMENT_CHANGED,
            (VERSION, 72, 176, self.request_id, self.seq, self.time_ns, _text(self.symbol, 16), self.tick_size, self.lot_size_units, self.tick_lot_units, self.price_ticks_min, self.price_ticks_max, self.quantity_lots_min, self.quantity_lots_max, self.instrument_id, self.base_asset_id, self.quote_asset_id, self.maker_fee_ppm, self.taker_fee_ppm, self.market_protection_ppm, self.price_decimals, self.trading_state, self.allocation, self.notional_units_min, self.notional_units_max, self.reference_price_ticks, self.static_collar_ppm, self.dynamic_collar_ppm, self.breaker_ppm, self.breaker_auction_ns),
        )


_ACCOUNT_CHANGED = Struct("<BBHIQqQQBB6x")
_ACCOUNT_CHANGED_BODY = Struct("<4xIQqQQBB6x")


class AccountChanged(NamedTuple):
    """An account as it stands."""

    request_id: int = 0
    seq: int = 0
    time_ns: int = 0
    account_id: int = 0
    trade_group: int = 0
    state: int = 0
    fee_tier: int = 0

    def encode(self) -> bytes:
        return pack_record(_ACCOUNT_CHANGED, (VERSION, 73, 48, *self))


_COMMAND_REJECTED = Struct("<BBHIQqQHB5x")
_COMMAND_REJECTED_BODY = Struct("<4xIQqQHB5x")


class CommandRejected(NamedTuple):
    """A MassCancel or an administrative command was refused; nothing changed."""

    request_id: int = 0
    seq: int = 0
    time_ns: int = 0
    account_id: int = 0
    reason: int = 0
    command_type: int = 0

    def encode(self) -> bytes:
        return pack_record(_COMMAND_REJECTED, (VERSION, 74, 40, *self))


_SELF_TRADE_PREVENTED = Struct("<BBHIQqqqQQQQQQqqqqIBB2x")
_SELF_TRADE_PREVENTED_BODY = Struct("<4xIQqqqQQQQQQqqqqIBB2x")


class SelfTradePrevented(NamedTuple):
    """A maker and a taker of one trade group met and did not trade. The OrderCanceled events
    of those that end by it follow, the maker's first; an order that goes on has the
    quantity named here.
    """

    request_id: int = 0
    seq: int = 0
    time_ns: int = 0
    price_ticks: int = 0
    prevented_lots: int = 0
    maker_order_id: int = 0
    taker_order_id: int = 0
    maker_account_id: int = 0
    taker_account_id: int = 0
    maker_client_order_id: int = 0
    taker_client_order_id: int = 0
    maker_quantity_lots: int = 0
    taker_quantity_lots: int = 0
    maker_remaining_lots: int = 0
    taker_remaining_lots: int = 0
    instrument_id: int = 0
    taker_side: int = 0
    mode: int = 0

    def encode(self) -> bytes:
        return pack_record(_SELF_TRADE_PREVENTED, (VERSION, 75, 128, *self))


_ORDER_TRIGGERED = Struct("<BBHIQqQQQqqIBB2x")
_ORDER_TRIGGERED_BODY = Struct("<4xIQqQQQqqIBB2x")


class OrderTriggered(NamedTuple):
    """A trade reached a waiting order's trigger price, or the closing auction began (then both
    prices are 0). Its trades and perhaps its cancel follow.
    """

    request_id: int = 0
    seq: int = 0
    time_ns: int = 0
    order_id: int = 0
    account_id: int = 0
    client_order_id: int = 0
    trigger_price_ticks: int = 0
    reached_price_ticks: int = 0
    instrument_id: int = 0
    side: int = 0
    order_type: int = 0

    def encode(self) -> bytes:
        return pack_record(_ORDER_TRIGGERED, (VERSION, 76, 72, *self))


_TRADE_BUSTED = Struct("<BBHIQqQQqqqqQQQQqqIB3x")
_TRADE_BUSTED_BODY = Struct("<4xIQqQQqqqqQQQQqqIB3x")


class TradeBusted(NamedTuple):
    """A trade was undone: what stands here went back."""

    request_id: int = 0
    seq: int = 0
    time_ns: int = 0
    trade_id: int = 0
    trade_seq: int = 0
    price_ticks: int = 0
    quantity_lots: int = 0
    notional_units: int = 0
    base_units: int = 0
    maker_order_id: int = 0
    taker_order_id: int = 0
    maker_account_id: int = 0
    taker_account_id: int = 0
    maker_fee_units: int = 0
    taker_fee_units: int = 0
    instrument_id: int = 0
    taker_side: int = 0

    def encode(self) -> bytes:
        return pack_record(_TRADE_BUSTED, (VERSION, 77, 128, *self))


_TRADE_CORRECTED = Struct("<BBHIQqQQqqqqQQQQqqqqqqqqIB3x")
_TRADE_CORRECTED_BODY = Struct("<4xIQqQQqqqqQQQQqqqqqqqqIB3x")


class TradeCorrected(NamedTuple):
    """A trade has another price or quantity: the differences moved between its parties and the
    house.
    """

    request_id: int = 0
    seq: int = 0
    time_ns: int = 0
    trade_id: int = 0
    trade_seq: int = 0
    price_ticks: int = 0
    quantity_lots: int = 0
    notional_units: int = 0
    base_units: int = 0
    maker_order_id: int = 0
    taker_order_id: int = 0
    maker_account_id: int = 0
    taker_account_id: int = 0
    maker_fee_units: int = 0
    taker_fee_units: int = 0
    previous_price_ticks: int = 0
    previous_quantity_lots: int = 0
    previous_notional_units: int = 0
    previous_base_units: int = 0
    previous_maker_fee_units: int = 0
    previous_taker_fee_units: int = 0
    instrument_id: int = 0
    taker_side: int = 0

    def encode(self) -> bytes:
        return pack_record(_TRADE_CORRECTED, (VERSION, 78, 176, *self))


_MASS_QUOTED = Struct("<BBHIQqQIIII")
_MASS_QUOTED_BODY = Struct("<4xIQqQIIII")


class MassQuoted(NamedTuple):
    """Ends what a MassQuote did with the account's quotes, after their events."""

    request_id: int = 0
    seq: int = 0
    time_ns: int = 0
    account_id: int = 0
    instrument_id: int = 0
    kept_count: int = 0
    canceled_count: int = 0
    placed_count: int = 0

    def encode(self) -> bytes:
        return pack_record(_MASS_QUOTED, (VERSION, 79, 48, *self))


_QUOTE_PROTECTION_CHANGED = Struct("<BBHIQqQqqIIIB3x")
_QUOTE_PROTECTION_CHANGED_BODY = Struct("<4xIQqQqqIIIB3x")


class QuoteProtectionChanged(NamedTuple):
    """An account's protection in an instrument as it stands: set, switched off, or pulled,
    after the quotes that it canceled.
    """

    request_id: int = 0
    seq: int = 0
    time_ns: int = 0
    account_id: int = 0
    window_ns: int = 0
    filled_lots_max: int = 0
    fill_count_max: int = 0
    instrument_id: int = 0
    canceled_count: int = 0
    state: int = 0

    def encode(self) -> bytes:
        return pack_record(_QUOTE_PROTECTION_CHANGED, (VERSION, 80, 64, *self))


_FEE_SCHEDULE_CHANGED = Struct("<BBHIQqI4x")
_FEE_SCHEDULE_CHANGED_BODY = Struct("<4xIQqI4x")


class FeeScheduleChanged(NamedTuple):
    """What the fee tiers of an instrument pay from now on; open orders keep the fees that they
    were placed with.
    """

    request_id: int = 0
    seq: int = 0
    time_ns: int = 0
    instrument_id: int = 0
    tiers: tuple[FeeTerms, ...] = ()

    def encode(self) -> bytes:
        if len(self.tiers) > 7:
            raise ValueError("at most 7 tiers")
        items = b"".join(item.encode() for item in self.tiers)
        return (
            pack_record(
                _FEE_SCHEDULE_CHANGED,
                (VERSION, 81, 32 + len(items), self.request_id, self.seq, self.time_ns, self.instrument_id),
            )
            + items
        )


_TICK_TABLE_CHANGED = Struct("<BBHIQqI4x")
_TICK_TABLE_CHANGED_BODY = Struct("<4xIQqI4x")


class TickTableChanged(NamedTuple):
    """Which prices orders may name in an instrument from now on."""

    request_id: int = 0
    seq: int = 0
    time_ns: int = 0
    instrument_id: int = 0
    bands: tuple[PriceBand, ...] = ()

    def encode(self) -> bytes:
        if len(self.bands) > 8:
            raise ValueError("at most 8 bands")
        items = b"".join(item.encode() for item in self.bands)
        return (
            pack_record(
                _TICK_TABLE_CHANGED,
                (VERSION, 82, 32 + len(items), self.request_id, self.seq, self.time_ns, self.instrument_id),
            )
            + items
        )


_TRADING_STATE_CHANGED = Struct("<BBHIQqqIBBB1x")
_TRADING_STATE_CHANGED_BODY = Struct("<4xIQqqIBBB1x")


class TradingStateChanged(NamedTuple):
    """An instrument is in another trading state, or in the same one with another end."""

    request_id: int = 0
    seq: int = 0
    time_ns: int = 0
    end_time_ns: int = 0
    instrument_id: int = 0
    state: int = 0
    previous_state: int = 0
    next_state: int = 0

    def encode(self) -> bytes:
        return pack_record(_TRADING_STATE_CHANGED, (VERSION, 83, 40, *self))


_AUCTION_UNCROSSED = Struct("<BBHIQqqqqIB3x")
_AUCTION_UNCROSSED_BODY = Struct("<4xIQqqqqIB3x")


class AuctionUncrossed(NamedTuple):
    """An auction found its price. Its trades follow, in this command and perhaps in the next
    Ticks; self-trade prevention may make them fewer.
    """

    request_id: int = 0
    seq: int = 0
    time_ns: int = 0
    price_ticks: int = 0
    volume_lots: int = 0
    imbalance_lots: int = 0
    instrument_id: int = 0
    imbalance_side: int = 0

    def encode(self) -> bytes:
        return pack_record(_AUCTION_UNCROSSED, (VERSION, 84, 56, *self))


_CALENDAR_CHANGED = Struct("<BBHIQqI4x")
_CALENDAR_CHANGED_BODY = Struct("<4xIQqI4x")


class CalendarChanged(NamedTuple):
    """At which times of the week an instrument changes its trading state from now on."""

    request_id: int = 0
    seq: int = 0
    time_ns: int = 0
    instrument_id: int = 0
    entries: tuple[CalendarEntry, ...] = ()

    def encode(self) -> bytes:
        if len(self.entries) > 32:
            raise ValueError("at most 32 entries")
        items = b"".join(item.encode() for item in self.entries)
        return (
            pack_record(
                _CALENDAR_CHANGED,
                (VERSION, 85, 32 + len(items), self.request_id, self.seq, self.time_ns, self.instrument_id),
            )
            + items
        )


_ORDER_ACTIVATED = Struct("<BBHIQqQQQqIBB2x")
_ORDER_ACTIVATED_BODY = Struct("<4xIQqQQQqIBB2x")


class OrderActivated(NamedTuple):
    """The first order of its list is filled, and this one is placed: it rests, trades or waits
    for its trigger price. Its trades and perhaps its cancel follow.
    """

    request_id: int = 0
    seq: int = 0
    time_ns: int = 0
    order_id: int = 0
    account_id: int = 0
    client_order_id: int = 0
    trigger_price_ticks: int = 0
    instrument_id: int = 0
    side: int = 0
    order_type: int = 0

    def encode(self) -> bytes:
        return pack_record(_ORDER_ACTIVATED, (VERSION, 86, 64, *self))


_TICKED = Struct("<BBHIQqqI4x")
_TICKED_BODY = Struct("<4xIQqqI4x")


class Ticked(NamedTuple):
    """Ends a Tick, after what was due."""

    request_id: int = 0
    seq: int = 0
    time_ns: int = 0
    next_deadline_ns: int = 0
    canceled_count: int = 0

    def encode(self) -> bytes:
        return pack_record(_TICKED, (VERSION, 88, 40, *self))


_KILL_SWITCH_CHANGED = Struct("<BBHIQqQIB3x")
_KILL_SWITCH_CHANGED_BODY = Struct("<4xIQqQIB3x")


class KillSwitchChanged(NamedTuple):
    """A kill switch as it stands. The orders that it cancels stand before this event, or in
    later Ticks.
    """

    request_id: int = 0
    seq: int = 0
    time_ns: int = 0
    account_id: int = 0
    canceled_count: int = 0
    state: int = 0

    def encode(self) -> bytes:
        return pack_record(_KILL_SWITCH_CHANGED, (VERSION, 89, 40, *self))


_CANCEL_AFTER_CHANGED = Struct("<BBHIQqQq")
_CANCEL_AFTER_CHANGED_BODY = Struct("<4xIQqQq")


class CancelAfterChanged(NamedTuple):
    """An account's dead-man timer as it stands: set, switched off, or run out, after the last
    order that it canceled.
    """

    request_id: int = 0
    seq: int = 0
    time_ns: int = 0
    account_id: int = 0
    deadline_ns: int = 0

    def encode(self) -> bytes:
        return pack_record(_CANCEL_AFTER_CHANGED, (VERSION, 90, 40, *self))


_ORDER_LIST_PLACED = Struct("<BBHIQqQQIHHB7x")
_ORDER_LIST_PLACED_BODY = Struct("<4xIQqQQIHHB7x")


class OrderListPlaced(NamedTuple):
    """Ends a NewOrderList, after the events of its orders and before what they trigger."""

    request_id: int = 0
    seq: int = 0
    time_ns: int = 0
    account_id: int = 0
    first_order_id: int = 0
    instrument_id: int = 0
    accepted_count: int = 0
    rejected_count: int = 0
    kind: int = 0

    def encode(self) -> bytes:
        return pack_record(_ORDER_LIST_PLACED, (VERSION, 91, 56, *self))


_ORDER_LIST_REJECTED = Struct("<BBHIQqQQIHBB")
_ORDER_LIST_REJECTED_BODY = Struct("<4xIQqQQIHBB")


class OrderListRejected(NamedTuple):
    """A NewOrderList was refused as a whole; nothing changed."""

    request_id: int = 0
    seq: int = 0
    time_ns: int = 0
    account_id: int = 0
    client_order_id: int = 0
    instrument_id: int = 0
    reason: int = 0
    index: int = 0  # type: ignore[assignment]
    kind: int = 0

    def encode(self) -> bytes:
        return pack_record(_ORDER_LIST_REJECTED, (VERSION, 92, 48, *self))


_EXECUTION_REPORT = Struct("<BBHIQqQQQqqqqQqqqqqqqIHBBBBBBBBBBHBB4x")
_EXECUTION_REPORT_BODY = Struct("<4xIQqQQQqqqqQqqqqqqqIHBBBBBBBBBBHBB4x")


class ExecutionReport(NamedTuple):
    """What happened to one order of the session's account. Answers carry the request's
    request_id, and the last of them the flag `last`; reports that nobody asked for carry 0.
    """

    request_id: int = 0
    seq: int = 0
    time_ns: int = 0
    order_id: int = 0
    account_id: int = 0
    client_order_id: int = 0
    price_ticks: int = 0
    quantity_lots: int = 0
    filled_lots: int = 0
    remaining_lots: int = 0
    trade_id: int = 0
    trade_price_ticks: int = 0
    trade_quantity_lots: int = 0
    fee_units: int = 0
    trigger_price_ticks: int = 0
    display_quantity_lots: int = 0
    expire_time_ns: int = 0
    offset_ticks: int = 0
    instrument_id: int = 0
    reason: int = 0
    kind: int = 0
    status: int = 0
    side: int = 0
    order_type: int = 0
    time_in_force: int = 0
    order_flags: int = 0
    liquidity: int = 0
    cancel_reason: int = 0
    command_type: int = 0
    flags: int = 0
    trail_offset_bps: int = 0
    self_trade_prevention: int = 0
    peg_reference: int = 0

    def encode(self) -> bytes:
        return pack_record(_EXECUTION_REPORT, (VERSION, 96, 168, *self))


_REJECT = Struct("<BBHIQIHBB")
_REJECT_BODY = Struct("<4xIQIHBB")


class Reject(NamedTuple):
    """The request was refused before it was sequenced, or a query or an administrative command
    was refused; or, `busy` with a seq, an order that was sent again cannot be given its
    first answer, since the peer does not read.
    """

    request_id: int = 0
    seq: int = 0
    offset_bytes: int = 0
    reason: int = 0
    record_type: int = 0
    flags: int = 0

    def encode(self) -> bytes:
        return pack_record(_REJECT, (VERSION, 97, 24, *self))


_LOGGED_ON = Struct("<BBHIQQIIB7x")
_LOGGED_ON_BODY = Struct("<4xIQQIIB7x")


class LoggedOn(NamedTuple):
    """The session may send."""

    request_id: int = 0
    account_id: int = 0
    seq: int = 0
    shard_id: int = 0
    session_id: int = 0
    durability: int = 0

    def encode(self) -> bytes:
        return pack_record(_LOGGED_ON, (VERSION, 98, 40, *self))


_SHARD_STATUS = Struct("<BBHIQQQqQII")
_SHARD_STATUS_BODY = Struct("<4xIQQQqQII")


class ShardStatus(NamedTuple):
    """Where the shard stands. Sessions that asked for cancel_on_disconnect, and have sent an
    order, get one each second that answers nothing: its request_id is 0.
    """

    request_id: int = 0
    seq: int = 0
    committed_seq: int = 0
    digest: int = 0
    time_ns: int = 0
    open_order_count: int = 0
    account_count: int = 0
    shard_id: int = 0

    def encode(self) -> bytes:
        return pack_record(_SHARD_STATUS, (VERSION, 99, 56, *self))


_BOOK_LEVEL = Struct("<BBHIqqIIB7x")
_BOOK_LEVEL_BODY = Struct("<4xIqqIIB7x")


class BookLevel(NamedTuple):
    """One price level."""

    request_id: int = 0
    price_ticks: int = 0
    quantity_lots: int = 0
    order_count: int = 0
    instrument_id: int = 0
    side: int = 0

    def encode(self) -> bytes:
        return pack_record(_BOOK_LEVEL, (VERSION, 100, 40, *self))


_BALANCE = Struct("<BBHIQqqI4x")
_BALANCE_BODY = Struct("<4xIQqqI4x")


class Balance(NamedTuple):
    """One asset of one account."""

    request_id: int = 0
    account_id: int = 0
    available_units: int = 0
    held_units: int = 0
    asset_id: int = 0

    def encode(self) -> bytes:
        return pack_record(_BALANCE, (VERSION, 101, 40, *self))


_QUERY_END = Struct("<BBHIQQI4x")
_QUERY_END_BODY = Struct("<4xIQQI4x")


class QueryEnd(NamedTuple):
    """Ends the answer to a query."""

    request_id: int = 0
    seq: int = 0
    account_seq: int = 0
    count: int = 0  # type: ignore[assignment]

    def encode(self) -> bytes:
        return pack_record(_QUERY_END, (VERSION, 102, 32, *self))


_MARKET_TRADE = Struct("<BBHIQqQqqIB3x")
_MARKET_TRADE_BODY = Struct("<4xIQqQqqIB3x")


class MarketTrade(NamedTuple):
    """A trade, after it is durable."""

    request_id: int = 0
    seq: int = 0
    time_ns: int = 0
    trade_id: int = 0
    price_ticks: int = 0
    quantity_lots: int = 0
    instrument_id: int = 0
    taker_side: int = 0

    def encode(self) -> bytes:
        return pack_record(_MARKET_TRADE, (VERSION, 112, 56, *self))


_TOP_OF_BOOK = Struct("<BBHIQqqqqqI4x")
_TOP_OF_BOOK_BODY = Struct("<4xIQqqqqqI4x")


class TopOfBook(NamedTuple):
    """Best bid and ask after a commit that changed them; a side without orders has price and
    quantity 0.
    """

    request_id: int = 0
    seq: int = 0
    time_ns: int = 0
    bid_price_ticks: int = 0
    bid_quantity_lots: int = 0
    ask_price_ticks: int = 0
    ask_quantity_lots: int = 0
    instrument_id: int = 0

    def encode(self) -> bytes:
        return pack_record(_TOP_OF_BOOK, (VERSION, 113, 64, *self))


_AUCTION_INDICATIVE = Struct("<BBHIQqqqqIB3x")
_AUCTION_INDICATIVE_BODY = Struct("<4xIQqqqqIB3x")


class AuctionIndicative(NamedTuple):
    """What an auction would do if it ended now, after a commit that changed it, while the
    instrument is in an auction state; all 0 while nothing crosses, and once when the
    auction is over.
    """

    request_id: int = 0
    seq: int = 0
    time_ns: int = 0
    indicative_price_ticks: int = 0
    executable_lots: int = 0
    imbalance_lots: int = 0
    instrument_id: int = 0
    imbalance_side: int = 0

    def encode(self) -> bytes:
        return pack_record(_AUCTION_INDICATIVE, (VERSION, 114, 56, *self))


_MARKET_TRADE_CHANGED = Struct("<BBHIQqQqqIB3x")
_MARKET_TRADE_CHANGED_BODY = Struct("<4xIQqQqqIB3x")


class MarketTradeChanged(NamedTuple):
    """A trade was busted or corrected, after that is durable."""

    request_id: int = 0
    seq: int = 0
    time_ns: int = 0
    trade_id: int = 0
    price_ticks: int = 0
    quantity_lots: int = 0
    instrument_id: int = 0
    taker_side: int = 0

    def encode(self) -> bytes:
        return pack_record(_MARKET_TRADE_CHANGED, (VERSION, 115, 56, *self))


JOURNAL_ENTRY_LAYOUT = Struct("<IIQQQI4x")


class JournalEntry(NamedTuple):
    """One sequenced command and its events, in the journal and in a commit batch. The command
    record follows, then the event records. crc32c (Castagnoli) covers everything after
    itself.
    """

    length: int = 0
    crc32c: int = 0
    seq: int = 0
    commit_first_seq: int = 0
    digest: int = 0
    event_count: int = 0

    def encode(self) -> bytes:
        return pack_record(JOURNAL_ENTRY_LAYOUT, self)


SEGMENT_HEADER_LAYOUT = Struct("<8sIIQQQ16x4xI")


class SegmentHeader(NamedTuple):
    """Opens a journal segment file."""

    magic: bytes = bytes(8)
    version: int = 0
    shard_id: int = 0
    first_seq: int = 0
    digest: int = 0
    size_bytes: int = 0
    crc32c: int = 0

    def encode(self) -> bytes:
        return pack_record(SEGMENT_HEADER_LAYOUT, self)


SNAPSHOT_FILE_HEADER_LAYOUT = Struct("<8sIIQQQQQQQQII")


class SnapshotFileHeader(NamedTuple):
    """Opens a snapshot file of a shard; the engine's snapshot follows, then where the journal
    holds the shard's recent orders. The entry with `seq` stands in the journal segment that
    begins with segment_first_seq.
    """

    magic: bytes = bytes(8)
    version: int = 0
    shard_id: int = 0
    seq: int = 0
    digest: int = 0
    configuration: int = 0
    segment_first_seq: int = 0
    entry_offset: int = 0
    next_offset: int = 0
    body_bytes: int = 0
    places_bytes: int = 0
    body_crc32c: int = 0
    crc32c: int = 0

    def encode(self) -> bytes:
        return pack_record(SNAPSHOT_FILE_HEADER_LAYOUT, self)


COMMIT_BATCH_HEADER_LAYOUT = Struct("<4sH2xIIQQQ")


class CommitBatchHeader(NamedTuple):
    """Opens a JetStream message; whole JournalEntry items follow."""

    magic: bytes = bytes(4)
    version: int = 0
    shard_id: int = 0
    entry_count: int = 0
    first_seq: int = 0
    last_seq: int = 0
    last_digest: int = 0

    def encode(self) -> bytes:
        return pack_record(COMMIT_BATCH_HEADER_LAYOUT, self)


type_of_record: dict[type[Any], MessageType] = {
    NewOrder: MessageType.NEW_ORDER,
    CancelOrder: MessageType.CANCEL_ORDER,
    ReplaceOrder: MessageType.REPLACE_ORDER,
    MassCancel: MessageType.MASS_CANCEL,
    SetAsset: MessageType.SET_ASSET,
    SetInstrument: MessageType.SET_INSTRUMENT,
    SetAccount: MessageType.SET_ACCOUNT,
    Credit: MessageType.CREDIT,
    Debit: MessageType.DEBIT,
    SetFeeSchedule: MessageType.SET_FEE_SCHEDULE,
    SetTickTable: MessageType.SET_TICK_TABLE,
    SetTradingState: MessageType.SET_TRADING_STATE,
    SetCalendar: MessageType.SET_CALENDAR,
    Tick: MessageType.TICK,
    KillSwitch: MessageType.KILL_SWITCH,
    CancelAfter: MessageType.CANCEL_AFTER,
    SessionEnded: MessageType.SESSION_ENDED,
    NewOrderList: MessageType.NEW_ORDER_LIST,
    MassQuote: MessageType.MASS_QUOTE,
    SetQuoteProtection: MessageType.SET_QUOTE_PROTECTION,
    BustTrade: MessageType.BUST_TRADE,
    CorrectTrade: MessageType.CORRECT_TRADE,
    Logon: MessageType.LOGON,
    StatusQuery: MessageType.STATUS_QUERY,
    InstrumentsQuery: MessageType.INSTRUMENTS_QUERY,
    BookQuery: MessageType.BOOK_QUERY,
    OrderQuery: MessageType.ORDER_QUERY,
    OpenOrdersQuery: MessageType.OPEN_ORDERS_QUERY,
    BalancesQuery: MessageType.BALANCES_QUERY,
    TraceContext: MessageType.TRACE_CONTEXT,
    OrderAccepted: MessageType.ORDER_ACCEPTED,
    OrderRejected: MessageType.ORDER_REJECTED,
    Trade: MessageType.TRADE,
    OrderCanceled: MessageType.ORDER_CANCELED,
    OrderReplaced: MessageType.ORDER_REPLACED,
    MassCanceled: MessageType.MASS_CANCELED,
    BalanceChanged: MessageType.BALANCE_CHANGED,
    AssetChanged: MessageType.ASSET_CHANGED,
    InstrumentChanged: MessageType.INSTRUMENT_CHANGED,
    AccountChanged: MessageType.ACCOUNT_CHANGED,
    CommandRejected: MessageType.COMMAND_REJECTED,
    SelfTradePrevented: MessageType.SELF_TRADE_PREVENTED,
    OrderTriggered: MessageType.ORDER_TRIGGERED,
    TradeBusted: MessageType.TRADE_BUSTED,
    TradeCorrected: MessageType.TRADE_CORRECTED,
    MassQuoted: MessageType.MASS_QUOTED,
    QuoteProtectionChanged: MessageType.QUOTE_PROTECTION_CHANGED,
    FeeScheduleChanged: MessageType.FEE_SCHEDULE_CHANGED,
    TickTableChanged: MessageType.TICK_TABLE_CHANGED,
    TradingStateChanged: MessageType.TRADING_STATE_CHANGED,
    AuctionUncrossed: MessageType.AUCTION_UNCROSSED,
    CalendarChanged: MessageType.CALENDAR_CHANGED,
    OrderActivated: MessageType.ORDER_ACTIVATED,
    Ticked: MessageType.TICKED,
    KillSwitchChanged: MessageType.KILL_SWITCH_CHANGED,
    CancelAfterChanged: MessageType.CANCEL_AFTER_CHANGED,
    OrderListPlaced: MessageType.ORDER_LIST_PLACED,
    OrderListRejected: MessageType.ORDER_LIST_REJECTED,
    ExecutionReport: MessageType.EXECUTION_REPORT,
    Reject: MessageType.REJECT,
    LoggedOn: MessageType.LOGGED_ON,
    ShardStatus: MessageType.SHARD_STATUS,
    BookLevel: MessageType.BOOK_LEVEL,
    Balance: MessageType.BALANCE,
    QueryEnd: MessageType.QUERY_END,
    MarketTrade: MessageType.MARKET_TRADE,
    TopOfBook: MessageType.TOP_OF_BOOK,
    AuctionIndicative: MessageType.AUCTION_INDICATIVE,
    MarketTradeChanged: MessageType.MARKET_TRADE_CHANGED,
}
record_of_type: dict[int, type[Any]] = {
    1: NewOrder,
    2: CancelOrder,
    3: ReplaceOrder,
    4: MassCancel,
    5: SetAsset,
    6: SetInstrument,
    7: SetAccount,
    8: Credit,
    9: Debit,
    10: SetFeeSchedule,
    11: SetTickTable,
    12: SetTradingState,
    13: SetCalendar,
    16: Tick,
    17: KillSwitch,
    18: CancelAfter,
    19: SessionEnded,
    20: NewOrderList,
    24: MassQuote,
    25: SetQuoteProtection,
    26: BustTrade,
    27: CorrectTrade,
    32: Logon,
    33: StatusQuery,
    34: InstrumentsQuery,
    35: BookQuery,
    36: OrderQuery,
    37: OpenOrdersQuery,
    38: BalancesQuery,
    39: TraceContext,
    64: OrderAccepted,
    65: OrderRejected,
    66: Trade,
    67: OrderCanceled,
    68: OrderReplaced,
    69: MassCanceled,
    70: BalanceChanged,
    71: AssetChanged,
    72: InstrumentChanged,
    73: AccountChanged,
    74: CommandRejected,
    75: SelfTradePrevented,
    76: OrderTriggered,
    77: TradeBusted,
    78: TradeCorrected,
    79: MassQuoted,
    80: QuoteProtectionChanged,
    81: FeeScheduleChanged,
    82: TickTableChanged,
    83: TradingStateChanged,
    84: AuctionUncrossed,
    85: CalendarChanged,
    86: OrderActivated,
    88: Ticked,
    89: KillSwitchChanged,
    90: CancelAfterChanged,
    91: OrderListPlaced,
    92: OrderListRejected,
    96: ExecutionReport,
    97: Reject,
    98: LoggedOn,
    99: ShardStatus,
    100: BookLevel,
    101: Balance,
    102: QueryEnd,
    112: MarketTrade,
    113: TopOfBook,
    114: AuctionIndicative,
    115: MarketTradeChanged,
}

# Which enum a numeric field holds: for people-readable output.
ENUM_FIELDS: dict[type[Any], dict[str, type[IntEnum] | type[IntFlag]]] = {
    CalendarEntry: {
        "trading_state": TradingState,
    },
    ListedOrder: {
        "side": Side,
        "order_type": OrderType,
        "time_in_force": TimeInForce,
        "flags": OrderFlag,
        "self_trade_prevention": SelfTradePrevention,
        "peg_reference": PegReference,
    },
    NewOrder: {
        "side": Side,
        "order_type": OrderType,
        "time_in_force": TimeInForce,
        "flags": OrderFlag,
        "self_trade_prevention": SelfTradePrevention,
        "peg_reference": PegReference,
    },
    MassCancel: {
        "side": Side,
    },
    SetInstrument: {
        "trading_state": TradingState,
        "allocation": Allocation,
    },
    SetAccount: {
        "state": AccountState,
    },
    SetTradingState: {
        "state": TradingState,
        "next_state": TradingState,
    },
    KillSwitch: {
        "state": KillSwitchState,
    },
    NewOrderList: {
        "kind": ListKind,
    },
    MassQuote: {
        "flags": OrderFlag,
        "self_trade_prevention": SelfTradePrevention,
    },
    Logon: {
        "flags": LogonFlag,
    },
    OrderAccepted: {
        "side": Side,
        "order_type": OrderType,
        "time_in_force": TimeInForce,
        "flags": OrderFlag,
        "self_trade_prevention": SelfTradePrevention,
        "peg_reference": PegReference,
    },
    OrderRejected: {
        "reason": Reason,
    },
    Trade: {
        "taker_side": Side,
    },
    OrderCanceled: {
        "side": Side,
        "reason": CancelReason,
    },
    OrderReplaced: {
        "side": Side,
        "flags": ReplaceFlag,
    },
    InstrumentChanged: {
        "trading_state": TradingState,
        "allocation": Allocation,
    },
    AccountChanged: {
        "state": AccountState,
    },
    CommandRejected: {
        "reason": Reason,
    },
    SelfTradePrevented: {
        "taker_side": Side,
        "mode": SelfTradePrevention,
    },
    OrderTriggered: {
        "side": Side,
        "order_type": OrderType,
    },
    TradeBusted: {
        "taker_side": Side,
    },
    TradeCorrected: {
        "taker_side": Side,
    },
    QuoteProtectionChanged: {
        "state": QuoteProtectionState,
    },
    TradingStateChanged: {
        "state": TradingState,
        "previous_state": TradingState,
        "next_state": TradingState,
    },
    AuctionUncrossed: {
        "imbalance_side": Side,
    },
    OrderActivated: {
        "side": Side,
        "order_type": OrderType,
    },
    KillSwitchChanged: {
        "state": KillSwitchState,
    },
    OrderListPlaced: {
        "kind": ListKind,
    },
    OrderListRejected: {
        "reason": Reason,
        "kind": ListKind,
    },
    ExecutionReport: {
        "reason": Reason,
        "kind": ExecutionKind,
        "status": OrderStatus,
        "side": Side,
        "order_type": OrderType,
        "time_in_force": TimeInForce,
        "order_flags": OrderFlag,
        "liquidity": Liquidity,
        "cancel_reason": CancelReason,
        "flags": ReportFlag,
        "self_trade_prevention": SelfTradePrevention,
        "peg_reference": PegReference,
    },
    Reject: {
        "reason": Reason,
        "flags": ReportFlag,
    },
    LoggedOn: {
        "durability": Durability,
    },
    BookLevel: {
        "side": Side,
    },
    MarketTrade: {
        "taker_side": Side,
    },
    AuctionIndicative: {
        "imbalance_side": Side,
    },
    MarketTradeChanged: {
        "taker_side": Side,
    },
}

# What follows the fixed part of a record: the field, its items, how many there can be.
REPEATS: dict[type[Any], tuple[str, type[Any], int]] = {
    SetFeeSchedule: ("tiers", FeeTerms, 7),
    SetTickTable: ("bands", PriceBand, 8),
    SetCalendar: ("entries", CalendarEntry, 32),
    NewOrderList: ("orders", ListedOrder, 16),
    MassQuote: ("levels", QuoteLevel, 32),
    FeeScheduleChanged: ("tiers", FeeTerms, 7),
    TickTableChanged: ("bands", PriceBand, 8),
    CalendarChanged: ("entries", CalendarEntry, 32),
}

COMMANDS: tuple[type[Any], ...] = (
    NewOrder,
    CancelOrder,
    ReplaceOrder,
    MassCancel,
    SetAsset,
    SetInstrument,
    SetAccount,
    Credit,
    Debit,
    SetFeeSchedule,
    SetTickTable,
    SetTradingState,
    SetCalendar,
    Tick,
    KillSwitch,
    CancelAfter,
    SessionEnded,
    NewOrderList,
    MassQuote,
    SetQuoteProtection,
    BustTrade,
    CorrectTrade,
)
EVENTS: tuple[type[Any], ...] = (
    OrderAccepted,
    OrderRejected,
    Trade,
    OrderCanceled,
    OrderReplaced,
    MassCanceled,
    BalanceChanged,
    AssetChanged,
    InstrumentChanged,
    AccountChanged,
    CommandRejected,
    SelfTradePrevented,
    OrderTriggered,
    TradeBusted,
    TradeCorrected,
    MassQuoted,
    QuoteProtectionChanged,
    FeeScheduleChanged,
    TickTableChanged,
    TradingStateChanged,
    AuctionUncrossed,
    CalendarChanged,
    OrderActivated,
    Ticked,
    KillSwitchChanged,
    CancelAfterChanged,
    OrderListPlaced,
    OrderListRejected,
)

_BODIES: dict[int, tuple[Struct, int, Any, tuple[int, ...]]] = {
    1: (_NEW_ORDER_BODY, 120, NewOrder._make, ()),
    2: (_CANCEL_ORDER_BODY, 40, CancelOrder._make, ()),
    3: (_REPLACE_ORDER_BODY, 56, ReplaceOrder._make, ()),
    4: (_MASS_CANCEL_BODY, 40, MassCancel._make, ()),
    5: (_SET_ASSET_BODY, 40, SetAsset._make, (2,)),
    6: (_SET_INSTRUMENT_BODY, 160, SetInstrument._make, (2,)),
    7: (_SET_ACCOUNT_BODY, 40, SetAccount._make, ()),
    8: (_CREDIT_BODY, 48, Credit._make, ()),
    9: (_DEBIT_BODY, 48, Debit._make, ()),
    10: (_SET_FEE_SCHEDULE_BODY, 24, lambda values: SetFeeSchedule(*values), ()),
    11: (_SET_TICK_TABLE_BODY, 24, lambda values: SetTickTable(*values), ()),
    12: (_SET_TRADING_STATE_BODY, 32, SetTradingState._make, ()),
    13: (_SET_CALENDAR_BODY, 24, lambda values: SetCalendar(*values), ()),
    16: (_TICK_BODY, 16, Tick._make, ()),
    17: (_KILL_SWITCH_BODY, 32, KillSwitch._make, ()),
    18: (_CANCEL_AFTER_BODY, 32, CancelAfter._make, ()),
    19: (_SESSION_ENDED_BODY, 32, SessionEnded._make, ()),
    20: (_NEW_ORDER_LIST_BODY, 40, lambda values: NewOrderList(*values), ()),
    24: (_MASS_QUOTE_BODY, 40, lambda values: MassQuote(*values), ()),
    25: (_SET_QUOTE_PROTECTION_BODY, 48, SetQuoteProtection._make, ()),
    26: (_BUST_TRADE_BODY, 24, BustTrade._make, ()),
    27: (_CORRECT_TRADE_BODY, 40, CorrectTrade._make, ()),
    32: (_LOGON_BODY, 56, Logon._make, ()),
    33: (_STATUS_QUERY_BODY, 8, StatusQuery._make, ()),
    34: (_INSTRUMENTS_QUERY_BODY, 8, InstrumentsQuery._make, ()),
    35: (_BOOK_QUERY_BODY, 16, BookQuery._make, ()),
    36: (_ORDER_QUERY_BODY, 32, OrderQuery._make, ()),
    37: (_OPEN_ORDERS_QUERY_BODY, 32, OpenOrdersQuery._make, ()),
    38: (_BALANCES_QUERY_BODY, 16, BalancesQuery._make, ()),
    39: (_TRACE_CONTEXT_BODY, 32, TraceContext._make, ()),
    64: (_ORDER_ACCEPTED_BODY, 112, OrderAccepted._make, ()),
    65: (_ORDER_REJECTED_BODY, 56, OrderRejected._make, ()),
    66: (_TRADE_BODY, 152, Trade._make, ()),
    67: (_ORDER_CANCELED_BODY, 80, OrderCanceled._make, ()),
    68: (_ORDER_REPLACED_BODY, 80, OrderReplaced._make, ()),
    69: (_MASS_CANCELED_BODY, 40, MassCanceled._make, ()),
    70: (_BALANCE_CHANGED_BODY, 72, BalanceChanged._make, ()),
    71: (_ASSET_CHANGED_BODY, 48, AssetChanged._make, (3,)),
    72: (_INSTRUMENT_CHANGED_BODY, 176, InstrumentChanged._make, (3,)),
    73: (_ACCOUNT_CHANGED_BODY, 48, AccountChanged._make, ()),
    74: (_COMMAND_REJECTED_BODY, 40, CommandRejected._make, ()),
    75: (_SELF_TRADE_PREVENTED_BODY, 128, SelfTradePrevented._make, ()),
    76: (_ORDER_TRIGGERED_BODY, 72, OrderTriggered._make, ()),
    77: (_TRADE_BUSTED_BODY, 128, TradeBusted._make, ()),
    78: (_TRADE_CORRECTED_BODY, 176, TradeCorrected._make, ()),
    79: (_MASS_QUOTED_BODY, 48, MassQuoted._make, ()),
    80: (_QUOTE_PROTECTION_CHANGED_BODY, 64, QuoteProtectionChanged._make, ()),
    81: (_FEE_SCHEDULE_CHANGED_BODY, 32, lambda values: FeeScheduleChanged(*values), ()),
    82: (_TICK_TABLE_CHANGED_BODY, 32, lambda values: TickTableChanged(*values), ()),
    83: (_TRADING_STATE_CHANGED_BODY, 40, TradingStateChanged._make, ()),
    84: (_AUCTION_UNCROSSED_BODY, 56, AuctionUncrossed._make, ()),
    85: (_CALENDAR_CHANGED_BODY, 32, lambda values: CalendarChanged(*values), ()),
    86: (_ORDER_ACTIVATED_BODY, 64, OrderActivated._make, ()),
    88: (_TICKED_BODY, 40, Ticked._make, ()),
    89: (_KILL_SWITCH_CHANGED_BODY, 40, KillSwitchChanged._make, ()),
    90: (_CANCEL_AFTER_CHANGED_BODY, 40, CancelAfterChanged._make, ()),
    91: (_ORDER_LIST_PLACED_BODY, 56, OrderListPlaced._make, ()),
    92: (_ORDER_LIST_REJECTED_BODY, 48, OrderListRejected._make, ()),
    96: (_EXECUTION_REPORT_BODY, 168, ExecutionReport._make, ()),
    97: (_REJECT_BODY, 24, Reject._make, ()),
    98: (_LOGGED_ON_BODY, 40, LoggedOn._make, ()),
    99: (_SHARD_STATUS_BODY, 56, ShardStatus._make, ()),
    100: (_BOOK_LEVEL_BODY, 40, BookLevel._make, ()),
    101: (_BALANCE_BODY, 40, Balance._make, ()),
    102: (_QUERY_END_BODY, 32, QueryEnd._make, ()),
    112: (_MARKET_TRADE_BODY, 56, MarketTrade._make, ()),
    113: (_TOP_OF_BOOK_BODY, 64, TopOfBook._make, ()),
    114: (_AUCTION_INDICATIVE_BODY, 56, AuctionIndicative._make, ()),
    115: (_MARKET_TRADE_CHANGED_BODY, 56, MarketTradeChanged._make, ()),
}
_REPEATED: dict[int, tuple[str, Any, int, Struct]] = {
    10: ("tiers", FeeTerms, 7, FEE_TERMS_LAYOUT),
    11: ("bands", PriceBand, 8, PRICE_BAND_LAYOUT),
    13: ("entries", CalendarEntry, 32, CALENDAR_ENTRY_LAYOUT),
    20: ("orders", ListedOrder, 16, LISTED_ORDER_LAYOUT),
    24: ("levels", QuoteLevel, 32, QUOTE_LEVEL_LAYOUT),
    81: ("tiers", FeeTerms, 7, FEE_TERMS_LAYOUT),
    82: ("bands", PriceBand, 8, PRICE_BAND_LAYOUT),
    85: ("entries", CalendarEntry, 32, CALENDAR_ENTRY_LAYOUT),
}


def layout_of(record_type: int) -> Struct:
    """A record's layout for hot loops: its fields in order, request_id first, texts as bytes."""
    return _BODIES[record_type][0]


def decode(buffer: bytes | memoryview, offset: int = 0) -> tuple[Any, int]:
    """One record at `offset`, and the offset after it. Raises MalformedRecord."""
    if len(buffer) - offset < HEADER_SIZE:
        raise MalformedRecord(f"{len(buffer) - offset} bytes at {offset}: no header")
    if buffer[offset] != VERSION:
        raise MalformedRecord(f"version {buffer[offset]} at {offset}, not {VERSION}")
    body = _BODIES.get(buffer[offset + 1])
    if body is None:
        raise MalformedRecord(f"unknown type {buffer[offset + 1]} at {offset}")
    layout, size, make, texts = body
    length = buffer[offset + 2] | buffer[offset + 3] << 8
    if length > size and buffer[offset + 1] in _REPEATED:
        return _decode_repeated(buffer, offset, length)
    if length != size or len(buffer) - offset < size:
        raise MalformedRecord(f"length {length} at {offset}, not {size}, or cut short")
    values = layout.unpack_from(buffer, offset)
    if texts:
        fields = list(values)
        for index in texts:
            try:
                fields[index] = fields[index].rstrip(b"\0").decode()
            except UnicodeDecodeError as error:
                raise MalformedRecord(f"text at {offset} is not UTF-8") from error
        return make(fields), offset + size
    return make(values), offset + size


def _decode_repeated(
    buffer: bytes | memoryview, offset: int, length: int
) -> tuple[Any, int]:
    layout, size, make, _ = _BODIES[buffer[offset + 1]]
    name, item, count_max, item_layout = _REPEATED[buffer[offset + 1]]
    count, rest = divmod(length - size, item_layout.size)
    if rest or count > count_max or len(buffer) - offset < length:
        raise MalformedRecord(f"length {length} at {offset} does not fit, or cut short")
    items = item_layout.iter_unpack(buffer[offset + size : offset + length])
    fixed = make(layout.unpack_from(buffer, offset))
    return fixed._replace(**{name: tuple(map(item._make, items))}), offset + length


def decode_all(buffer: bytes | memoryview) -> list[Any]:
    """Every record of the buffer, in order. Raises MalformedRecord."""
    records, offset, end = [], 0, len(buffer)
    while offset < end:
        record, offset = decode(buffer, offset)
        records.append(record)
    return records
