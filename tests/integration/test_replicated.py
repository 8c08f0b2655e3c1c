"""`durability = replicated`: an answer means three copies, on a cluster of three JetStream servers."""

import asyncio
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nats
import pytest
from nats.js.api import StorageType
from tradepit.cli.main import main
from tradepit.client import Client, OutcomeUnknown, Unreachable
from tradepit.ledger import stream as ledger_stream
from tradepit.ledger.batch import Position
from tradepit.ledger.stream import JetStream
from tradepit.protocol import names, wire

from tests.matcher_process import (
    INSTRUMENT,
    MAKER,
    MatcherProcess,
    running_matcher,
    trade_once,
    wait_until,
)
from tests.nats_cluster import NatsCluster

pytestmark = pytest.mark.embedded

SHARD_ID = 4


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[NatsCluster]:
    with NatsCluster(tmp_path / "cluster") as running:
        yield running


def submit(maker: Client, client_order_id: int) -> None:
    """Place an order that rests."""
    maker.submit(
        instrument_id=INSTRUMENT,
        side=wire.Side.SELL,
        price_ticks=5000,
        quantity_lots=1,
        client_order_id=client_order_id,
    )


def test_an_answer_waits_for_a_majority_and_survives_the_machine(
    cluster: NatsCluster, data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running_matcher(
        data_dir,
        cluster.url,
        SHARD_ID,
        TRADEPIT_DURABILITY="replicated",
        TRADEPIT_NATS_MONITOR_URLS=cluster.monitor_urls,
    ) as matcher:
        assert matcher.log.count("always=1") == 3
        with matcher.trader(MAKER) as maker:
            assert maker.connect().durability == wire.Durability.REPLICATED
        trade_once(matcher)
        assert answers(matcher, 1)

        cluster.kill(0)
        # Two of three are a majority; the stream may need a moment to choose a leader.
        wait_until(lambda: answers(matcher, 2), "an answer with two servers")

        with matcher.trader(MAKER) as maker:
            cluster.kill(1)
            with pytest.raises(OutcomeUnknown):  # sequenced and on disk, and no majority has it
                submit(maker, 3)
        cluster.start(0)
        wait_until(lambda: answers(matcher, 4), "an answer with two servers again")
        cluster.start(1)

        status = matcher.status()
        matcher.kill()
        shutil.rmtree(matcher.journal_dir)  # the machine is lost, and its disk
        cluster.kill(0)
        cluster.kill(1)
        # Nobody leads the stream until two servers are back: the rebuilding waits for that.
        attempts: list[Position] = []
        open_stream = JetStream.open

        async def open_counted(stream: JetStream, position: Position) -> None:
            attempts.append(position)
            await open_stream(stream, position)

        monkeypatch.setattr(JetStream, "open", open_counted)
        monkeypatch.setattr(ledger_stream, "REQUEST_TIMEOUT_S", 0.5)
        with ThreadPoolExecutor(1) as pool:
            words = ["journal", "rebuild", "--data", str(data_dir), "--shard", str(SHARD_ID)]
            rebuilding = pool.submit(main, [*words, "--nats-url", cluster.url])
            wait_until(lambda: len(attempts) > 1, "a first attempt that failed")
            cluster.start(0)
            cluster.start(1)
            assert rebuilding.result(60) == 0
        matcher.start()
        after = matcher.status()
        assert after.seq >= status.seq
        with matcher.trader(MAKER) as maker:
            found = {order.client_order_id for order in maker.open_orders()}
            assert {1, 2, 3, 4} <= found


def answers(matcher: MatcherProcess, client_order_id: int) -> bool:
    try:
        with matcher.trader(MAKER) as maker:
            submit(maker, client_order_id)
    except (OutcomeUnknown, Unreachable):
        return False
    return True


def test_servers_that_acknowledge_before_they_sync_are_refused(
    tmp_path: Path, data_dir: Path
) -> None:
    with NatsCluster(tmp_path / "cluster", sync_interval="2m") as lazy:
        matcher = MatcherProcess(
            data_dir,
            lazy.url,
            SHARD_ID,
            TRADEPIT_DURABILITY="replicated",
            TRADEPIT_NATS_MONITOR_URLS=lazy.monitor_urls,
        )
        matcher.start_unready()
        assert matcher.wait() == 2
    assert "set `sync_interval: always`" in matcher.log


def test_a_server_that_stands_alone_is_refused(
    nats_url: str, shard_id: int, data_dir: Path
) -> None:
    matcher = MatcherProcess(data_dir, nats_url, shard_id, TRADEPIT_DURABILITY="replicated")
    matcher.start_unready()
    assert matcher.wait() == 1
    assert "needs a JetStream cluster of 3 servers" in matcher.log


def test_a_stream_that_would_forget_is_refused(
    nats_url: str, shard_id: int, data_dir: Path
) -> None:
    async def make_stream() -> None:
        client = await nats.connect(nats_url)
        await client.jetstream().add_stream(
            name=names.events_stream(shard_id),
            subjects=[names.events_subject(shard_id)],
            storage=StorageType.MEMORY,
        )
        await client.close()

    asyncio.run(make_stream())
    matcher = MatcherProcess(data_dir, nats_url, shard_id)
    matcher.start_unready()
    assert matcher.wait() == 1
    assert "delete it, and it is made anew from the journal" in matcher.log
