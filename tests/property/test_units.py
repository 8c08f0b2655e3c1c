"""Decimal text and integer units are two spellings of one number."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tradepit.protocol.errors import InvalidDecimal
from tradepit.protocol.units import (
    TEXT_LENGTH_MAX,
    InstrumentUnits,
    format_units,
    parse_units,
)

BTC_USD = InstrumentUnits(
    tick_size=1, price_decimals=2, lot_size_units=10_000, base_decimals=8, quote_decimals=6
)
# A tick of 0.05 and a lot of 2.5: steps that are not powers of ten.
ODD = InstrumentUnits(
    tick_size=5, price_decimals=2, lot_size_units=250, base_decimals=2, quote_decimals=4
)
DECIMALS = st.integers(0, 18)
UNITS = st.integers(0, 2**63 - 1)


@given(UNITS, DECIMALS)
def test_what_is_formatted_parses_to_the_same_units(units: int, decimals: int) -> None:
    text = format_units(units, decimals)
    assert parse_units(text, decimals) == units
    assert Decimal(text).scaleb(decimals) == units


@given(st.integers(1, 2**40), st.sampled_from([BTC_USD, ODD]))
def test_ticks_and_lots_survive_the_round_trip(count: int, units: InstrumentUnits) -> None:
    assert units.price_ticks(units.price_text(count)) == count
    assert units.quantity_lots(units.quantity_text(count)) == count
    exact = Decimal(units.price_text(count)) * Decimal(units.quantity_text(7))
    assert Decimal(units.money_text(count * 7 * units.tick_lot_units)) == exact


@given(st.text(max_size=60), DECIMALS)
def test_any_text_is_an_exact_number_or_refused(text: str, decimals: int) -> None:
    try:
        units = parse_units(text, decimals)
    except InvalidDecimal:
        return
    assert Decimal(text).scaleb(decimals) == units


@given(st.from_regex(r"[0-9]{1,22}(\.[0-9]{1,22})?", fullmatch=True), DECIMALS)
def test_plain_decimals_are_refused_only_for_a_reason(text: str, decimals: int) -> None:
    value = Decimal(text)
    fits = (
        value.scaleb(decimals) == int(value.scaleb(decimals))
        and value.scaleb(decimals) < 2**63
        and len(text) <= TEXT_LENGTH_MAX
        and not (text[0] == "0" and text[1:2].isdigit())
    )
    try:
        parse_units(text, decimals)
        parsed = True
    except InvalidDecimal:
        parsed = False
    assert parsed == fits


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "1.",
        ".5",
        "+1",
        "-1",
        " 1",
        "1 ",
        "1e3",
        "NaN",
        "Infinity",
        "1_000",
        "0x10",
        "1,5",
        "٣",
        "1٣",
        "²",
        "1.2.3",
        "007",
        "00",
        "1\n",
        "\x00",
        "9" * 41,
        "9" * 5000,
        "1e999999999",
    ],
)
def test_what_is_not_a_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(InvalidDecimal):
        parse_units(text, 8)


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("0", "must be greater than zero"),
        ("0.00", "must be greater than zero"),
        ("1.03", "must be a multiple of the tick size 0.05"),
        ("1.001", "must have at most 2 decimals"),
        (f"{10**18}", "is too large"),
        (f"{10**12}", "is too large"),
        (f"{10**30}", "is too large"),
    ],
)
def test_the_rule_that_a_price_breaks_is_named(text: str, rule: str) -> None:
    with pytest.raises(InvalidDecimal) as caught:
        ODD.price_ticks(text)
    assert caught.value.rule == rule


def test_a_quantity_off_the_lot_is_refused() -> None:
    with pytest.raises(InvalidDecimal, match=r"lot size 2\.5"):
        ODD.quantity_lots("1")
    assert ODD.quantity_lots("5.000") == 2


def test_average_price_is_exact_where_it_can_be_and_rounded_where_not() -> None:
    one = BTC_USD.tick_lot_units
    assert BTC_USD.average_price_text(100 * 3 * one, 3) == "1.00"
    assert BTC_USD.average_price_text((100 + 101) * one, 2) == "1.005"
    assert BTC_USD.average_price_text(200 * one, 3) == "0.6666666667"
    whole = InstrumentUnits(
        tick_size=1, price_decimals=0, lot_size_units=1, base_decimals=0, quote_decimals=0
    )
    assert whole.average_price_text(10, 2) == "5"


def test_negative_money_keeps_its_sign() -> None:
    assert format_units(-5, 2) == "-0.05"
