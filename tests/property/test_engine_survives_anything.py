"""Records whose fields hold any bits at all: each is answered, and no invariant breaks."""

from random import Random
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from tradepit.protocol import wire

from tests.engine_market import Market, limit, market

TEMPLATES: tuple[Any, ...] = (
    limit(wire.Side.BUY, 100, 5, client_order_id=1),
    limit(wire.Side.SELL, 100, 5, account_id=2),
    market(wire.Side.BUY, 5),
    wire.CancelOrder(account_id=1, client_order_id=1),
    wire.ReplaceOrder(account_id=1, client_order_id=1, price_ticks=101, quantity_lots=7),
    wire.MassCancel(account_id=2),
    wire.SetAsset(symbol="USD", asset_id=1),
    wire.SetAccount(account_id=3, state=1),
    wire.Credit(account_id=1, transfer_id=50, amount_units=5, asset_id=1),
    wire.Debit(account_id=1, transfer_id=51, amount_units=5, asset_id=2),
)
QUERIES: tuple[Any, ...] = (
    wire.InstrumentsQuery(),
    wire.BookQuery(instrument_id=1, levels_max=10),
    wire.OrderQuery(account_id=1, client_order_id=1),
    wire.OpenOrdersQuery(account_id=1, count_max=10),
    wire.BalancesQuery(account_id=1),
)


def damaged(record: bytes, random: Random) -> bytes:
    """The record with up to three bits flipped behind its header."""
    data = bytearray(record)
    for _ in range(random.randint(0, 3) if len(data) > wire.HEADER_SIZE else 0):
        data[random.randrange(wire.HEADER_SIZE, len(data))] ^= 1 << random.randrange(8)
    return bytes(data)


@settings(max_examples=40, deadline=None)
@given(random=st.randoms(use_true_random=True))
def test_commands_and_queries_with_any_bits_are_answered(random: Random) -> None:
    venue = Market(max_orders=50, client_order_ids=20, transfer_ids=20, max_accounts=10)
    listing = venue.ask(wire.InstrumentsQuery())[-2]
    terms = {
        name: value
        for name, value in listing._asdict().items()
        if name in wire.SetInstrument._fields
    }
    templates = [*TEMPLATES, wire.SetInstrument(**terms)]
    for _ in range(200):
        command = damaged(random.choice(templates).encode(), random)
        try:
            events, reports = venue.engine.apply_with_reports(command)
        except ValueError:
            continue  # a reserved byte
        assert all(isinstance(event, wire.EVENTS) for event in wire.decode_all(events))
        wire.decode_all(reports)
        answers = wire.decode_all(
            venue.engine.query(damaged(random.choice(QUERIES).encode(), random))
        )
        assert isinstance(answers[-1], wire.QueryEnd | wire.Reject | wire.ExecutionReport)
        venue.engine.check()
