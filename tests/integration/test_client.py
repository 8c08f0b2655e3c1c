"""The SDK on a real matcher: two traders, market data, restarts, and the README's example."""

import asyncio
import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tradepit.client import (
    AsyncClient,
    Client,
    FeedSubscriber,
    ListKind,
    NewOrderTerms,
    Order,
    Refused,
    new_order,
)
from tradepit.client.feed import FeedRecord
from tradepit.protocol import wire
from tradepit.protocol.errors import OutcomeUnknown, TradepitError, Unreachable
from tradepit.protocol.wire import CancelReason, ExecutionKind, Liquidity, OrderStatus, Side

from tests.matcher_process import FUNDS_UNITS, INSTRUMENT, MAKER, TAKER, running_matcher
from tests.matcher_process import MatcherProcess as Matcher

DEADLINE_S = 20.0
README = Path(__file__).parents[2] / "client" / "README.md"
PRICE = 6_400_000


@pytest.fixture
def matcher(data_dir: Path, nats_url: str, shard_id: int) -> Iterator[Matcher]:
    with running_matcher(data_dir, nats_url, shard_id) as process:
        yield process


def offer(client: Client, lots: int = 10, **changes: Any) -> Order:
    return client.submit(
        instrument_id=INSTRUMENT,
        side=Side.SELL,
        quantity_lots=lots,
        **{"price_ticks": PRICE, **changes},
    )


def test_a_trade_is_seen_by_both_parties_and_the_feed(matcher: Matcher) -> None:
    with (
        matcher.trader(MAKER) as maker,
        matcher.trader(TAKER) as taker,
        FeedSubscriber(matcher.feed_endpoint, [INSTRUMENT]) as feed,
    ):
        resting = offer(maker, client_order_id=1)
        while not feed.receive(0.05):  # until the subscription is there, keep the top moving
            resting = maker.replace(order_id=resting.order_id, price_ticks=resting.price_ticks + 1)
        bought = taker.submit(
            instrument_id=INSTRUMENT,
            side=Side.BUY,
            quantity_lots=4,
            price_ticks=resting.price_ticks,
        )
        assert bought.status == OrderStatus.FILLED
        (fill,) = bought.fills
        notional_units = 4 * resting.price_ticks
        assert fill.fee_units == notional_units * 500 // 1_000_000
        assert fill.liquidity == Liquidity.TAKER
        (report,) = maker.reports(DEADLINE_S)
        assert (report.kind, report.trade_id) == (ExecutionKind.TRADE, fill.trade_id)
        assert (report.filled_lots, report.remaining_lots, report.fee_units) == (4, 6, 0)
        records: list[FeedRecord] = []
        while not any(type(record) is wire.MarketTrade for record in records):
            records += feed.receive(DEADLINE_S)
        trade = next(record for record in records if type(record) is wire.MarketTrade)
        assert (trade.trade_id, trade.quantity_lots) == (fill.trade_id, 4)
        usd, btc = taker.balances()
        assert usd.available_units == FUNDS_UNITS - notional_units - fill.fee_units
        assert btc.available_units == FUNDS_UNITS + 4 * 10_000
        assert maker.book(INSTRUMENT).asks[0].quantity_lots == 6


def test_an_operator_corrects_and_busts_a_trade(matcher: Matcher) -> None:
    with (
        matcher.operator() as operator,
        matcher.trader(MAKER) as maker,
        matcher.trader(TAKER) as taker,
        FeedSubscriber(matcher.feed_endpoint, [INSTRUMENT]) as feed,
    ):
        resting = offer(maker)
        while not feed.receive(0.05):
            resting = maker.replace(order_id=resting.order_id, price_ticks=resting.price_ticks + 1)
        before = [each._replace(request_id=0) for each in taker.balances()]
        bought = taker.submit(
            instrument_id=INSTRUMENT, side=Side.BUY, quantity_lots=4, price_ticks=PRICE * 2
        )
        (fill,) = bought.fills
        corrected = operator.correct_trade(fill.trade_id, price_ticks=PRICE // 2, quantity_lots=3)
        assert corrected.notional_units == 3 * (PRICE // 2)
        with pytest.raises(Refused, match="trade_already_busted"):
            operator.bust_trade(operator.bust_trade(fill.trade_id).trade_id)
        assert [each._replace(request_id=0) for each in taker.balances()] == before
        with pytest.raises(Refused, match="not_authorized"):
            taker.bust_trade(fill.trade_id)
        reports: list[wire.ExecutionReport] = []
        while len(reports) < 3:
            reports += maker.reports(DEADLINE_S)
        assert [(each.kind, each.trade_quantity_lots) for each in reports] == [
            (ExecutionKind.TRADE, 4),
            (ExecutionKind.TRADE_CORRECTED, 3),
            (ExecutionKind.TRADE_BUSTED, 3),
        ]
        changes: list[Any] = []
        while len(changes) < 2:
            changes += [each for each in feed.receive(DEADLINE_S) if "Changed" in str(type(each))]
        assert [(each.trade_id, each.quantity_lots) for each in changes] == [
            (fill.trade_id, 3),
            (fill.trade_id, 0),
        ]


def test_the_longest_commands_fit_the_journal(matcher: Matcher) -> None:
    count = wire.FILLS_PER_COMMAND_MAX
    one = new_order(
        account_id=MAKER,
        instrument_id=INSTRUMENT,
        side=Side.SELL,
        quantity_lots=1,
        price_ticks=PRICE,
    )
    with matcher.trader(MAKER) as maker:
        maker.submit_many([one] * count)
        taker = maker.submit(
            instrument_id=INSTRUMENT,
            side=Side.BUY,
            quantity_lots=count,
            price_ticks=PRICE,
            self_trade_prevention=wire.SelfTradePrevention.CANCEL_OLDEST,
        )
        assert taker.status == OrderStatus.OPEN
        assert maker.book(INSTRUMENT).asks == ()
        assert maker.status().open_order_count == 1


def test_a_maker_quotes_and_is_protected(matcher: Matcher) -> None:
    with matcher.trader(MAKER) as maker, matcher.trader(TAKER) as taker:
        changed = maker.set_quote_protection(
            wire.SetQuoteProtection(
                instrument_id=INSTRUMENT, window_ns=wire.QUOTE_WINDOW_NS_MAX, fill_count_max=1
            )
        )
        assert changed.state == wire.QuoteProtectionState.ARMED
        quote = wire.MassQuote(
            instrument_id=INSTRUMENT,
            levels=(
                wire.QuoteLevel(PRICE - 2, 5, PRICE, 5),
                wire.QuoteLevel(PRICE - 3, 5, PRICE + 1, 5),
            ),
        )
        quotes = maker.mass_quote(quote)
        assert (quotes.kept_count, quotes.canceled_count, quotes.placed_count) == (0, 0, 4)
        assert all(each.is_open and each.flags == wire.OrderFlag.QUOTE for each in quotes.orders)
        quotes = maker.mass_quote(quote._replace(levels=quote.levels[:1]))
        assert (quotes.kept_count, quotes.canceled_count, quotes.placed_count) == (2, 2, 0)
        assert {each.cancel_reason for each in quotes.orders} == {CancelReason.QUOTE_REPLACED}
        taker.submit(instrument_id=INSTRUMENT, side=Side.BUY, quantity_lots=1, price_ticks=PRICE)
        assert maker.open_orders() == []
        with pytest.raises(Refused, match="quote_protection_active"):
            maker.mass_quote(quote)
        with pytest.raises(Refused, match="not_authorized"):
            taker.mass_quote(quote._replace(account_id=MAKER))
        with pytest.raises(Refused, match="invalid_session"):
            maker.mass_quote(quote._replace(session_id=1))


def test_a_bracket_is_placed_and_what_it_triggers_is_reported(matcher: Matcher) -> None:
    bought: NewOrderTerms = {
        "instrument_id": INSTRUMENT,
        "side": Side.BUY,
        "quantity_lots": 5,
        "price_ticks": PRICE,
    }
    sold: NewOrderTerms = {"instrument_id": INSTRUMENT, "side": Side.SELL, "quantity_lots": 5}
    profit: NewOrderTerms = sold | {"price_ticks": PRICE + 100}
    loss: NewOrderTerms = sold | {"trigger_price_ticks": PRICE - 100}
    with matcher.trader(MAKER) as maker, matcher.trader(TAKER) as taker:
        placed = taker.submit_list(ListKind.BRACKET, [bought, profit, loss])
        assert [each.status for each in placed.orders] == [
            OrderStatus.OPEN,
            OrderStatus.WAITING,
            OrderStatus.WAITING,
        ]
        assert [each.is_pending for each in placed.orders] == [False, True, True]
        assert maker.book(INSTRUMENT).asks == ()
        offer(maker, 5)
        reports = {(each.order_id, each.kind): each for each in taker.reports(DEADLINE_S)}
        first, second, third = (each.order_id for each in placed.orders)
        assert (first, ExecutionKind.TRADE) in reports
        assert reports[second, ExecutionKind.ACTIVATED].status == OrderStatus.OPEN
        assert reports[third, ExecutionKind.ACTIVATED].status == OrderStatus.WAITING
        assert [each.is_pending for each in taker.open_orders()] == [False, False]
        maker.submit(
            instrument_id=INSTRUMENT, side=Side.BUY, quantity_lots=1, price_ticks=PRICE + 100
        )
        (left,) = taker.open_orders()
        assert (left.order_id, left.filled_lots) == (second, 1)

        with pytest.raises(Refused, match="invalid_list") as shapeless:
            taker.submit_list(ListKind.BRACKET, [bought, profit])
        assert shapeless.value.index is None
        with pytest.raises(Refused, match="order 1: invalid_price") as wrong:
            taker.submit_list(ListKind.OCO, [profit, loss | {"price_ticks": -1}])
        assert wrong.value.index == 1
        with pytest.raises(Refused, match="not_authorized"):
            taker.submit_list(ListKind.EACH, [bought], account_id=MAKER)


def test_refusals_carry_the_engine_reason(matcher: Matcher) -> None:
    with matcher.trader(MAKER) as maker:
        offer(maker, client_order_id=1)
        with pytest.raises(Refused, match="duplicate_client_order_id"):
            offer(maker, 11, client_order_id=1)
        with pytest.raises(Refused, match="unknown_order"):
            maker.cancel(order_id=12345)
        with pytest.raises(Refused, match="unknown_order"):
            maker.order(client_order_id=99)
        with pytest.raises(Refused, match="not_authorized"):
            maker.balances(account_id=TAKER)
        with pytest.raises(Refused, match="not_authorized"):
            maker.set_account(3)
        with pytest.raises(Refused, match="unknown_instrument"):
            maker.book(99)
        with pytest.raises(Refused, match="invalid_quantity"):
            offer(maker, -1)
        ioc = offer(maker, time_in_force=wire.TimeInForce.IOC)
        assert (ioc.status, ioc.cancel_reason) == (
            OrderStatus.CANCELED,
            CancelReason.IOC_REMAINDER,
        )


def test_a_pipeline_keeps_order_and_counts(matcher: Matcher) -> None:
    order = new_order(instrument_id=INSTRUMENT, side=Side.SELL, quantity_lots=1, price_ticks=PRICE)
    with matcher.trader(MAKER) as maker:
        orders = maker.submit_many(
            [order._replace(client_order_id=number) for number in range(1, 5_001)]
        )
        assert [each.client_order_id for each in orders] == list(range(1, 5_001))
        assert [each.order_id for each in orders] == sorted(each.order_id for each in orders)
        assert [each.order_id for each in maker.open_orders()] == [e.order_id for e in orders]
        cancels = [wire.CancelOrder(order_id=each.order_id) for each in orders[:1_000]]
        canceled = maker.submit_many(cancels + cancels[:1])
        assert [each.status for each in canceled[:1_000]] == [OrderStatus.CANCELED] * 1_000
        assert canceled[1_000].reason == wire.Reason.UNKNOWN_ORDER
        assert maker.mass_cancel() == 4_000


def test_an_operator_moves_money(matcher: Matcher) -> None:
    with matcher.operator() as operator:
        changed = operator.credit(account_id=MAKER, asset_id=1, amount_units=5, transfer_id=77)
        assert changed.available_units == FUNDS_UNITS + 5
        with pytest.raises(Refused, match="duplicate_transfer"):
            operator.credit(account_id=MAKER, asset_id=1, amount_units=5, transfer_id=77)
        changed = operator.debit(account_id=MAKER, asset_id=1, amount_units=6, transfer_id=78)
        assert changed.delta_units == -6
        halted = operator.instruments().instruments[0]
        terms = {name: getattr(halted, name) for name in wire.SetInstrument._fields}
        operator.set_instrument(
            wire.SetInstrument(**{**terms, "trading_state": wire.TradingState.HALTED})
        )
        with matcher.trader(MAKER) as maker, pytest.raises(Refused, match="instrument_halted"):
            offer(maker)


def test_a_client_goes_on_after_the_shard_restarts(matcher: Matcher) -> None:
    with matcher.trader(MAKER) as maker:
        first = offer(maker, client_order_id=1)
        matcher.kill()
        matcher.start()
        orders = maker.open_orders()
        assert [each.order_id for each in orders] == [first.order_id]
        assert maker.logon_count == 2
        assert offer(maker, client_order_id=1) == first._replace(is_replayed=True)


def test_without_a_shard_calls_end_and_with_it_they_work_again(matcher: Matcher) -> None:
    key = matcher.trader_keys[MAKER]
    with Client(matcher.order_endpoint, MAKER, key, timeout_s=0.5) as maker:
        matcher.stop()
        with pytest.raises((Unreachable, OutcomeUnknown)):
            offer(maker)
        with pytest.raises((Unreachable, OutcomeUnknown)):
            offer(maker)
        matcher.start()
        deadline = threading.Event()
        timer = threading.Timer(DEADLINE_S, deadline.set)
        timer.start()
        while not deadline.is_set():
            try:
                if offer(maker).is_open:
                    break
            except (Unreachable, OutcomeUnknown):
                continue
        assert not deadline.is_set()
        timer.cancel()


def test_orders_of_unknown_outcome_count_once_when_sent_again(matcher: Matcher) -> None:
    """Kill the shard in the middle of a stream of orders: each is there exactly once in the end."""
    order_count = 3_000

    async def place(client: AsyncClient, client_order_id: int) -> None:
        while True:
            try:
                await client.submit(
                    instrument_id=INSTRUMENT,
                    side=Side.SELL,
                    quantity_lots=1,
                    price_ticks=PRICE,
                    client_order_id=client_order_id,
                )
            except Refused as refused:
                if refused.reason != wire.Reason.DUPLICATE_CLIENT_ORDER_ID:
                    raise
            except TradepitError:
                await asyncio.sleep(0.01)
                continue
            return

    async def main() -> None:
        key = matcher.trader_keys[MAKER]
        async with (
            asyncio.timeout(3 * DEADLINE_S),
            AsyncClient(matcher.order_endpoint, MAKER, key, timeout_s=1.0) as client,
        ):
            numbers = iter(range(1, order_count + 1))

            async def worker() -> None:
                for number in numbers:
                    await place(client, number)

            workers = [asyncio.create_task(worker()) for _ in range(32)]
            while len(await client.open_orders()) < order_count // 4:
                pass
            await asyncio.to_thread(matcher.kill)
            await asyncio.to_thread(matcher.start)
            await asyncio.gather(*workers)
            found = await client.open_orders()
            assert sorted(each.client_order_id for each in found) == list(range(1, order_count + 1))

    asyncio.run(main())


def test_asyncio_reports_reach_the_iterator(matcher: Matcher) -> None:
    async def main() -> None:
        keys = matcher.trader_keys
        async with (
            asyncio.timeout(DEADLINE_S),
            AsyncClient(matcher.order_endpoint, MAKER, keys[MAKER]) as maker,
            AsyncClient(matcher.order_endpoint, TAKER, keys[TAKER]) as taker,
        ):
            await maker.submit(
                instrument_id=INSTRUMENT, side=Side.SELL, quantity_lots=10, price_ticks=PRICE
            )
            await asyncio.gather(
                *(
                    taker.submit(instrument_id=INSTRUMENT, side=Side.BUY, quantity_lots=1)
                    for _ in range(10)
                )
            )
            filled = 0
            async for report in maker.reports():
                filled = report.filled_lots
                if filled == 10:
                    break
            assert filled == 10

    asyncio.run(main())


@pytest.mark.parametrize(
    ("number", "shown"), [(0, "unknown_order"), (1, "False), (2, True), (3, True)]")]
)
def test_the_readme_examples_run(matcher: Matcher, tmp_path: Path, number: int, shown: str) -> None:
    examples = re.findall(r"```python\n(.*?)```", README.read_text(), re.DOTALL)
    assert len(examples) == 2
    (tmp_path / "data").mkdir(exist_ok=True)
    (tmp_path / "data" / "ready.json").write_text(
        json.dumps(
            {
                "order_endpoint": matcher.order_endpoint,
                "demo": {"account_id": MAKER, "key": matcher.trader_keys[MAKER]},
            }
        )
    )
    done = subprocess.run(
        [sys.executable, "-P", "-c", examples[number]],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=DEADLINE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    without_shard = re.sub(r"\d{7,}", lambda found: str(int(found[0]) % 2**48), done.stdout)
    assert shown in without_shard


def test_an_operator_sets_fees_and_prices_and_both_are_listed(matcher: Matcher) -> None:
    tiers = (wire.FeeTerms(maker_fee_ppm=0, taker_fee_ppm=0),)
    bands = (wire.PriceBand(from_price_ticks=1, step_ticks=5),)
    with matcher.operator() as operator:
        operator.set_fee_schedule(INSTRUMENT, tiers)
        operator.set_tick_table(INSTRUMENT, bands)
        listing = operator.instruments()
        assert [each.tiers for each in listing.fee_schedules] == [tiers]
        assert [each.bands for each in listing.tick_tables] == [bands]
        assert operator.set_account(TAKER, fee_tier=1).fee_tier == 1
        with matcher.trader(MAKER) as maker, matcher.trader(TAKER) as taker:
            with pytest.raises(Refused, match="invalid_price"):
                maker.submit(
                    instrument_id=INSTRUMENT, side=Side.SELL, quantity_lots=1, price_ticks=PRICE + 1
                )
            offer(maker)
            bought = taker.submit(
                instrument_id=INSTRUMENT, side=Side.BUY, quantity_lots=1, price_ticks=PRICE
            )
            assert [fill.fee_units for fill in bought.fills] == [0]


def test_an_account_stops_itself_and_an_operator_lets_it_go_on(matcher: Matcher) -> None:
    with matcher.operator() as operator, matcher.trader(MAKER) as maker:
        offer(maker)
        offer(maker)
        stopped = maker.engage_kill_switch()
        assert (stopped.canceled_count, stopped.account_id) == (2, MAKER)
        assert maker.open_orders() == []
        with pytest.raises(Refused, match="kill_switch_engaged"):
            offer(maker)
        with pytest.raises(Refused, match="not_authorized"):
            maker.release_kill_switch()
        operator.release_kill_switch(account_id=MAKER)
        offer(maker)


def test_orders_go_when_the_dead_man_timer_runs_out(matcher: Matcher) -> None:
    with matcher.trader(MAKER) as maker:
        resting = offer(maker)
        assert maker.cancel_after(3_600_000_000_000).deadline_ns > 0
        assert maker.cancel_after(0).deadline_ns == 0
        assert maker.order(order_id=resting.order_id).is_open
        maker.cancel_after(1_000_000)
        (report,) = maker.reports(DEADLINE_S)
        assert (report.order_id, report.cancel_reason) == (resting.order_id, CancelReason.DEAD_MAN)


def test_an_operator_opens_the_market_with_an_auction(matcher: Matcher) -> None:
    with (
        matcher.operator() as operator,
        matcher.trader(MAKER) as maker,
        matcher.trader(TAKER) as taker,
        FeedSubscriber(matcher.feed_endpoint, [INSTRUMENT]) as feed,
    ):
        auction = wire.TradingState.OPENING_AUCTION
        changed = operator.set_trading_state(INSTRUMENT, auction)
        assert (type(changed), changed.instrument_id) == (wire.TradingStateChanged, INSTRUMENT)
        resting = offer(maker)
        while not feed.receive(0.05):  # until the subscription is there, keep the top moving
            resting = maker.replace(order_id=resting.order_id, price_ticks=resting.price_ticks + 1)
        bid = taker.submit(
            instrument_id=INSTRUMENT,
            side=Side.BUY,
            quantity_lots=4,
            price_ticks=resting.price_ticks + 10,
        )
        assert (bid.status, bid.fills) == (OrderStatus.OPEN, ())
        indicative = None
        while indicative is None or not indicative.executable_lots:
            for record in feed.receive(DEADLINE_S):
                if type(record) is wire.AuctionIndicative:
                    indicative = record
        assert indicative.executable_lots == 4
        opened = operator.set_trading_state(INSTRUMENT, wire.TradingState.CONTINUOUS)
        assert type(opened) is wire.TradingStateChanged
        (report,) = taker.reports(DEADLINE_S)
        assert (report.kind, report.filled_lots) == (ExecutionKind.TRADE, 4)
        assert report.trade_price_ticks == indicative.indicative_price_ticks

        entries = (
            wire.CalendarEntry(minute_of_week=60, trading_state=auction),
            wire.CalendarEntry(minute_of_week=75, trading_state=wire.TradingState.CONTINUOUS),
        )
        assert operator.set_calendar(INSTRUMENT, entries).entries == entries
