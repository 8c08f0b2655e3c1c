"""Decimal text <-> integer units: the one place where prices, quantities and money change form.

Exact integer arithmetic on the digits; no float and no Decimal. What the instrument cannot express
is refused with `InvalidDecimal`, whose `rule` is a sentence for the person who sent it.
"""

from tradepit.protocol import wire
from tradepit.protocol.errors import InvalidDecimal

# 20 digits of an int64, a point, and room for zeros at the end. Bounds the cost of int().
TEXT_LENGTH_MAX = 40
UNITS_VALUE_MAX = 2**63 - 1
AVERAGE_EXTRA_DECIMALS = 8  # an average price shows up to this many decimals more than a price

TOO_LARGE = "is too large"
"""The rule of an InvalidDecimal about a value that no instrument takes; its limits say more."""


def parse_units(text: str, decimals: int) -> int:
    """A decimal such as "12.50" in units of 10^-decimals.

    The text is digits, then perhaps a point and digits: ASCII, no sign, space, exponent or
    superfluous leading zero. Zeros at the end beyond `decimals` are harmless and accepted.
    Raises InvalidDecimal.
    """
    if len(text) > TEXT_LENGTH_MAX:
        raise InvalidDecimal(f"must not be longer than {TEXT_LENGTH_MAX} characters")
    whole, point, fraction = text.partition(".")
    # isdigit() alone also takes the digits of other scripts.
    if not (text.isascii() and whole.isdigit() and (fraction.isdigit() or not point)):
        raise InvalidDecimal(
            "must be a plain decimal such as 12.50: digits, at most one point between digits, "
            "no sign, space or exponent"
        )
    if len(whole) > 1 and whole[0] == "0":
        raise InvalidDecimal("must not begin with a superfluous zero")
    if len(fraction) > decimals:
        fraction = fraction.rstrip("0")
        if len(fraction) > decimals:
            raise InvalidDecimal(f"must have at most {decimals} decimals")
    units = int(whole + fraction.ljust(decimals, "0"))
    if units > UNITS_VALUE_MAX:
        raise InvalidDecimal(TOO_LARGE)
    return units


def format_units(units: int, decimals: int) -> str:
    """`units` of 10^-decimals as text with exactly that many decimals: the inverse of parse_units
    for what is not negative.
    """
    if decimals == 0:
        return str(units)
    if units < 0:
        return "-" + format_units(-units, decimals)
    digits = str(units).rjust(decimals + 1, "0")
    return f"{digits[:-decimals]}.{digits[-decimals:]}"


def _decimals_needed(step_units: int, decimals: int) -> int:
    """How many decimals show every multiple of `step_units` (of 10^-decimals) exactly."""
    while decimals > 0 and step_units % 10 == 0:
        step_units //= 10
        decimals -= 1
    return decimals


class InstrumentUnits:
    """The scales of one instrument. Immutable; cheap to call, so that the order path uses it too."""

    __slots__ = (
        "_lot_shown",
        "_price_scale",
        "base_decimals",
        "lot_size_units",
        "price_decimals",
        "quantity_decimals",
        "quote_decimals",
        "tick_lot_units",
        "tick_size",
    )

    def __init__(
        self,
        *,
        tick_size: int,
        price_decimals: int,
        lot_size_units: int,
        base_decimals: int,
        quote_decimals: int,
    ) -> None:
        """Asset decimals and the terms of SetInstrument. Terms that contradict are a ValueError."""
        self.tick_size = tick_size
        self.price_decimals = price_decimals
        self.lot_size_units = lot_size_units
        self.base_decimals = base_decimals
        self.quote_decimals = quote_decimals
        self.quantity_decimals = _decimals_needed(lot_size_units, base_decimals)
        self._lot_shown = lot_size_units // 10 ** (base_decimals - self.quantity_decimals)
        self._price_scale = 10**AVERAGE_EXTRA_DECIMALS
        units, rest = divmod(
            tick_size * lot_size_units * 10**quote_decimals, 10 ** (price_decimals + base_decimals)
        )
        if rest or units < 1:
            raise ValueError("a tick times a lot is not a whole number of quote units")
        self.tick_lot_units = units

    @classmethod
    def of(
        cls, instrument: wire.InstrumentChanged, *, base_decimals: int, quote_decimals: int
    ) -> "InstrumentUnits":
        """The scales of an instrument as the wire describes it."""
        return cls(
            tick_size=instrument.tick_size,
            price_decimals=instrument.price_decimals,
            lot_size_units=instrument.lot_size_units,
            base_decimals=base_decimals,
            quote_decimals=quote_decimals,
        )

    def price_ticks(self, text: str) -> int:
        """Price text as ticks, positive. Raises InvalidDecimal."""
        ticks, rest = divmod(parse_units(text, self.price_decimals), self.tick_size)
        if rest:
            raise InvalidDecimal(f"must be a multiple of the tick size {self.price_text(1)}")
        if ticks == 0:
            raise InvalidDecimal("must be greater than zero")
        if ticks > wire.PRICE_TICKS_MAX:
            raise InvalidDecimal(TOO_LARGE)
        return ticks

    def quantity_lots(self, text: str) -> int:
        """Quantity text as lots, positive. Raises InvalidDecimal."""
        lots, rest = divmod(parse_units(text, self.base_decimals), self.lot_size_units)
        if rest:
            raise InvalidDecimal(f"must be a multiple of the lot size {self.quantity_text(1)}")
        if lots == 0:
            raise InvalidDecimal("must be greater than zero")
        if lots > wire.QUANTITY_LOTS_MAX:
            raise InvalidDecimal(TOO_LARGE)
        return lots

    def price_text(self, ticks: int) -> str:
        """With the instrument's price decimals."""
        return format_units(ticks * self.tick_size, self.price_decimals)

    def quantity_text(self, lots: int) -> str:
        """With as many decimals as one lot needs."""
        return format_units(lots * self._lot_shown, self.quantity_decimals)

    def money_text(self, units: int) -> str:
        """Units of the quote asset, with all its decimals."""
        return format_units(units, self.quote_decimals)

    def average_price_text(self, notional_units: int, lots: int) -> str:
        """notional / quantity, rounded half up at 8 decimals more than a price has; zeros at the end
        are left out down to the price's own decimals. `lots` must be positive.
        """
        scaled = (
            2 * notional_units * self.tick_size * self._price_scale + lots * self.tick_lot_units
        ) // (2 * lots * self.tick_lot_units)
        text = format_units(scaled, self.price_decimals + AVERAGE_EXTRA_DECIMALS)
        shortest = len(text) - AVERAGE_EXTRA_DECIMALS
        kept = max(len(text.rstrip("0")), shortest)
        return text[:kept].rstrip(".")
