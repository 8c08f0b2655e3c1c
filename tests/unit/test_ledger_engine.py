"""The ledger's fold against the real engine: same digest, same money."""

import random
from typing import Any

from tradepit.engine import Engine
from tradepit.ledger.batch import Position, StreamMessage
from tradepit.ledger.fold import fold
from tradepit.protocol import wire

from tests.ledger_model import Tables, apply, tables_of
from tests.ledger_stream import BTC, BTC_USD, ETH, ETH_USD, USD, Entry, encode_batch, encode_entry

SHARD = 5
ACCOUNTS = range(1, 6)


def commands(count: int, seed: int) -> list[Any]:
    """A market of two instruments where orders meet; some commands are refused."""
    chance = random.Random(seed)
    listed: list[Any] = [
        *(
            wire.SetAsset(symbol=symbol, asset_id=asset_id, decimals=decimals)
            for asset_id, symbol, decimals in ((USD, "USD", 6), (BTC, "BTC", 8), (ETH, "ETH", 8))
        ),
        *(
            wire.SetInstrument(
                symbol=symbol,
                tick_size=1,
                lot_size_units=10**6,
                price_ticks_min=1,
                price_ticks_max=10**6,
                quantity_lots_min=1,
                quantity_lots_max=10**4,
                instrument_id=instrument_id,
                base_asset_id=base_asset_id,
                quote_asset_id=USD,
                maker_fee_ppm=100,
                taker_fee_ppm=500,
                price_decimals=2,
                trading_state=1,
            )
            for instrument_id, symbol, base_asset_id in (
                (BTC_USD, "BTC-USD", BTC),
                (ETH_USD, "ETH-USD", ETH),
            )
        ),
        *(
            wire.SetAccount(account_id=account_id, trade_group=account_id // 4, state=1)
            for account_id in ACCOUNTS
        ),
        *(
            wire.Credit(
                account_id=account_id,
                transfer_id=account_id * 10 + asset_id,
                amount_units=10**12,
                asset_id=asset_id,
            )
            for account_id in ACCOUNTS
            for asset_id in (USD, BTC, ETH)
        ),
    ]
    for number in range(count):
        account_id = chance.choice(ACCOUNTS)
        pick = chance.random()
        if pick < 0.75:
            order_type = chance.choice((1, 1, 1, 2, 3, 4, 4))
            time_in_force = chance.choice({1: (1, 2, 3), 2: (2, 3), 3: (2,), 4: (1, 2)}[order_type])
            side = chance.choice((1, 2))
            has_price = order_type in (1, 4) or (order_type == 3 and side == 1)
            listed.append(
                wire.NewOrder(
                    account_id=account_id,
                    client_order_id=number + 1,
                    price_ticks=chance.randint(990, 1_010) if has_price else 0,
                    trigger_price_ticks=chance.randint(985, 1_015) if order_type > 2 else 0,
                    quantity_lots=chance.randint(1, 50),
                    instrument_id=chance.choice((BTC_USD, ETH_USD)),
                    side=side,
                    order_type=order_type,
                    time_in_force=time_in_force,
                    self_trade_prevention=chance.randint(0, 4),
                )
            )
        elif pick < 0.85:
            listed.append(
                wire.CancelOrder(account_id=account_id, client_order_id=chance.randint(1, count))
            )
        elif pick < 0.95:
            listed.append(
                wire.ReplaceOrder(
                    account_id=account_id,
                    client_order_id=chance.randint(1, number + 1),
                    price_ticks=chance.randint(990, 1_010),
                    quantity_lots=chance.randint(1, 60),
                )
            )
        elif pick < 0.96:
            listed.append(wire.MassCancel(account_id=account_id))
        elif pick < 0.97:
            trade_id = (SHARD << 48) + chance.randint(1, number // 3 + 1)
            listed.append(wire.BustTrade(trade_id=trade_id))
        elif pick < 0.98:
            listed.append(
                wire.CorrectTrade(
                    trade_id=(SHARD << 48) + chance.randint(1, number // 3 + 1),
                    price_ticks=chance.randint(900, 1_100),
                    quantity_lots=chance.choice((0, 0, 1)),
                )
            )
        else:
            listed.append(
                wire.Debit(
                    account_id=account_id,
                    transfer_id=10**6 + number,
                    amount_units=chance.randint(1, 10**9),
                    asset_id=chance.choice((USD, BTC)),
                )
            )
    return listed


def test_the_fold_agrees_with_the_engine_in_digest_and_money() -> None:
    engine = Engine(shard_id=SHARD)
    entries: list[Entry] = []
    digest = Position().digest
    for number, command in enumerate(commands(3_000, seed=11)):
        data = command._replace(time_ns=10**18 + number).encode()
        events = wire.decode_all(engine.apply(data))
        entries.append(encode_entry(engine.seq, digest, data, events))
        digest = entries[-1].digest
    assert digest == engine.digest

    batch = fold(SHARD, [StreamMessage(1, encode_batch(SHARD, entries))], Position(), {})
    assert batch.after == Position(engine.seq, 1, engine.digest)
    tables = Tables()
    apply(batch, tables)
    assert tables == tables_of(SHARD, entries)

    assert len(tables.trades) > 500
    changed = [type(e) for entry in entries for e in entry.events if hasattr(e, "trade_seq")]
    assert changed.count(wire.TradeBusted) > 5
    assert changed.count(wire.TradeCorrected) > 5
    triggered = [e for entry in entries for e in entry.events if isinstance(e, wire.OrderTriggered)]
    assert len(triggered) > 100
    assert any(order["status"] == 6 for order in tables.orders.values())
    assert sum(order["cancel_reason"] == 5 for order in tables.orders.values()) > 100
    for account_id in (0, *ACCOUNTS):
        for asset_id in (USD, BTC, ETH):
            available_units, held_units = engine.balance(account_id, asset_id)
            total_units, _ = tables.balances.get((account_id, asset_id), (0, 0))
            assert total_units == available_units + held_units
    open_orders = sum(order["status"] in (1, 2, 6) for order in tables.orders.values())
    assert open_orders == engine.open_order_count
