"""LOBSTER files to commands: the plan is played on an engine, row by row."""

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from tradepit.engine import Engine
from tradepit.protocol import wire
from tradepit.protocol.wire import MessageType, Side
from tradepit.tools.replay import run
from tradepit.tools.replay.lobster import ReplayError, read_recording
from tradepit.tools.replay.plan import Best, Plan, Planner, Terms

from tests.lobster_day import (
    AAPL_BOOK,
    AAPL_MESSAGES,
    AMZN_BOOK,
    AMZN_MESSAGES,
    MATERIAL,
    ROWS,
    WHY_SKIPPED,
    write_day,
)

TERMS = Terms(1, 1_000, 1_001, 10**18, 100, 1)
ENOUGH_UNITS = 10**17

needs_material = pytest.mark.skipif(not MATERIAL.is_dir(), reason=WHY_SKIPPED)


def plan_of(messages: Path, book: Path | None) -> Plan:
    return Planner(read_recording(messages, book), TERMS).plan()


def engine_with_funds() -> Engine:
    engine = Engine()
    commands: list[Any] = [
        wire.SetAsset(symbol="USD", asset_id=1, decimals=6),
        wire.SetAsset(symbol="XYZ", asset_id=2),
        wire.SetInstrument(
            symbol="XYZ",
            tick_size=100,
            lot_size_units=1,
            price_ticks_min=1,
            price_ticks_max=20_000_000,
            quantity_lots_min=1,
            quantity_lots_max=1_000_000,
            instrument_id=1,
            base_asset_id=2,
            quote_asset_id=1,
            price_decimals=4,
            trading_state=wire.TradingState.CONTINUOUS,
        ),
    ]
    for account_id in (TERMS.maker_account_id, TERMS.taker_account_id):
        commands.append(wire.SetAccount(account_id=account_id, state=wire.AccountState.ACTIVE))
        for asset_id in (1, 2):
            transfer_id = account_id * 10 + asset_id
            commands.append(wire.Credit(0, 0, account_id, transfer_id, ENOUGH_UNITS, asset_id))
    engine.apply(b"".join(command.encode() for command in commands))
    return engine


def play(plan: Plan) -> tuple[int, Counter[str]]:
    """Rows at which the engine's best prices were the recorded ones, and its events by name."""
    engine = engine_with_funds()
    equal_count = 0
    events: Counter[str] = Counter()
    for index, record in enumerate(plan.records):
        if record[1] == MessageType.BOOK_QUERY:
            equal_count += Best(*engine.top_of_book(1)) == plan.recorded[index]
        else:
            events.update(type(each).__name__ for each in wire.decode_all(engine.apply(record)))
    engine.check()
    return equal_count, events


def test_a_made_up_day_is_reproduced_row_by_row(tmp_path: Path) -> None:
    plan = plan_of(*write_day(tmp_path))
    equal_count, events = play(plan)
    assert equal_count == len(ROWS)
    assert events["Trade"] == 4
    assert events["OrderRejected"] == 0
    assert plan.repaired_row_count == 0
    assert plan.hidden_execution_count == 1
    assert plan.placed_from_ahead_count == 2  # 1010 and 900
    assert plan.seeded_count == 2  # the bid at 223.70 and the offer at 224.00


def test_the_recorded_order_is_the_one_that_trades(tmp_path: Path) -> None:
    plan = plan_of(*write_day(tmp_path))
    engine = engine_with_funds()
    makers = []
    for record in plan.records:
        if record[1] != MessageType.BOOK_QUERY:
            events = wire.decode_all(engine.apply(record))
            makers += [each for each in events if type(each) is wire.Trade]
    assert [trade.quantity_lots for trade in makers] == [10, 15, 50, 20]
    assert len({trade.maker_order_id for trade in makers}) == 3
    assert {trade.maker_account_id for trade in makers} == {TERMS.maker_account_id}
    assert {trade.taker_account_id for trade in makers} == {TERMS.taker_account_id}


def test_each_kind_becomes_the_command_that_caused_it(tmp_path: Path) -> None:
    plan = plan_of(*write_day(tmp_path))
    starts = [0, *plan.ends[:-1]]
    sent = [
        [wire.decode(record)[0] for record in plan.records[start:end]]
        for start, end in zip(starts, plan.ends, strict=True)
    ]
    taker = sent[2][0]
    assert type(taker) is wire.NewOrder
    assert (taker.side, taker.time_in_force) == (Side.SELL, wire.TimeInForce.IOC)
    assert (taker.price_ticks, taker.quantity_lots) == (22_382, 10)
    reduce = sent[3][0]
    assert type(reduce) is wire.ReplaceOrder
    assert reduce.quantity_lots == 25  # of 30, what has traded included
    assert type(sent[8][0]) is wire.CancelOrder
    assert [type(record) for record in sent[7]] == [wire.BookQuery]  # hidden: only the comparison
    ids = [record.request_id for row in sent for record in row]
    assert ids == list(range(1, len(plan.records) + 1))


def test_without_a_book_file_executed_orders_are_placed_just_before(tmp_path: Path) -> None:
    messages, _ = write_day(tmp_path)
    plan = plan_of(messages, None)
    _, events = play(plan)
    assert plan.recorded == {}
    assert events["Trade"] == 4
    assert events["OrderRejected"] == 0


def test_halts_are_counted(tmp_path: Path) -> None:
    messages = tmp_path / "messages.csv"
    messages.write_text("34200.5,7,0,0,-1,-1\n34201,7,0,0,1,-1\n34202,1,5,10,1000000,1\n")
    plan = plan_of(messages, None)
    assert plan.halt_count == 2
    assert len(plan.records) == 1
    assert plan.times_ns == [34_200_500_000_000, 34_201_000_000_000, 34_202_000_000_000]


@needs_material
def test_the_amazon_day_is_reproduced_after_each_message() -> None:
    plan = plan_of(AMZN_MESSAGES, AMZN_BOOK)
    equal_count, events = play(plan)
    assert equal_count == len(plan.ends) == 57_515
    assert events["Trade"] == 8_974  # one for each visible execution in the file
    assert events["OrderRejected"] == 0
    assert plan.repaired_row_count == 0


@needs_material
def test_ten_levels_of_apple_are_reproduced_in_full() -> None:
    recording = read_recording(AAPL_MESSAGES, AAPL_BOOK)
    plan = Planner(recording, TERMS).plan()
    assert plan.repaired_row_count == 0
    engine = engine_with_funds()
    start = 0
    for row, end in enumerate(plan.ends):
        for record in plan.records[start:end]:
            if record[1] != MessageType.BOOK_QUERY:
                engine.apply(record)
        start = end
        bids, asks = engine.book(1, recording.level_count)
        book = recording.books[row]
        assert [(price * 100, lots) for price, lots, _ in bids] == list(book.bids), row
        assert [(price * 100, lots) for price, lots, _ in asks] == list(book.asks), row


@needs_material
def test_the_amazon_day_without_its_book_trades_as_often() -> None:
    _, events = play(plan_of(AMZN_MESSAGES, None))
    assert events["Trade"] == 8_974
    assert events["OrderRejected"] == 0


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("", "no messages"),
        ("34200.1,1,5,10,1000000", "5 fields"),
        ("34200.1,1,5,10,1000000,1,", "7 fields"),
        ("34200.1,1,5,ten,1000000,1", "invalid literal"),
        ("-1.5,1,5,10,1000000,1", "seconds after midnight"),
        ("34200.1,9,5,10,1000000,1", "type 9"),
        ("34200.1,1,5,10,1000000,0", "direction 0"),
        ("34200.1,1,5,0,1000000,1", "must be positive"),
        ("34200.1,1,5,10,-5,1", "must be positive"),
    ],
)
def test_a_row_that_is_none_is_named(tmp_path: Path, line: str, complaint: str) -> None:
    messages = tmp_path / "messages.csv"
    messages.write_text(f"34200.1,1,4,10,1000000,1\n{line}\n" if line else "")
    with pytest.raises(ReplayError, match=complaint) as caught:
        read_recording(messages, None)
    assert ":2:" in str(caught.value) or not line


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        ("1010000,5,1000000", "multiple of 4"),
        ("1010000,x,1000000,10", "invalid literal"),
        ("1010000,0,1000000,10", "must be positive"),
        ("1010000,5,1000000,10,1000000,5,990000,10", "best first"),
    ],
)
def test_a_book_row_that_is_none_is_named(tmp_path: Path, row: str, complaint: str) -> None:
    messages, book = tmp_path / "messages.csv", tmp_path / "book.csv"
    messages.write_text("34200.1,1,4,10,1000000,1\n")
    book.write_text(row + "\n")
    with pytest.raises(ReplayError, match=complaint):
        read_recording(messages, book)


def test_a_book_of_another_length_is_refused(tmp_path: Path) -> None:
    messages, book = write_day(tmp_path)
    book.write_text("".join(row + "\n" for _, row in ROWS[:-1]))
    with pytest.raises(ReplayError, match="needs its book row"):
        read_recording(messages, book)


def test_levels_that_are_absent_are_left_out(tmp_path: Path) -> None:
    messages, book = tmp_path / "messages.csv", tmp_path / "book.csv"
    messages.write_text("34200.1,1,4,10,1000000,1\n")
    book.write_text("9999999999,0,1000000,10\n")
    recording = read_recording(messages, book)
    assert recording.books[0].asks == ()
    assert recording.books[0].bids == ((1_000_000, 10),)
    assert plan_of(messages, book).recorded == {1: Best(10_000, 10, 0, 0)}


@pytest.mark.parametrize(
    ("arguments", "code", "sentence"),
    [
        (["missing.csv", "--symbol", "XYZ"], 1, "cannot read"),
        (
            ["{messages}", "--symbol", "XYZ", "--ready-file", "none.json"],
            1,
            "no exchange is running",
        ),
        (["{messages}", "--symbol", "X" * 17], 2, "1 to 16 characters"),
        (["{messages}", "--symbol", "XYZ", "--endpoint", "tcp://x:1"], 2, "--operator-key-file"),
        (["{messages}", "--symbol", "XYZ", "--ready-file", "{messages}"], 2, "not a ready file"),
    ],
)
def test_what_is_wrong_is_said_in_one_sentence(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    sentence: str,
) -> None:
    messages, _ = write_day(tmp_path)
    assert run(["lobster", *(each.format(messages=messages) for each in arguments)]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert sentence in captured.err
    assert captured.err.count("\n") == 1
