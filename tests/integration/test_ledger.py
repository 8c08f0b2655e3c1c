"""The ledger process on real servers: what it stores, and what faults do to it."""

import asyncio
import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import redis
from tradepit.cli.child import Child
from tradepit.ledger.migrate import migrate
from tradepit.protocol.wire import CANCELS_PER_COMMAND_MAX

from tests.figures import figures, text_of
from tests.ledger_harness import (
    DEADLINE_S,
    LedgerSetting,
    exit_code,
    kill,
    started,
    stop,
    wait_until,
)
from tests.ledger_stream import BTC_USD, PretendMatcher
from tests.matcher_process import free_port
from tests.servers import Servers


@pytest.fixture
def setting(
    shard_id: int, database_url: str, nats_url: str, redis_url: str, tmp_path: Path
) -> LedgerSetting:
    asyncio.run(migrate(database_url))
    return LedgerSetting(shard_id, database_url, nats_url, redis_url, tmp_path / "ledger.log")


@pytest.fixture
def ledger(setting: LedgerSetting) -> Iterator[Child]:
    child = setting.process()
    yield child
    if child.alive:
        kill(child)


@pytest.fixture
def matcher(shard_id: int) -> PretendMatcher:
    matcher = PretendMatcher(shard_id, seed=shard_id)
    matcher.list_everything()
    matcher.play(300)
    return matcher


def test_everything_is_stored_and_cached(
    setting: LedgerSetting, ledger: Child, matcher: PretendMatcher
) -> None:
    started(ledger, setting)  # before there is a stream
    setting.publish(matcher.messages(7))
    setting.expect(matcher)
    setting.expect_cached(matcher)
    first_seq = matcher.seq
    matcher.play(100)
    setting.publish(matcher.messages(1, after_seq=first_seq))
    setting.expect(matcher)
    setting.expect_cached(matcher)
    assert stop(ledger) == 0
    assert "Traceback" not in setting.log()


def test_people_can_read_decimals(
    setting: LedgerSetting, ledger: Child, matcher: PretendMatcher
) -> None:
    started(ledger, setting)
    setting.publish(matcher.messages(50))
    setting.expect(matcher)
    trade = setting.query("SELECT * FROM trades WHERE instrument_id = $1 LIMIT 1", BTC_USD)[0]
    shown = setting.query("SELECT * FROM trades_decimal WHERE trade_id = $1", trade["trade_id"])[0]
    assert shown["symbol"] == "BTC-USD"
    assert str(shown["price"]) == f"{trade['price_ticks'] / 100:.2f}"
    assert str(shown["quantity"]) == f"{trade['base_units'] / 10**8:.8f}"
    assert str(shown["notional"]) == f"{trade['notional_units'] / 10**6:.6f}"
    for view, table in (
        ("orders_decimal", "orders"),
        ("trades_decimal", "trades"),
        ("balances_decimal", "balances"),
        ("positions_decimal", "positions"),
    ):
        counts = setting.query(
            f"SELECT (SELECT count(*) FROM {view}), (SELECT count(*) FROM {table})"  # noqa: S608
        )[0]
        assert counts[0] == counts[1] > 0


def test_duplicates_and_late_messages_count_once(
    setting: LedgerSetting, ledger: Child, matcher: PretendMatcher
) -> None:
    messages = matcher.messages(5)
    again = [*messages[:20], *messages[10:30], *messages[15:], *messages]
    started(ledger, setting)
    setting.publish(again)
    setting.publish(matcher.messages(len(matcher.entries)))  # cut differently
    setting.expect(matcher)


def test_a_restart_goes_on_from_where_it_was(
    setting: LedgerSetting, ledger: Child, matcher: PretendMatcher
) -> None:
    messages = matcher.messages(5)
    started(ledger, setting)
    setting.publish(messages[:30])
    setting.wait_for_seq(150)
    assert stop(ledger) == 0
    setting.publish(messages[30:])
    started(ledger, setting)
    setting.expect(matcher)
    assert "start=31 " in setting.log()


def test_kill_9_at_any_moment_loses_and_doubles_nothing(
    setting: LedgerSetting, ledger: Child, matcher: PretendMatcher
) -> None:
    matcher.play(8_000)
    setting.publish(matcher.messages(20))
    for part in range(1, 5):
        started(ledger, setting)
        wait_until(
            lambda part=part: setting.applied_seq() >= part * matcher.seq // 6,  # type: ignore[misc]
            "some of it stored",
        )
        kill(ledger)
    started(ledger, setting)
    setting.expect(matcher)
    setting.expect_cached(matcher)


def test_terminated_connections_lose_and_double_nothing(
    setting: LedgerSetting, ledger: Child, matcher: PretendMatcher
) -> None:
    matcher.play(8_000)
    started(ledger, setting)
    setting.publish(matcher.messages(3)[:50])
    terminated = 0
    for start in range(50, len(matcher.messages(3)), 400):
        setting.publish(matcher.messages(3)[start : start + 400])
        terminated += len(
            setting.query(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE application_name = 'tradepit-ledger' AND datname = current_database()"
            )
        )
    setting.expect(matcher)
    setting.expect_cached(matcher)
    assert terminated > 0
    assert ledger.alive


def test_postgres_killed_and_back(
    setting: LedgerSetting, ledger: Child, matcher: PretendMatcher, servers: Servers
) -> None:
    messages = matcher.messages(5)
    started(ledger, setting)
    setting.publish(messages[:30])
    setting.wait_for_seq(150)
    servers.kill("postgres")
    setting.publish(messages[30:])
    servers.restart("postgres")
    setting.expect(matcher)
    assert stop(ledger) == 0


def test_nats_killed_and_back(
    setting: LedgerSetting, ledger: Child, matcher: PretendMatcher, servers: Servers
) -> None:
    messages = matcher.messages(5)
    started(ledger, setting)
    setting.publish(messages[:30])
    setting.wait_for_seq(150)
    servers.kill("nats")
    servers.restart("nats")
    setting.publish(messages[30:])
    setting.expect(matcher)
    assert stop(ledger) == 0


def test_a_ledger_that_cannot_read_its_stream_is_alive_and_not_ready(
    setting: LedgerSetting, matcher: PretendMatcher, servers: Servers
) -> None:
    port = free_port()
    ledger = started(setting.process(TRADEPIT_METRICS_PORT=str(port)), setting)
    setting.publish(matcher.messages(5))
    setting.expect(matcher)
    ready = f"http://127.0.0.1:{port}/health/ready"
    servers.kill("nats")
    try:
        wait_until(lambda: httpx.get(ready).text == "not following the stream\n", "it is told")
        assert httpx.get(f"http://127.0.0.1:{port}/health/live").status_code == 200
        shown = figures(port)
        assert shown["tradepit_ready"] == shown["tradepit_ledger_following"] == 0
        assert shown['tradepit_ledger_interruptions_total{server="nats"}'] >= 1
    finally:
        servers.restart("nats")
    wait_until(lambda: httpx.get(ready).status_code == 200, "it follows again")
    assert stop(ledger) == 0


def test_redis_killed_and_back(
    setting: LedgerSetting, ledger: Child, matcher: PretendMatcher, servers: Servers
) -> None:
    messages = matcher.messages(5)
    started(ledger, setting)
    setting.publish(messages[:30])
    setting.wait_for_seq(150)
    servers.kill("redis")
    setting.publish(messages[30:])
    setting.expect(matcher)  # without Redis
    servers.restart("redis")
    setting.expect_cached(matcher)


def test_a_flushed_redis_comes_back_by_itself(
    setting: LedgerSetting, ledger: Child, matcher: PretendMatcher
) -> None:
    started(ledger, setting)
    setting.publish(matcher.messages(5))
    setting.expect_cached(matcher)
    with redis.Redis.from_url(setting.redis_url, socket_timeout=DEADLINE_S) as client:
        client.flushdb()
    setting.expect_cached(matcher)  # while nothing happens
    first_seq = matcher.seq
    matcher.play(50)
    with redis.Redis.from_url(setting.redis_url, socket_timeout=DEADLINE_S) as client:
        client.flushdb()
        client.script_flush()
    setting.publish(matcher.messages(5, after_seq=first_seq))
    setting.expect_cached(matcher)  # while something does


def test_a_cache_of_another_history_is_replaced(
    setting: LedgerSetting, ledger: Child, matcher: PretendMatcher
) -> None:
    with redis.Redis.from_url(setting.redis_url, socket_timeout=DEADLINE_S) as client:
        client.set(f"tp:applied:{setting.shard_id}", 10**9)
        stale = {"seq": 10**9, "shard_id": setting.shard_id}
        client.hset("tp:position:1:1", mapping=stale)
        client.hset("tp:position:777:1", mapping=stale)
    started(ledger, setting)
    setting.publish(matcher.messages(5))
    setting.expect_cached(matcher)


def test_a_consumer_that_disappears_is_made_again(
    setting: LedgerSetting, ledger: Child, matcher: PretendMatcher
) -> None:
    messages = matcher.messages(5)
    setting.publish(messages[:30])
    started(ledger, setting)
    setting.wait_for_seq(150)
    assert setting.delete_consumers() == 1
    setting.publish(messages[30:])
    setting.expect(matcher)


def test_a_stream_rebuilt_from_the_journal_is_read_on(
    setting: LedgerSetting, ledger: Child, matcher: PretendMatcher
) -> None:
    setting.publish(matcher.messages(5))
    started(ledger, setting)
    setting.expect(matcher)
    assert stop(ledger) == 0
    setting.delete_stream()
    matcher.play(200)
    setting.publish(matcher.messages(13))  # other messages, other stream sequences
    started(ledger, setting)
    setting.expect(matcher)
    assert "stream_reread" in setting.log()


def test_a_gap_parks_the_ledger_until_the_stream_is_made_anew(
    setting: LedgerSetting, ledger: Child, matcher: PretendMatcher
) -> None:
    setting.publish(matcher.messages(10))
    setting.delete_message(4)
    ledger.start()
    setting.wait_for_log("parked")
    assert "goes on with seq 41, but seq 31 to 40 are missing" in setting.log()
    assert setting.applied_seq() == 30
    setting.delete_stream()
    setting.publish(matcher.messages(10))  # as the matcher does from its journal
    setting.expect(matcher)
    setting.wait_for_log("goes_on")
    assert stop(ledger) == 0
    assert "Traceback" not in setting.log()


def test_a_damaged_message_parks_the_ledger_and_is_named(
    setting: LedgerSetting, ledger: Child, matcher: PretendMatcher
) -> None:
    messages = matcher.messages(10)
    setting.publish(messages[:3])
    started(ledger, setting)
    setting.wait_for_seq(30)
    damaged = bytearray(messages[3])
    damaged[len(damaged) // 2] ^= 0x10
    setting.publish([bytes(damaged), *messages[4:]])
    setting.wait_for_log("parked")
    assert f"stream message 4 of shard {setting.shard_id} is not a commit batch" in setting.log()
    assert setting.applied_seq() == 30


def test_a_stream_that_is_mended_with_nothing_new_in_it_ends_the_parking(
    setting: LedgerSetting, ledger: Child, matcher: PretendMatcher
) -> None:
    setting.publish(matcher.messages(10))
    started(ledger, setting)
    setting.expect(matcher)
    setting.publish([b"hello"])
    setting.wait_for_log("parked")
    setting.delete_stream()
    setting.publish(matcher.messages(10))  # repeats, all of them
    setting.wait_for_log("goes_on")
    setting.expect(matcher)


def test_of_two_ledgers_one_is_fenced_off(
    setting: LedgerSetting, ledger: Child, matcher: PretendMatcher
) -> None:
    messages = matcher.messages(1)
    setting.publish(messages[:1])
    second = setting.process()
    started(ledger, setting)
    started(second, setting)
    try:
        wait_until(lambda: setting.log().count("stream_opened") == 2, "both read the stream")
        setting.publish(messages[1:])
        wait_until(lambda: ledger.alive != second.alive, "one of them stopped")
        setting.expect(matcher)
        loser = second if ledger.alive else ledger
        assert exit_code(loser) == 1
        assert f"another ledger has written shard {setting.shard_id}" in setting.log()
    finally:
        for child in (ledger, second):
            if child.alive:
                kill(child)


def test_a_database_without_the_schema_is_a_clear_sentence(
    database_url: str, setting: LedgerSetting
) -> None:
    setting.query("DROP TABLE migrations")
    ledger = setting.process()
    ledger.start()
    assert exit_code(ledger) == 2
    assert "run `tradepit ledger migrate`" in setting.log()


@pytest.mark.parametrize(
    ("variable", "value", "code", "text"),
    [
        ("TRADEPIT_POSTGRES_URL", "postgresql://x@127.0.0.1:1/x", 1, "PostgreSQL failed"),
        ("TRADEPIT_POSTGRES_URL", "gibberish", 2, "TRADEPIT_POSTGRES_URL"),
        ("TRADEPIT_NATS_URL", "nats://127.0.0.1:1", 1, "cannot connect to NATS"),
        ("TRADEPIT_NATS_URL", "gibberish:::", 2, "TRADEPIT_NATS_URL"),
        ("TRADEPIT_REDIS_URL", "gibberish", 2, "TRADEPIT_REDIS_URL"),
        ("TRADEPIT_SHARD_ID", "x", 2, "TRADEPIT_SHARD_ID"),
    ],
)
def test_a_missing_server_or_a_wrong_setting_is_a_clear_sentence(
    setting: LedgerSetting, variable: str, value: str, code: int, text: str
) -> None:
    ledger = setting.process(**{variable: value})
    ledger.start()
    assert exit_code(ledger) == code
    assert text in setting.log()
    assert "Traceback" not in setting.log()


def test_a_missing_redis_does_not_stop_the_ledger(
    setting: LedgerSetting, matcher: PretendMatcher
) -> None:
    ledger = setting.process(TRADEPIT_REDIS_URL="redis://127.0.0.1:1/0")
    started(ledger, setting)
    setting.publish(matcher.messages(5))
    setting.expect(matcher)
    assert stop(ledger) == 0
    assert setting.log().count("positions_not_cached") == 1


def test_a_read_only_database_is_waited_for(
    setting: LedgerSetting, ledger: Child, matcher: PretendMatcher
) -> None:
    messages = matcher.messages(5)
    started(ledger, setting)
    setting.publish(messages[:10])
    setting.wait_for_seq(50)
    database = setting.database_url.rsplit("/", 1)[1]
    setting.query(f"ALTER DATABASE {database} SET default_transaction_read_only = on")
    setting.query(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'tradepit-ledger' AND datname = current_database()"
    )
    setting.publish(messages[10:])
    wait_until(lambda: setting.log().count("server=postgres") > 1, "a second failure")
    setting.query(f"ALTER DATABASE {database} RESET default_transaction_read_only", read_only=False)
    setting.expect(matcher)


def test_an_order_that_is_not_there_parks_the_ledger(
    setting: LedgerSetting, ledger: Child, matcher: PretendMatcher
) -> None:
    while not matcher.open:  # the flow may end with an empty book
        matcher.new_order(crosses=False)
    setting.publish(matcher.messages(5))
    started(ledger, setting)
    setting.expect(matcher)
    order_id = next(iter(matcher.open))
    setting.query("CREATE TABLE kept AS SELECT * FROM orders WHERE order_id = $1", order_id)
    setting.query("DELETE FROM orders WHERE order_id = $1", order_id)
    last_seq = matcher.seq
    matcher.cancel(order_id)
    setting.publish(matcher.messages(1, after_seq=last_seq))
    setting.wait_for_log("parked")
    assert f"storing seq {last_seq + 1} to {last_seq + 1}" in setting.log()
    assert setting.applied_seq() == last_seq
    setting.query("INSERT INTO orders SELECT * FROM kept")  # mended: it goes on by itself
    setting.expect(matcher)


def test_the_largest_command_fits(setting: LedgerSetting, ledger: Child, shard_id: int) -> None:
    matcher = PretendMatcher(shard_id, accounts=1)
    matcher.list_everything()
    while len(matcher.open) < CANCELS_PER_COMMAND_MAX:
        matcher.new_order(crosses=False)
    last_seq = matcher.seq
    matcher.mass_cancel(1)
    setting.publish(matcher.messages(200))
    started(ledger, setting)
    setting.expect(matcher)
    assert len(matcher.messages(1, after_seq=last_seq)[0]) > 800_000


def test_metrics_and_health_are_served(setting: LedgerSetting, matcher: PretendMatcher) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    ledger = started(setting.process(TRADEPIT_METRICS_PORT=str(port)), setting)
    try:
        setting.publish(matcher.messages(5))
        setting.expect(matcher)
        address = f"http://127.0.0.1:{port}"
        assert httpx.get(f"{address}/health/live").text == "live\n"
        assert httpx.get(f"{address}/health/ready").status_code == 200
        wait_until(
            lambda: figures(port)["tradepit_ledger_cached_seq"] == matcher.seq,
            "the cache's seq is shown",
        )
        shown = figures(port)
        assert shown["tradepit_ledger_applied_seq"] == matcher.seq
        assert shown["tradepit_ledger_pending_messages"] == 0
        assert shown["tradepit_ledger_following"] == shown["tradepit_ready"] == 1
        transactions = shown["tradepit_ledger_commit_seconds_count"]
        assert transactions >= 1
        assert shown["tradepit_ledger_lag_seconds_count"] == transactions
        assert shown["tradepit_ledger_cache_seconds_count"] >= 1
        assert f'tradepit_ledger_applied_seq{{shard="{setting.shard_id}"}}' in text_of(port)
    finally:
        assert stop(ledger) == 0
