"""The engine and the reference model get the same commands and must agree in every byte.

Few accounts, prices and ids, and tight funds, so that orders meet, repeat and are refused. Small
limits, so that pools and memories of ids run full. Values on and beyond every bound.
"""

from typing import Any

from hypothesis import given, note, settings
from hypothesis import strategies as st
from tradepit.engine import Engine
from tradepit.protocol import wire

from tests.reference import Limits, ReferenceEngine

LIMITS = Limits(
    shard_id=3,
    max_orders=6,
    client_order_ids=5,
    transfer_ids=12,
    max_accounts=4,
    max_instruments=3,
    max_assets=3,
)
ACCOUNTS = (1, 2, 77)
OUTER_ACCOUNTS = (0, 5, 2**63 - 1, 2**63, 2**64 - 1)
INT64 = st.integers(-(2**63), 2**63 - 1)


def mostly(usual: st.SearchStrategy[Any], rare: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """`usual`, and one time in sixteen `rare`."""
    return st.integers(0, 15).flatmap(lambda die: usual if die else rare)


account_ids = mostly(st.sampled_from(ACCOUNTS), st.sampled_from(OUTER_ACCOUNTS))
instrument_ids = mostly(st.integers(1, 2), st.sampled_from((0, 3, 4, 2**32 - 1)))
asset_ids = mostly(st.integers(1, 3), st.sampled_from((0, 4, 2**32 - 1)))
client_order_ids = mostly(st.integers(0, 8), st.sampled_from((2**63 - 1, 2**63, 2**64 - 1)))
order_ids = mostly(
    st.integers(0, 24).map(lambda counter: counter and (LIMITS.shard_id << 48) + counter),
    st.sampled_from((1, 2**64 - 1)),
)
prices = mostly(st.integers(95, 105), st.one_of(st.sampled_from((0, -1, 1, 200, 201)), INT64))
quantities = mostly(st.integers(1, 12), st.one_of(st.sampled_from((0, -1, 50, 51)), INT64))
enum_bytes = st.sampled_from((0, 3, 4, 255))
times = st.integers(-3, 3)
request_ids = st.integers(0, 2**32 - 1)
common: dict[str, Any] = {"request_id": request_ids, "time_ns": times}

new_orders = st.builds(
    wire.NewOrder,
    **common,
    account_id=account_ids,
    client_order_id=client_order_ids,
    price_ticks=prices,
    quantity_lots=quantities,
    instrument_id=instrument_ids,
    side=mostly(st.integers(1, 2), enum_bytes),
    order_type=mostly(st.sampled_from((1, 1, 1, 2)), enum_bytes),
    time_in_force=mostly(st.sampled_from((1, 1, 1, 2, 3)), enum_bytes),
    flags=mostly(st.sampled_from((0, 0, 0, 1)), st.integers(0, 255)),
).map(
    lambda order: order._replace(
        # Without this, nearly every market order would be refused for its price or its time.
        price_ticks=0 if order.order_type == 2 and order.price_ticks % 8 else order.price_ticks,
        time_in_force=2 + order.quantity_lots % 2
        if order.order_type == 2 and order.time_in_force == 1
        else order.time_in_force,
        flags=0 if order.time_in_force != 1 and order.price_ticks % 8 else order.flags,
    )
)
cancels = st.builds(
    wire.CancelOrder,
    **common,
    account_id=account_ids,
    order_id=order_ids,
    client_order_id=client_order_ids,
)
replaces = st.builds(
    wire.ReplaceOrder,
    **common,
    account_id=account_ids,
    order_id=order_ids,
    client_order_id=client_order_ids,
    price_ticks=mostly(st.sampled_from((0, *range(95, 106))), st.one_of(st.just(-1), INT64)),
    quantity_lots=mostly(st.integers(0, 12), st.one_of(st.just(-1), INT64)),
)
mass_cancels = st.builds(
    wire.MassCancel,
    **common,
    account_id=account_ids,
    instrument_id=mostly(st.integers(0, 2), st.just(9)),
    side=mostly(st.integers(0, 2), enum_bytes),
)
transfers = st.sampled_from((wire.Credit, wire.Credit, wire.Debit)).flatmap(
    lambda kind: st.builds(
        kind,
        **common,
        account_id=mostly(account_ids, st.just(0)),
        transfer_id=mostly(st.integers(1, 30), st.sampled_from((0, 2**63, 2**64 - 1))),
        amount_units=mostly(
            st.integers(1, 30_000), st.one_of(st.sampled_from((0, -1, 2**62, 2**62 + 1)), INT64)
        ),
        asset_id=asset_ids,
    )
)
symbols = mostly(st.sampled_from(("USD", "BTC", "X" * 16)), st.sampled_from(("", "A B", "é")))
set_assets = st.builds(
    wire.SetAsset,
    **common,
    symbol=symbols,
    asset_id=asset_ids,
    decimals=mostly(st.integers(0, 2), st.sampled_from((18, 19, 255))),
)
fees = mostly(
    st.sampled_from((0, 500, 1_234, 33_333, 100_000)), st.sampled_from((100_001, 2**32 - 1))
)
set_instruments = st.builds(
    wire.SetInstrument,
    **common,
    symbol=symbols,
    tick_size=mostly(st.integers(1, 2), st.sampled_from((0, -1, 2**63 - 1))),
    lot_size_units=mostly(st.integers(10, 11), st.sampled_from((0, -1, 2**62, 2**63 - 1))),
    price_ticks_min=mostly(st.integers(1, 100), st.sampled_from((0, -1))),
    price_ticks_max=mostly(st.integers(100, 300), st.sampled_from((2**40, 2**40 + 1, -1))),
    quantity_lots_min=mostly(st.integers(1, 3), st.sampled_from((0, -1))),
    quantity_lots_max=mostly(st.integers(5, 60), st.sampled_from((2**40, 2**40 + 1, -1))),
    instrument_id=instrument_ids,
    base_asset_id=mostly(st.just(2), asset_ids),
    quote_asset_id=mostly(st.just(1), asset_ids),
    maker_fee_ppm=fees,
    taker_fee_ppm=fees,
    price_decimals=mostly(st.integers(0, 1), st.sampled_from((18, 19))),
    trading_state=mostly(st.sampled_from((1, 1, 1, 2)), enum_bytes),
)
set_accounts = st.builds(
    wire.SetAccount,
    **common,
    account_id=mostly(st.sampled_from((*ACCOUNTS, 9)), account_ids),
    state=mostly(st.sampled_from((1, 1, 1, 2)), enum_bytes),
)
trading = st.one_of(new_orders, new_orders, new_orders, cancels, replaces, replaces, mass_cancels)
administration = st.one_of(set_assets, set_instruments, set_accounts, transfers, transfers)
commands = mostly(trading, administration)

OPENING: list[Any] = [
    wire.SetAsset(symbol="USD", asset_id=1, decimals=2),
    wire.SetAsset(symbol="BTC", asset_id=2, decimals=1),
    *(
        wire.SetInstrument(
            symbol=f"BTC-USD{instrument_id}",
            tick_size=1,
            lot_size_units=10,
            price_ticks_min=1,
            price_ticks_max=200,
            quantity_lots_min=1,
            quantity_lots_max=50,
            instrument_id=instrument_id,
            base_asset_id=2,
            quote_asset_id=1,
            maker_fee_ppm=500,
            taker_fee_ppm=33_333,
            price_decimals=instrument_id - 1,
            trading_state=1,
        )
        for instrument_id in (1, 2)
    ),
    *(wire.SetAccount(account_id=account_id, state=1) for account_id in ACCOUNTS),
]


def opening(quote_units: list[int], base_units: list[int]) -> list[Any]:
    """Assets, instruments and accounts, with these funds for each account."""
    credits = []
    for index, account_id in enumerate(ACCOUNTS):
        for asset_id, units in ((1, quote_units[index]), (2, base_units[index])):
            if units:
                credits.append(
                    wire.Credit(
                        account_id=account_id,
                        transfer_id=100 + 2 * index + asset_id,
                        amount_units=units,
                        asset_id=asset_id,
                    )
                )
    return OPENING + credits


def new_engine() -> Engine:
    return Engine(
        shard_id=LIMITS.shard_id,
        max_orders=LIMITS.max_orders,
        client_order_ids=LIMITS.client_order_ids,
        transfer_ids=LIMITS.transfer_ids,
        max_accounts=LIMITS.max_accounts,
        max_instruments=LIMITS.max_instruments,
        max_assets=LIMITS.max_assets,
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
    engine.check()
    assert engine.open_order_count == len(reference.resting)
    assert engine.account_count == len(reference.accounts) - 1
    for instrument_id in reference.instruments:
        bids, asks = reference.book(instrument_id)
        assert engine.book(instrument_id) == (bids, asks)
        top = (bids or [(0, 0, 0)])[0][:2] + (asks or [(0, 0, 0)])[0][:2]
        assert engine.top_of_book(instrument_id) == top
    for account_id in reference.accounts:
        for asset_id in reference.assets:
            funds = reference.funds_of(account_id, asset_id)
            assert engine.balance(account_id, asset_id) == (funds.available, funds.held)


amounts = st.lists(st.sampled_from((0, 500, 3_000, 20_000, 10**6)), min_size=3, max_size=3)


@settings(max_examples=150, deadline=None)
@given(
    quote_units=amounts,
    base_units=amounts,
    sequence=st.lists(commands, min_size=20, max_size=80),
    snapshot_at=st.sets(st.integers(0, 79), max_size=3),
)
def test_engine_equals_the_reference(
    quote_units: list[int], base_units: list[int], sequence: list[Any], snapshot_at: set[int]
) -> None:
    engine, reference = new_engine(), ReferenceEngine(LIMITS)
    for command in opening(quote_units, base_units):
        agree(engine, reference, command)
    for index, command in enumerate(sequence):
        note(f"{index}: {command}")
        if index in snapshot_at:
            snapshot = engine.snapshot()
            engine = Engine.restore(snapshot)  # goes on in the place of the one that wrote it
            assert engine.snapshot() == snapshot
        agree(engine, reference, command)


@settings(max_examples=30, deadline=None)
@given(
    sequence=st.lists(trading, min_size=10, max_size=60),
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=60),
)
def test_how_commands_are_batched_changes_nothing(sequence: list[Any], sizes: list[int]) -> None:
    one_by_one, in_batches = new_engine(), new_engine()
    start = b"".join(command.encode() for command in opening([10**6] * 3, [10**6] * 3))
    one_by_one.apply(start)
    in_batches.apply(start)
    records = [command.encode() for command in sequence]
    expected = b"".join(one_by_one.apply(record) for record in records)
    events, position = b"", 0
    for size in sizes:
        events += in_batches.apply(b"".join(records[position : position + size]))
        position += size
    events += in_batches.apply(b"".join(records[position:]))
    assert events == expected
    assert in_batches.snapshot() == one_by_one.snapshot()
