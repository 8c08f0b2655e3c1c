"""A matcher as a real process, for tests that talk to it, stop it and kill it."""

import json
import os
import resource
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from tradepit.cli import ports
from tradepit.client import Client
from tradepit.protocol import wire

START_TIMEOUT_S = 30.0
STOP_TIMEOUT_S = 20.0
DEADLINE_S = 60.0
POLL_S = 0.02
MAKER, TAKER = 1, 2
INSTRUMENT = 1
FUNDS_UNITS = 10**15


def free_port() -> int:
    return ports.choose({}, ["any"])["any"]


class MatcherProcess:
    """Runs `python -m tradepit.matcher` on a data folder; can be started again after its end."""

    def __init__(self, data_dir: Path, nats_url: str, shard_id: int, **settings: str) -> None:
        self.data_dir = data_dir
        self.order_endpoint = f"tcp://127.0.0.1:{free_port()}"
        self.feed_endpoint = f"tcp://127.0.0.1:{free_port()}"
        self.operator_key = secrets.token_hex(32)
        self.trader_keys = {account: secrets.token_hex(32) for account in (MAKER, TAKER)}
        self.shard_id = shard_id
        self.log_path = data_dir / "matcher.log"
        self.limit_file_bytes = 0  # 0 = none
        self._process: subprocess.Popen[bytes] | None = None
        keys_file = data_dir / "keys.json"
        keys = [{"key": self.operator_key, "account_id": 0, "role": "operator"}]
        for account, key in self.trader_keys.items():
            keys.append({"key": key, "account_id": account, "role": "trader"})
        keys_file.touch(mode=0o600)
        keys_file.write_text(json.dumps({"keys": keys}))
        self.environment = {
            **os.environ,
            "TRADEPIT_DATA_DIR": str(data_dir),
            "TRADEPIT_KEYS_FILE": str(keys_file),
            "TRADEPIT_SHARD_ID": str(shard_id),
            "TRADEPIT_ORDER_ENDPOINT": self.order_endpoint,
            "TRADEPIT_FEED_ENDPOINT": self.feed_endpoint,
            "TRADEPIT_NATS_URL": nats_url,
            "TRADEPIT_SEGMENT_MIB": "16",
            **settings,
        }

    @property
    def journal_dir(self) -> Path:
        return self.data_dir / "journal" / f"shard-{self.shard_id}"

    @property
    def segments(self) -> list[Path]:
        return sorted(self.journal_dir.glob("*.journal"))

    @property
    def log(self) -> str:
        return self.log_path.read_text()

    def start(self) -> None:
        """Start and wait until it serves."""
        self.start_unready()
        deadline = time.monotonic() + START_TIMEOUT_S
        while " ready " not in self.log[self._log_offset :]:
            assert self._process is not None
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the matcher does not serve:\n{self.log}")
            time.sleep(POLL_S)

    def start_unready(self) -> None:
        self._log_offset = len(self.log) if self.log_path.exists() else 0
        with self.log_path.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tradepit.matcher"],
                env=self.environment,
                stderr=log,
                stdin=subprocess.DEVNULL,
                # The tests that set a limit have no thread of their own.
                preexec_fn=self._limit_files if self.limit_file_bytes else None,  # noqa: PLW1509
            )

    def _limit_files(self) -> None:
        limit = self.limit_file_bytes
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    def wait(self) -> int:
        assert self._process is not None
        return self._process.wait(START_TIMEOUT_S)

    def stop(self) -> int:
        """SIGTERM; the exit code."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    @property
    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def memory_bytes(self) -> int:
        assert self._process is not None
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.partition("VmRSS:")[2].split()[0]) * 1024

    def send_signal(self, signum: signal.Signals) -> None:
        """Send a signal and go on."""
        assert self._process is not None
        self._process.send_signal(signum)

    def _end(self, signum: signal.Signals) -> int:
        assert self._process is not None
        self._process.send_signal(signum)
        return self._process.wait(STOP_TIMEOUT_S)

    def operator(self) -> Client:
        return Client(self.order_endpoint, 0, self.operator_key)

    def trader(self, account_id: int, *, cancel_on_disconnect: bool = False) -> Client:
        return Client(
            self.order_endpoint,
            account_id,
            self.trader_keys[account_id],
            cancel_on_disconnect=cancel_on_disconnect,
        )

    def status(self) -> wire.ShardStatus:
        with self.operator() as operator:
            return operator.status()


@contextmanager
def running_matcher(
    data_dir: Path, nats_url: str, shard_id: int, **settings: str
) -> Iterator[MatcherProcess]:
    """A matcher that serves one instrument and two funded accounts; killed at the end."""
    matcher = MatcherProcess(data_dir, nats_url, shard_id, **settings)
    matcher.start()
    try:
        list_market(matcher)
        yield matcher
    finally:
        if matcher.is_running:
            matcher.kill()


def list_market(matcher: MatcherProcess) -> None:
    with matcher.operator() as operator:
        operator.set_asset(wire.SetAsset(symbol="USD", asset_id=1, decimals=6))
        operator.set_asset(wire.SetAsset(symbol="BTC", asset_id=2, decimals=8))
        operator.set_instrument(
            wire.SetInstrument(
                symbol="BTC-USD",
                instrument_id=INSTRUMENT,
                base_asset_id=2,
                quote_asset_id=1,
                tick_size=1,
                price_decimals=2,
                lot_size_units=10_000,
                price_ticks_min=1,
                price_ticks_max=100_000_000,
                quantity_lots_min=1,
                quantity_lots_max=1_000_000,
                maker_fee_ppm=0,
                taker_fee_ppm=500,
                trading_state=wire.TradingState.CONTINUOUS,
            )
        )
        for account_id in (MAKER, TAKER):
            operator.set_account(account_id)
            for asset_id in (1, 2):
                operator.credit(
                    account_id=account_id,
                    asset_id=asset_id,
                    amount_units=FUNDS_UNITS,
                    transfer_id=100 * account_id + asset_id,
                )


def trade_once(matcher: MatcherProcess, price_ticks: int = 1000, quantity_lots: int = 10) -> None:
    with matcher.trader(MAKER) as maker, matcher.trader(TAKER) as taker:
        maker.submit(
            instrument_id=INSTRUMENT,
            side=wire.Side.SELL,
            price_ticks=price_ticks,
            quantity_lots=quantity_lots,
        )
        order = taker.submit(
            instrument_id=INSTRUMENT,
            side=wire.Side.BUY,
            price_ticks=price_ticks,
            quantity_lots=quantity_lots,
        )
        assert order.status == wire.OrderStatus.FILLED


def wait_until(condition: Callable[[], bool], what: str, deadline_s: float = DEADLINE_S) -> None:
    deadline = time.monotonic() + deadline_s
    while not condition():
        assert time.monotonic() < deadline, f"never happened: {what}"
        time.sleep(POLL_S)
