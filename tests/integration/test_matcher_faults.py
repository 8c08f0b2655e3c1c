"""A matcher whose disk fills up, whose broker stands still, and that stands still itself."""

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tradepit.protocol import wire

from tests.matcher_process import (
    INSTRUMENT,
    MAKER,
    MatcherProcess,
    running_matcher,
    trade_once,
    wait_until,
)
from tests.matcher_stream import delete_stream, wait_for_stream
from tests.servers import Servers

SYNCHRONIZED = "publishing stream="


@contextmanager
def small_disk(folder: Path, mebibytes: int) -> Iterator[Callable[[int], None]]:
    """A file system of a given size on the folder; what it yields changes the size."""

    def mount(size: int, *options: str) -> bool:
        arguments = ("mount", "-t", "tmpfs", "-o", ",".join([f"size={size}M", *options]))
        return (
            subprocess.run([*arguments, "tmpfs", folder], check=False, timeout=10).returncode == 0
        )

    if os.geteuid() != 0 or shutil.which("mount") is None or not mount(mebibytes):
        pytest.skip("needs the right to mount a file system")
    try:
        yield lambda size: None if mount(size, "remount") else pytest.fail("cannot remount")
    finally:
        subprocess.run(["umount", "-l", folder], check=True, timeout=10)  # noqa: S607


def test_a_disk_that_fills_up_refuses_orders_and_goes_on_when_there_is_space(
    tmp_path: Path, nats_url: str, shard_id: int
) -> None:
    orders = [
        wire.NewOrder(
            account_id=MAKER,
            instrument_id=INSTRUMENT,
            side=side,
            order_type=wire.OrderType.LIMIT,
            time_in_force=wire.TimeInForce.GTC,
            price_ticks=1000,
            quantity_lots=1,
        )
        for side in (wire.Side.SELL, wire.Side.BUY) * 500
    ]
    data_dir = tmp_path / "data"
    data_dir.mkdir(mode=0o700)
    with (
        small_disk(data_dir, 20) as resize,
        running_matcher(data_dir, nats_url, shard_id) as matcher,
        matcher.trader(MAKER) as maker,
    ):
        reason = None
        for _ in range(200):
            answers = maker.submit_many(orders)
            refused = [order.reason for order in answers if order.reason]
            if refused:
                reason = refused[-1]
                break
        assert reason == wire.Reason.STORAGE_FULL
        before = matcher.status()
        assert before.committed_seq == before.seq
        assert maker.balances()
        resize(60)

        def is_accepted() -> bool:
            return not maker.submit_many(orders[:1])[0].reason

        wait_until(is_accepted, "orders are taken again")
        after = matcher.status()
        matcher.kill()
        matcher.start()
        assert matcher.status().digest == after.digest
        assert wait_for_stream(matcher, nats_url)[-1][0].digest == after.digest
        matcher.kill()


@contextmanager
def under_load(matcher: MatcherProcess) -> Iterator[None]:
    """Orders all the time, from a thread; it must still get answers at the end."""
    stop = threading.Event()
    failures: list[Exception] = []
    orders = [
        wire.NewOrder(
            account_id=MAKER,
            instrument_id=INSTRUMENT,
            side=side,
            order_type=wire.OrderType.LIMIT,
            time_in_force=wire.TimeInForce.GTC,
            price_ticks=1000,
            quantity_lots=1,
        )
        for side in (wire.Side.SELL, wire.Side.BUY) * 50
    ]

    def trade() -> None:
        try:
            with matcher.trader(MAKER) as maker:
                while not stop.is_set():
                    maker.submit_many(orders)
        except Exception as error:  # noqa: BLE001 - shown by the test
            failures.append(error)

    thread = threading.Thread(target=trade)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
    assert not failures


@pytest.mark.parametrize("fault", ["stream deleted", "broker stands still", "matcher stands still"])
def test_trouble_under_load_doubles_nothing_and_loses_nothing(
    matcher: MatcherProcess, servers: Servers, nats_url: str, fault: str
) -> None:
    with under_load(matcher):
        wait_for_stream(matcher, nats_url)
        if fault == "stream deleted":
            for _ in range(3):
                synchronized = matcher.log.count(SYNCHRONIZED)
                delete_stream(nats_url, matcher.shard_id)

                def is_made_again(before: int = synchronized) -> bool:
                    return matcher.log.count(SYNCHRONIZED) > before

                wait_until(is_made_again, "a new stream")
        elif fault == "broker stands still":
            # Batches in flight reach the broker after their connection was given up.
            servers.kill("nats", signal.SIGSTOP)
            try:
                wait_until(lambda: "publishing_interrupted" in matcher.log, "it is noticed")
            finally:
                servers.kill("nats", signal.SIGCONT)
        else:
            matcher.send_signal(signal.SIGSTOP)
            matcher.send_signal(signal.SIGCONT)
        trade_once(matcher, price_ticks=5000)
    status = matcher.status()
    entries = wait_for_stream(matcher, nats_url)
    assert (len(entries), entries[-1][0].digest) == (status.seq, status.digest)
