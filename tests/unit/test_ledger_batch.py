"""fold: bytes of the stream to rows."""

import itertools
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tradepit.engine import crc32c
from tradepit.ledger.batch import GENESIS_DIGEST, Batch, Instrument, Position, StreamMessage
from tradepit.ledger.errors import BatchRefused
from tradepit.ledger.fold import fold
from tradepit.protocol import wire

from tests.ledger_model import Tables, apply, tables_of
from tests.ledger_stream import (
    BTC_USD,
    Entry,
    PretendMatcher,
    encode_batch,
    encode_entry,
    split,
)

SHARD = 3


def played(commands: int = 200, seed: int = 1) -> PretendMatcher:
    matcher = PretendMatcher(SHARD, seed)
    matcher.list_everything()
    matcher.play(commands)
    return matcher


def fold_runs(runs: list[list[list[Entry]]]) -> tuple[Tables, Position]:
    """Fold runs of messages of entries, one batch a run, into tables."""
    tables, position, instruments = Tables(), Position(), dict[int, Instrument]()
    stream_seq = 0
    for run in runs:
        messages = []
        for entries in run:
            stream_seq += 1
            messages.append(StreamMessage(stream_seq, encode_batch(SHARD, entries)))
        batch = fold(SHARD, messages, position, instruments)
        assert batch.gap_seq == 0
        apply(batch, tables)
        position = batch.after
        for record in batch.instruments.values():
            instruments[record.instrument_id] = Instrument(
                record.base_asset_id, record.quote_asset_id
            )
    return tables, position


def fold_one(data: bytes, before: Position = Position()) -> Batch:  # noqa: B008 - immutable
    return fold(SHARD, [StreamMessage(9, data)], before, {BTC_USD: Instrument(2, 1)})


CUTS = st.lists(st.integers(0, 250), max_size=30)


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), message_cuts=CUTS, batch_cuts=CUTS)
def test_however_the_entries_are_cut_the_rows_are_what_the_events_say(
    seed: int, message_cuts: list[int], batch_cuts: list[int]
) -> None:
    matcher = played(150, seed)
    messages = split(matcher.entries, message_cuts)
    edges = [0, *sorted({cut % (len(messages) + 1) for cut in batch_cuts}), len(messages)]
    runs = [messages[a:b] for a, b in itertools.pairwise(edges) if a < b]

    tables, position = fold_runs(runs)

    assert tables == tables_of(SHARD, matcher.entries)
    assert position.seq == matcher.seq
    assert position.digest == matcher.entries[-1].digest


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_money_is_conserved_per_asset(seed: int) -> None:
    tables, _ = fold_runs([[played(150, seed).entries]])
    for asset_id in (1, 2, 3):
        held_units = sum(
            total for (_, asset), (total, _) in tables.balances.items() if asset == asset_id
        )
        brought_units = sum(
            delta for _, asset, delta in tables.transfers.values() if asset == asset_id
        )
        assert held_units == brought_units


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    spans=st.lists(st.tuples(st.integers(1, 80), st.integers(0, 40)), max_size=12),
)
def test_repeats_and_overlaps_count_once(seed: int, spans: list[tuple[int, int]]) -> None:
    matcher = played(100, seed)
    tables, position, instruments = Tables(), Position(), dict[int, Instrument]()
    end = 0
    repeated = 0
    for size, back in [*spans, (len(matcher.entries), 5)]:
        start = max(0, end - back)
        stop = min(len(matcher.entries), max(end, start + size))
        if start == stop:
            continue
        data = encode_batch(SHARD, matcher.entries[start:stop])
        batch = fold(SHARD, [StreamMessage(1, data)] * 2, position, instruments)
        apply(batch, tables)
        position, end = batch.after, max(end, stop)
        repeated += batch.repeat_count
        for record in batch.instruments.values():
            instruments[record.instrument_id] = Instrument(
                record.base_asset_id, record.quote_asset_id
            )
    assert tables == tables_of(SHARD, matcher.entries)
    assert repeated >= len(matcher.entries)


def test_an_order_that_lives_and_dies_in_one_batch_is_one_row() -> None:
    matcher = played(0)
    matcher.new_order(crosses=False)
    [order_id] = matcher.open
    matcher.replace(order_id) if order_id in matcher.open else None
    matcher.cancel(order_id)
    data = encode_batch(SHARD, matcher.entries)
    batch = fold(SHARD, [StreamMessage(1, data)], Position(), {})
    assert list(batch.new_orders) == [order_id]
    assert batch.order_changes == {}


def test_a_gap_stops_before_the_message_that_leaves_it() -> None:
    matcher = played()
    messages = [
        StreamMessage(1, encode_batch(SHARD, matcher.entries[:50])),
        StreamMessage(3, encode_batch(SHARD, matcher.entries[60:])),
    ]
    batch = fold(SHARD, messages, Position(), {})
    assert (batch.after.seq, batch.after.stream_seq, batch.gap_seq) == (50, 1, 61)
    assert batch.entry_count == 50


def test_no_bit_can_change_unnoticed() -> None:
    data = encode_batch(SHARD, played(30).entries)
    for bit in random.Random(5).sample(range(len(data) * 8), 500):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BatchRefused, match="stream message 9"):
            fold_one(bytes(damaged))


def test_no_header_bit_can_change_unnoticed() -> None:
    data = encode_batch(SHARD, played(3).entries)
    for bit in range(wire.COMMIT_BATCH_HEADER_LAYOUT.size * 8):
        damaged = bytearray(data)
        damaged[bit // 8] ^= 1 << bit % 8
        with pytest.raises(BatchRefused):
            fold_one(bytes(damaged))


def test_no_byte_can_be_cut_off_or_added() -> None:
    data = encode_batch(SHARD, played(10).entries)
    for length in [*range(60), *range(60, len(data), 61), len(data) - 1]:
        with pytest.raises(BatchRefused):
            fold_one(data[:length])
    for extra in (b"\0", bytes(8), data):
        with pytest.raises(BatchRefused):
            fold_one(data + extra)


def test_another_history_is_refused() -> None:
    here, there = played(50, seed=1).entries, played(50, seed=2).entries
    before = Position(40, 1, here[39].digest)
    for entries in (there, there[:40], there[40:]):
        with pytest.raises(BatchRefused, match="digest"):
            fold_one(encode_batch(SHARD, entries), before)


def test_another_shards_batch_is_refused() -> None:
    with pytest.raises(BatchRefused, match="shard 4"):
        fold_one(encode_batch(4, played(1).entries))


ACCEPTED = wire.OrderAccepted(
    seq=1, order_id=7, account_id=1, quantity_lots=5, instrument_id=BTC_USD, side=1
)
TRADE = wire.Trade(
    seq=1, trade_id=8, quantity_lots=2, maker_order_id=6, taker_order_id=7,
    taker_remaining_lots=3, instrument_id=BTC_USD, taker_side=1,
)  # fmt: skip


@pytest.mark.parametrize(
    ("events", "text"),
    [
        ([ACCEPTED, ACCEPTED], "accepted twice"),
        ([ACCEPTED._replace(seq=2)], "an event of seq 2"),
        ([TRADE._replace(instrument_id=99)], "unknown instrument 99"),
        ([ACCEPTED, TRADE._replace(taker_remaining_lots=4)], "2 filled and 4 open"),
        (
            [ACCEPTED, wire.OrderCanceled(seq=1, order_id=7, filled_lots=1)],
            "canceled with 1 lots filled",
        ),
        (
            [
                ACCEPTED,
                wire.SelfTradePrevented(
                    seq=1,
                    taker_order_id=7,
                    maker_order_id=6,
                    taker_quantity_lots=4,
                    taker_remaining_lots=3,
                ),
            ],
            "0 lots filled and 3 open of 4",
        ),
        ([wire.NewOrder()], "is not an event"),
        ([wire.ExecutionReport(seq=1)], "is not an event"),
    ],
)
def test_events_that_contradict_each_other_are_refused(events: list[wire.Trade], text: str) -> None:
    entry = encode_entry(1, GENESIS_DIGEST, wire.NewOrder().encode(), events)
    with pytest.raises(BatchRefused, match=text):
        fold_one(encode_batch(SHARD, [entry]))


def test_a_wrong_event_count_is_refused() -> None:
    entry = encode_entry(1, GENESIS_DIGEST, wire.NewOrder().encode(), [ACCEPTED])
    tail = bytearray(entry.data[8:])
    tail[24] = 2
    data = entry.data[:4] + crc32c(bytes(tail)).to_bytes(4, "little") + bytes(tail)
    changed = Entry(1, entry.digest, data, ())
    with pytest.raises(BatchRefused, match="1 events, not 2"):
        fold_one(encode_batch(SHARD, [changed]))


def test_crc32c_is_castagnolis() -> None:
    assert crc32c(b"123456789") == 0xE3069283
