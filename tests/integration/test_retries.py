"""An order that is sent again gets its first answer again: over restarts, from snapshots, in flight."""

import shutil
from pathlib import Path
from typing import Any

import pytest
from tradepit.client import Client, Order, Refused, new_order
from tradepit.protocol import wire
from tradepit.protocol.wire import OrderStatus, OrderType, Reason, Side, TimeInForce

from tests.integration.test_matcher_sessions import RawPeer
from tests.integration.test_snapshotter import has_snapshot, trade_until_snapshot
from tests.matcher_process import INSTRUMENT, MAKER, TAKER, MatcherProcess, running_matcher

PRICE = 5_000
EVERY_COMMAND = {"TRADEPIT_SNAPSHOT_COMMANDS": "20"}


def order(client_order_id: int, side: int, price_ticks: int, **terms: Any) -> wire.NewOrder:
    return new_order(
        instrument_id=INSTRUMENT,
        side=side,
        price_ticks=price_ticks,
        client_order_id=client_order_id,
        **{"quantity_lots": 10, **terms},
    )


ORDERS = {
    "rests": order(11, Side.BUY, PRICE - 10),
    "trades in part and rests": order(12, Side.BUY, PRICE + 1, quantity_lots=15),
    "trades in part and is canceled": order(
        13, Side.BUY, PRICE + 2, quantity_lots=12, time_in_force=TimeInForce.IOC
    ),
    "finds nothing": order(14, Side.SELL, PRICE * 2, time_in_force=TimeInForce.IOC),
    "market": order(15, Side.BUY, 0, quantity_lots=3),
    "by budget": order(16, Side.BUY, 0, quantity_lots=0, quote_budget_units=10**9),
    "waits": order(17, Side.BUY, PRICE * 4, trigger_price_ticks=PRICE * 3),
    "good till a date": order(18, Side.BUY, 1, time_in_force=TimeInForce.GTD, expire_time_ns=2**62),
    "shows a part": order(19, Side.BUY, 2, display_quantity_lots=3),
    "is pegged": order(20, Side.BUY, PRICE, order_type=OrderType.PEGGED, peg_reference=1),
}


def place_all(matcher: MatcherProcess) -> list[Order]:
    """One of every kind, some of them with trades; another one trades with the last afterwards."""
    with matcher.trader(MAKER) as maker, matcher.trader(TAKER) as taker:
        for price_ticks in (PRICE, PRICE + 1, PRICE + 2, PRICE + 3, PRICE + 4, PRICE + 5):
            maker.submit(
                instrument_id=INSTRUMENT,
                side=Side.SELL,
                price_ticks=price_ticks,
                quantity_lots=5 if price_ticks < PRICE + 2 else 2,
            )
        orders = taker.submit_many(list(ORDERS.values()))
        assert [each.reason for each in orders] == [Reason.NONE] * len(ORDERS), orders
        assert not any(each.is_replayed for each in orders)
        taker.cancel(order_id=orders[0].order_id)
        maker.submit(instrument_id=INSTRUMENT, side=Side.SELL, price_ticks=1, quantity_lots=20)
    return orders


def send_again(matcher: MatcherProcess) -> list[Order]:
    with matcher.trader(TAKER) as taker:
        return taker.submit_many(list(ORDERS.values()))


def assert_answered_as_before(matcher: MatcherProcess, before: list[Order]) -> None:
    assert send_again(matcher) == [each._replace(is_replayed=True) for each in before]


def test_the_first_answer_comes_again_before_and_after_a_kill(matcher: MatcherProcess) -> None:
    before = place_all(matcher)
    assert sum(len(each.fills) for each in before) > 5
    statuses = {each.status for each in before}
    assert statuses >= {OrderStatus.OPEN, OrderStatus.CANCELED, OrderStatus.WAITING}
    assert_answered_as_before(matcher, before)
    assert_answered_as_before(matcher, before)
    matcher.kill()
    matcher.start()
    assert_answered_as_before(matcher, before)
    matcher.stop()
    matcher.start()
    assert_answered_as_before(matcher, before)


def test_the_first_answer_comes_from_before_a_snapshot(
    data_dir: Path, nats_url: str, shard_id: int
) -> None:
    with running_matcher(data_dir, nats_url, shard_id, **EVERY_COMMAND) as matcher:
        before = place_all(matcher)
        for _ in range(2):  # the second from what the first restart knew
            trade_until_snapshot(matcher, matcher.status().seq)
            assert has_snapshot(matcher, before[-1].seq)
            matcher.kill()
            matcher.start()
            assert "from_snapshot" in matcher.log or "snapshot_seq" in matcher.log
            assert_answered_as_before(matcher, before)


@pytest.mark.parametrize("durability", ["disk", "memory"])
def test_a_retry_behind_its_order_in_the_same_message(
    data_dir: Path, nats_url: str, shard_id: int, durability: str
) -> None:
    settings = {"TRADEPIT_DURABILITY": durability}
    with (
        running_matcher(data_dir, nats_url, shard_id, **settings) as matcher,
        matcher.trader(MAKER) as maker,
    ):
        wanted = order(1, Side.SELL, PRICE)
        for number in range(1, 100):
            first, *others = maker.submit_many([wanted._replace(client_order_id=number)] * 20)
            assert not first.is_replayed
            assert others == [first._replace(is_replayed=True)] * 19


def test_other_terms_are_refused_and_an_order_without_id_counts_twice(
    matcher: MatcherProcess,
) -> None:
    with matcher.trader(MAKER) as maker:
        first = maker.submit_many([order(1, Side.SELL, PRICE)])[0]
        for changes in ({"quantity_lots": 11}, {"price_ticks": PRICE + 1}, {"flags": 1}):
            (refused,) = maker.submit_many([order(1, Side.SELL, PRICE)._replace(**changes)])
            assert (refused.reason, refused.order_id) == (Reason.DUPLICATE_CLIENT_ORDER_ID, 0)
        two = maker.submit_many([order(0, Side.SELL, PRICE)] * 2)
        assert len({each.order_id for each in (first, *two)}) == 3
    with matcher.trader(TAKER) as taker:  # whose ids are its own
        own = taker.submit_many([order(1, Side.SELL, PRICE)])[0]
        assert not own.is_replayed
        assert own.order_id not in {first.order_id, *(each.order_id for each in two)}


def test_what_was_refused_may_be_tried_again(matcher: MatcherProcess) -> None:
    wanted = order(1, Side.SELL, PRICE, time_in_force=TimeInForce.FOK)
    with matcher.trader(MAKER) as maker, matcher.trader(TAKER) as taker:
        refused, again = maker.submit_many([wanted] * 2)
        assert refused.reason == again.reason == Reason.FOK_NOT_FILLABLE
        taker.submit_many([order(1, Side.BUY, PRICE)])
        placed, replayed = maker.submit_many([wanted] * 2)
        assert (placed.status, placed.is_replayed) == (OrderStatus.FILLED, False)
        assert replayed == placed._replace(is_replayed=True)


def test_a_retry_is_known_where_the_order_would_not_be_accepted_any_more(
    matcher: MatcherProcess,
) -> None:
    with matcher.trader(MAKER) as maker, matcher.operator() as operator:
        old = maker.submit(**sell(client_order_id=1))
        replacing = sell(client_order_id=2, price_ticks=PRICE + 1, replaces_order_id=old.order_id)
        replaced = maker.submit(**replacing)
        maker.engage_kill_switch()
        assert maker.submit(**replacing) == replaced._replace(is_replayed=True)
        with pytest.raises(Refused, match="kill_switch_engaged"):
            maker.submit(**sell(client_order_id=3))
        operator.release_kill_switch(account_id=MAKER)


def sell(**terms: Any) -> Any:
    return {
        "instrument_id": INSTRUMENT,
        "side": Side.SELL,
        "quantity_lots": 10,
        "price_ticks": PRICE,
        **terms,
    }


def test_without_its_segment_a_retry_is_refused_as_a_duplicate(
    matcher: MatcherProcess, tmp_path: Path
) -> None:
    with matcher.trader(MAKER) as maker:
        first = maker.submit(**sell(client_order_id=1))
        (segment,) = matcher.segments
        shutil.move(segment, tmp_path)
        with pytest.raises(Refused, match="duplicate_client_order_id"):
            maker.submit(**sell(client_order_id=1))
        shutil.move(tmp_path / segment.name, segment)
        assert maker.submit(**sell(client_order_id=1)) == first._replace(is_replayed=True)


def test_an_order_of_a_list_is_refused_as_a_duplicate(matcher: MatcherProcess) -> None:
    with matcher.trader(MAKER) as maker:
        maker.submit_list(wire.ListKind.EACH, [sell(client_order_id=1)])
        with pytest.raises(Refused, match="duplicate_client_order_id"):
            maker.submit(**sell(client_order_id=1))
        again = maker.submit_list(wire.ListKind.EACH, [sell(client_order_id=1)])
        assert [each.reason for each in again.orders] == [Reason.DUPLICATE_CLIENT_ORDER_ID]


def test_each_report_is_the_first_one_but_for_its_flag(matcher: MatcherProcess) -> None:
    key = matcher.trader_keys[TAKER]
    with matcher.trader(MAKER) as maker:
        maker.submit(**sell())
        maker.submit(**sell(quantity_lots=1))
    wanted = order(7, Side.BUY, PRICE, quantity_lots=12)._replace(account_id=TAKER)
    answers: list[list[Any]] = []
    for request_id in (5, 6):
        with RawPeer(matcher.order_endpoint) as peer:
            peer.log_on(TAKER, key)
            answers.append(peer.ask(wanted._replace(request_id=request_id).encode()))
    first, again = answers
    assert [report.kind for report in first] == [
        wire.ExecutionKind.ACCEPTED,
        wire.ExecutionKind.TRADE,
        wire.ExecutionKind.TRADE,
    ]
    replayed = wire.ReportFlag.REPLAYED
    assert again == [
        report._replace(request_id=6, flags=report.flags | replayed) for report in first
    ]


def test_a_storm_of_retries_is_answered(matcher: MatcherProcess) -> None:
    orders = [order(number, Side.SELL, PRICE) for number in range(1, 10_001)]
    with matcher.trader(MAKER) as maker:
        placed = maker.submit_many(orders)
    with Client(matcher.order_endpoint, MAKER, matcher.trader_keys[MAKER]) as again:
        replayed = again.submit_many(orders)
    assert replayed == [each._replace(is_replayed=True) for each in placed]
