"""The engine and the reference model get the same commands and must agree in every byte."""

from random import Random
from typing import Any

from hypothesis import given, note, settings
from hypothesis import strategies as st
from tradepit.engine import Engine, replayed_answer
from tradepit.protocol import wire

from tests.command_source import LIMITS, CommandSource, opening
from tests.reference import ReferenceEngine


def new_engine() -> Engine:
    return Engine(
        shard_id=LIMITS.shard_id,
        max_orders=LIMITS.max_orders,
        client_order_ids=LIMITS.client_order_ids,
        transfer_ids=LIMITS.transfer_ids,
        max_accounts=LIMITS.max_accounts,
        max_instruments=LIMITS.max_instruments,
        max_assets=LIMITS.max_assets,
        remembered_trades=LIMITS.remembered_trades,
    )


def agree(engine: Engine, reference: ReferenceEngine, command: Any) -> None:
    """Apply one command to both and compare everything that can be seen."""
    expected = reference.apply(command)
    event_bytes, report_bytes = engine.apply_with_reports(command.encode())
    events = wire.decode_all(event_bytes)
    assert events == expected
    assert wire.decode_all(report_bytes) == reference.reports
    assert event_bytes == b"".join(event.encode() for event in expected)
    assert (engine.seq, engine.digest) == (reference.seq, reference.digest)
    check_replayed(command, events, event_bytes, reference.reports)
    engine.check()
    assert engine.next_deadline_ns == reference.next_deadline_ns
    assert engine.open_order_count == len(reference.open_orders)
    assert engine.session_counter == reference.session_counter
    is_any_tied = any(order.session_id >= wire.TIED_SESSION_BIT for order in reference.open_orders)
    assert engine.has_tied_orders == is_any_tied
    assert engine.account_count == len(reference.accounts) - 1
    for instrument_id in reference.instruments:
        bids, asks = reference.book(instrument_id)
        assert engine.book(instrument_id) == (bids, asks)
        top = (bids or [(0, 0, 0)])[0][:2] + (asks or [(0, 0, 0)])[0][:2]
        assert engine.top_of_book(instrument_id) == top
        assert engine.indicative(instrument_id) == reference.indicative(instrument_id)
    for account_id in reference.accounts:
        for asset_id in reference.assets:
            funds = reference.funds_of(account_id, asset_id)
            assert engine.balance(account_id, asset_id) == (funds.available, funds.held)


def check_replayed(
    command: Any, events: list[Any], event_bytes: bytes, reports: list[wire.ExecutionReport]
) -> None:
    """Sent again, an order gets its answer again, field by field."""
    accepted = [event for event in events if type(event) is wire.OrderAccepted]
    if type(command) is not wire.NewOrder or not accepted:
        return
    order_id = accepted[0].order_id
    expected = [
        report._replace(request_id=7, flags=report.flags | wire.ReportFlag.REPLAYED)
        for report in reports
        if report.order_id == order_id and report.request_id
    ]
    retry = command._replace(request_id=7, time_ns=command.time_ns + 5, session_id=9)
    data = command.encode()
    answer = wire.decode_all(replayed_answer(data, event_bytes, retry.encode(), order_id))
    assert answer == expected
    other = retry._replace(quantity_lots=retry.quantity_lots ^ 1)
    assert replayed_answer(data, event_bytes, other.encode(), order_id) == b""
    assert replayed_answer(data, event_bytes, retry.encode(), order_id + 1) == b""


amounts = st.lists(st.sampled_from((0, 5_000, 60_000, 10**6, 10**7, 10**7)), min_size=3, max_size=3)
randoms = st.randoms(use_true_random=True)


@settings(max_examples=120, deadline=None)
@given(
    quote_units=amounts,
    base_units=amounts,
    random=randoms,
    command_count=st.integers(1, 150),
)
def test_engine_equals_the_reference(
    quote_units: list[int], base_units: list[int], random: Random, command_count: int
) -> None:
    engine, reference = new_engine(), ReferenceEngine(LIMITS)
    for command in opening(quote_units, base_units):
        agree(engine, reference, command)
    source = CommandSource(random, reference)
    for index in range(command_count):
        command = source.next()
        note(f"{index}: {command}")
        if random.random() < 0.03:
            snapshot = engine.snapshot()
            engine = Engine.restore(snapshot)  # goes on in the place of the one that wrote it
            assert engine.snapshot() == snapshot
        agree(engine, reference, command)


@settings(max_examples=20, deadline=None)
@given(random=randoms)
def test_how_commands_are_batched_changes_nothing(random: Random) -> None:
    one_by_one, in_batches, reference = new_engine(), new_engine(), ReferenceEngine(LIMITS)
    source = CommandSource(random, reference)
    commands = opening([10**6] * 3, [10**6] * 3)
    for command in commands:
        reference.apply(command)
    for _ in range(100):
        commands.append(source.next())
        reference.apply(commands[-1])
    records = [command.encode() for command in commands]
    expected = b"".join(one_by_one.apply(record) for record in records)
    events, position = b"", 0
    while position < len(records):
        size = random.randint(1, 9)
        events += in_batches.apply(b"".join(records[position : position + size]))
        position += size
    assert events == expected
    assert in_batches.snapshot() == one_by_one.snapshot()
