"""Snapshots: round trip, damage, and going on as the original does."""

import random

import pytest
from tradepit.engine import Engine
from tradepit.protocol import wire
from tradepit.protocol.wire import Side, TimeInForce

from tests.engine_market import LISTING, Market, limit
from tests.reference_state import chain_digest

CHECKED_FROM = 16  # behind magic and checksum


def busy_market(command_count: int = 400) -> Market:
    venue = Market(
        listing=LISTING._replace(maker_fee_ppm=700, taker_fee_ppm=3_000),
        max_orders=1_000,
        client_order_ids=10,
        transfer_ids=8,
    )
    choose = random.Random(1)
    for index in range(command_count):
        side = choose.choice((Side.BUY, Side.SELL))
        ticks = choose.randint(80, 101) if side == Side.BUY else choose.randint(99, 120)
        venue.send(
            limit(
                side,
                ticks * 10**6,
                choose.randint(1, 9),
                account_id=choose.randint(1, 3),
                client_order_id=index,
                time_in_force=choose.choice((TimeInForce.GTC, TimeInForce.GTC, TimeInForce.IOC)),
            )
        )
    assert venue.engine.open_order_count > 10  # more than are remembered
    return venue


def resealed(snapshot: bytes) -> bytes:
    """The bytes with a checksum that fits them, as a careful liar would write it."""
    checksum = chain_digest(0x5450424F4F4B3031, snapshot[CHECKED_FROM:])
    return snapshot[:8] + checksum.to_bytes(8, "little") + snapshot[CHECKED_FROM:]


def test_a_restored_engine_goes_on_as_the_original_does() -> None:
    venue = busy_market()
    copy = Engine.restore(venue.engine.snapshot())
    assert copy.snapshot() == venue.engine.snapshot()
    choose = random.Random(2)
    for index in range(400):
        command = limit(
            choose.choice((Side.BUY, Side.SELL)),
            choose.randint(95, 105) * 10**6,
            choose.randint(1, 9),
            account_id=choose.randint(1, 3),
            client_order_id=300 + index,
        ).encode()
        assert copy.apply_with_reports(command) == venue.engine.apply_with_reports(command)
    for account_id in (1, 2, 3):
        query = wire.OpenOrdersQuery(account_id=account_id, count_max=400).encode()
        assert copy.query(query) == venue.engine.query(query)
        cancel = wire.MassCancel(account_id=account_id).encode()
        assert copy.apply(cancel) == venue.engine.apply(cancel)
    assert copy.digest == venue.engine.digest
    assert copy.snapshot() == venue.engine.snapshot()


def test_an_empty_engine_has_a_snapshot_too() -> None:
    engine = Engine(shard_id=3, max_orders=10)
    copy = Engine.restore(engine.snapshot())
    assert (copy.shard_id, copy.seq, copy.digest) == (3, 0, engine.digest)


def test_every_damaged_byte_and_every_cut_is_refused() -> None:
    snapshot = busy_market(40).engine.snapshot()
    for index in range(len(snapshot)):
        damaged = bytearray(snapshot)
        damaged[index] ^= 0x10
        with pytest.raises(ValueError, match="snapshot"):
            Engine.restore(bytes(damaged))
    for size in (*range(300), len(snapshot) - 8, len(snapshot) - 1):
        with pytest.raises(ValueError, match="snapshot"):
            Engine.restore(snapshot[:size])
    with pytest.raises(ValueError, match="length"):
        Engine.restore(snapshot + bytes(8))


def test_bytes_that_lie_under_a_right_checksum_never_make_a_broken_engine() -> None:
    snapshot = busy_market(60).engine.snapshot()
    choose = random.Random(3)
    refused = 0
    for _ in range(1_000):
        damaged = bytearray(snapshot)
        # Behind the limits: those only make an engine of another size.
        damaged[choose.randrange(64, len(damaged))] ^= 1 << choose.randrange(8)
        try:
            engine = Engine.restore(resealed(bytes(damaged)))
        except ValueError:
            refused += 1
            continue
        engine.check()
        engine.apply(limit(Side.BUY, 10**8, 1).encode())
        engine.check()
    assert refused > 500


@pytest.mark.parametrize("offset", [64, 88, 96, 104], ids=["seq", "orders", "trades", "sessions"])
def test_counts_that_would_run_over_are_refused(offset: int) -> None:
    """Found by the fuzzer: an engine that went on gave ids that its next snapshot was refused for."""
    snapshot = bytearray(Engine(shard_id=3, max_orders=10).snapshot())
    assert snapshot[offset : offset + 8] == bytes(8)
    snapshot[offset : offset + 8] = (2**48 - 1).to_bytes(8, "little")
    with pytest.raises(ValueError, match="counts are out of range"):
        Engine.restore(resealed(bytes(snapshot)))
