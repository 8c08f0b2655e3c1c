"""`tradepit journal` and `tradepit replay journal` on a journal that a real matcher wrote."""

import asyncio
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import nats
import pytest
from nats.js.errors import NotFoundError
from tradepit.cli.child import ChildFailed
from tradepit.cli.main import main
from tradepit.cli.running import RunningExchange
from tradepit.protocol import names, wire
from tradepit.protocol.errors import JournalDamaged
from tradepit.tools.journal.files import Journal
from tradepit.tools.journal.replay import Replay, totals_of

from tests.exchange_checks import check_everything, operator
from tests.matcher_process import (
    FUNDS_UNITS,
    INSTRUMENT,
    MAKER,
    TAKER,
    MatcherProcess,
    running_matcher,
    trade_once,
    wait_until,
)

SHARD_ID = 3
NO_NATS = "nats://127.0.0.1:1"


@pytest.fixture(scope="module")
def matcher(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MatcherProcess]:
    """One that has traded, and still runs: what is read is being written."""
    with running_matcher(tmp_path_factory.mktemp("journal"), NO_NATS, SHARD_ID) as running:
        for price_ticks in range(1000, 1010):
            trade_once(running, price_ticks)
        yield running


def run(
    capsys: pytest.CaptureFixture[str], data_dir: Path, *words: str
) -> tuple[int, list[str], str]:
    code = main([*words, "--data", str(data_dir), "--shard", str(SHARD_ID)])
    captured = capsys.readouterr()
    return code, captured.out.splitlines(), captured.err


def entries_count(matcher: MatcherProcess) -> int:
    return matcher.status().committed_seq


def damaged_copy(matcher: MatcherProcess, folder: Path, offset: int) -> Path:
    """A copy of the journal with one bit flipped."""
    shutil.copytree(matcher.journal_dir, folder / "journal" / f"shard-{SHARD_ID}")
    (segment,) = (folder / "journal").rglob("[0-9]*.journal")
    with segment.open("r+b") as file:
        file.seek(offset)
        byte = file.read(1)[0]
        file.seek(offset)
        file.write(bytes([byte ^ 1]))
    return folder


def test_inspect_and_verify_tell_where_the_journal_ends(
    matcher: MatcherProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    status = matcher.status()
    for action in ("inspect", "verify"):
        code, lines, _ = run(capsys, matcher.data_dir, "journal", action)
        assert code == 0
        assert f"seq 1 to {status.seq:,}" in lines[-1]
        assert f"digest {status.digest:016x}" in lines[-1]
    code, lines, _ = run(capsys, matcher.data_dir, "journal", "verify", "--json")
    report = json.loads(lines[0])
    assert (report["last_seq"], report["digest"]) == (status.seq, f"{status.digest:016x}")
    assert report["segments"][0]["entries"] == status.seq


@pytest.mark.parametrize("offset", [8, 64, 70, 200, 2000])
def test_a_flipped_bit_is_found_and_named(
    matcher: MatcherProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str], offset: int
) -> None:
    folder = damaged_copy(matcher, tmp_path, offset)
    code, lines, error = run(capsys, folder, "journal", "verify", "--json")
    assert code == 1
    assert not json.loads(lines[0])["sound"]
    assert "00000000000000000001.journal offset" in error
    assert "seq" in error
    assert run(capsys, folder, "journal", "export")[0] == 1
    assert run(capsys, folder, "replay", "journal")[0] == 1


def test_a_torn_tail_is_no_damage(
    matcher: MatcherProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = Journal(matcher.data_dir, SHARD_ID)
    last = list(journal.entries())[-1]
    folder = damaged_copy(matcher, tmp_path, last.offset + 60)
    code, lines, _ = run(capsys, folder, "journal", "verify")
    assert code == 0
    assert f"seq 1 to {last.seq - 1:,}" in lines[-1]
    assert "never acknowledged" in lines[-1]


def test_export_gives_every_command_with_its_events(
    matcher: MatcherProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    code, lines, _ = run(capsys, matcher.data_dir, "journal", "export", "--from-seq", "3")
    assert code == 0
    exported = [json.loads(line) for line in lines]
    assert [line["seq"] for line in exported] == list(range(3, entries_count(matcher) + 1))
    trades = [e for line in exported for e in line["events"] if e["type"] == "trade"]
    assert [trade["price_ticks"] for trade in trades] == list(range(1000, 1010))
    code, lines, _ = run(
        capsys, matcher.data_dir, "journal", "export", "--from-seq", "5", "--to-seq", "6"
    )
    assert [json.loads(line)["seq"] for line in lines] == [5, 6]


def test_the_exchange_can_be_seen_at_any_seq(
    matcher: MatcherProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    status = matcher.status()
    digests = [entry.digest for entry in Journal(matcher.data_dir, SHARD_ID).entries()]
    for seq in (1, 9, status.seq // 2, status.seq):
        code, lines, _ = run(
            capsys, matcher.data_dir, "replay", "journal", "--to-seq", str(seq), "--json"
        )
        state = json.loads(lines[0])
        assert code == 0
        assert (state["seq"], state["digest"]) == (seq, f"{digests[seq - 1]:016x}")
    assert state["digest"] == f"{status.digest:016x}"
    with matcher.trader(MAKER) as maker:
        now = {balance.asset_id: balance.available_units for balance in maker.balances()}
    funds = {
        row["asset"]: row["available_units"]
        for row in state["balances"]
        if row["account_id"] == MAKER
    }
    assert funds == {"USD": now[1], "BTC": now[2]}
    code, lines, _ = run(capsys, matcher.data_dir, "replay", "journal")
    assert code == 0
    assert any(line.startswith("BTC-USD") for line in lines)


def test_a_seq_that_is_not_there_is_refused(
    matcher: MatcherProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, error = run(capsys, matcher.data_dir, "replay", "journal", "--to-seq", "1000000")
    assert code == 2
    assert "the journal ends at seq" in error
    assert main(["journal", "verify", "--data", "nowhere"]) == 2
    assert "there is no journal" in capsys.readouterr().err


def test_a_replay_conserves_money_at_every_seq(matcher: MatcherProcess) -> None:
    journal = Journal(matcher.data_dir, SHARD_ID)
    replay = Replay(journal)
    last_seq = list(journal.entries())[-1].seq
    for seq in range(1, last_seq + 1):
        replay.move_to(seq)
        credited = sum(
            event.delta_units
            for entry in journal.entries(1, seq)
            for event in wire.decode_all(entry.events)
            if isinstance(event, wire.BalanceChanged)
        )
        assert sum(totals_of(replay.engine).values()) == credited
    assert credited == 4 * FUNDS_UNITS


def test_events_that_the_engine_would_not_give_are_damage(matcher: MatcherProcess) -> None:
    journal = Journal(matcher.data_dir, SHARD_ID)
    replay = Replay(journal)
    replay.move_to(8)
    order = wire.NewOrder(
        account_id=TAKER,
        instrument_id=INSTRUMENT,
        side=wire.Side.SELL,
        order_type=wire.OrderType.LIMIT,
        time_in_force=wire.TimeInForce.GTC,
        price_ticks=999,
        quantity_lots=5,
    )
    replay.engine.apply(order.encode())  # it did not happen
    with pytest.raises(JournalDamaged, match=r"seq 9: .* other events"):
        replay.move_to()


def test_a_lost_journal_is_rebuilt_from_the_stream(
    data_dir: Path, nats_url: str, shard_id: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_matcher(data_dir, nats_url, shard_id) as matcher:
        for price_ticks in range(1000, 1020):
            trade_once(matcher, price_ticks)
        status = matcher.status()
        assert matcher.stop() == 0  # what was committed is in the stream then
        words = ["journal", "rebuild", "--data", str(data_dir), "--shard", str(shard_id)]
        assert main([*words, "--nats-url", nats_url]) == 2  # not over one that is there
        assert "move it away" in capsys.readouterr().err
        original = list(Journal(data_dir, shard_id).entries())
        shutil.rmtree(matcher.journal_dir)
        asyncio.run(publish_last_again(nats_url, shard_id))
        assert main([*words, "--nats-url", nats_url]) == 0
        rebuilt = list(Journal(data_dir, shard_id).entries())
        assert [entry[:6] for entry in rebuilt] == [entry[:6] for entry in original]
        matcher.start()
        assert (matcher.status().seq, matcher.status().digest) == (status.seq, status.digest)
        trade_once(matcher, 1020)


async def publish_last_again(nats_url: str, shard_id: int) -> None:
    """A repeat at the end of the stream."""
    client = await nats.connect(nats_url)
    jetstream = client.jetstream()
    last = await jetstream.get_last_msg(
        names.events_stream(shard_id), names.events_subject(shard_id)
    )
    await jetstream.publish(names.events_subject(shard_id), last.data or b"")
    await client.close()


def test_what_is_no_commit_batch_ends_a_rebuild_and_nothing_is_left_of_it(
    data_dir: Path, nats_url: str, shard_id: int, capsys: pytest.CaptureFixture[str]
) -> None:
    with running_matcher(data_dir, nats_url, shard_id) as matcher:
        assert matcher.stop() == 0
        shutil.rmtree(matcher.journal_dir)

        asyncio.run(publish(nats_url, shard_id, b"hello"))
        words = ["--data", str(data_dir), "--shard", str(shard_id), "--nats-url", nats_url]
        assert main(["journal", "rebuild", *words]) == 1
        assert "is no commit batch" in capsys.readouterr().err
        assert [path.name for path in matcher.journal_dir.iterdir()] == ["lock"]


def test_a_rebuild_is_refused_while_a_matcher_runs(
    matcher: MatcherProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["--data", str(matcher.data_dir), "--shard", str(SHARD_ID), "--nats-url", NO_NATS]
    assert main(["journal", "rebuild", *words]) == 2
    assert "a matcher runs" in capsys.readouterr().err


@pytest.mark.embedded
def test_the_journal_of_a_stopped_exchange_is_rebuilt_from_its_own_server(
    start_exchange: Callable[..., RunningExchange], capsys: pytest.CaptureFixture[str]
) -> None:
    exchange = start_exchange()
    with operator(exchange) as client:
        status = client.status()
    exchange.stop()
    shutil.rmtree(exchange.data_dir / "journal")
    with pytest.raises(ChildFailed, match="journal rebuild"):
        exchange.start()
    assert main(["journal", "rebuild", "--data", str(exchange.data_dir)]) == 0
    assert f"seq 1 to {status.seq:,}" in capsys.readouterr().out
    exchange.start()
    with operator(exchange) as client:
        assert client.status().digest == status.digest


@pytest.mark.embedded
def test_a_stream_is_made_anew_at_an_operators_word(
    start_exchange: Callable[..., RunningExchange], capsys: pytest.CaptureFixture[str]
) -> None:
    exchange = start_exchange()

    async def created() -> object:
        client = await nats.connect(exchange.document["nats_url"])
        try:
            return (await client.jetstream().stream_info(names.events_stream(0))).created
        except NotFoundError:
            return None
        finally:
            await client.close()

    before = asyncio.run(created())
    assert main(["journal", "remake-stream", "--data", str(exchange.data_dir)]) == 0
    assert "makes the stream anew" in capsys.readouterr().out
    wait_until(lambda: asyncio.run(created()) not in (None, before), "there is a new one")
    check_everything(exchange)


def test_a_stream_that_alone_has_the_past_is_not_deleted(
    matcher: MatcherProcess, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Journal, "first_seq", 5)
    code, _, err = run(capsys, matcher.data_dir, "journal", "remake-stream", "--nats-url", NO_NATS)
    assert code == 2
    assert "the journal begins at seq 5" in err


def test_a_stream_is_not_deleted_for_a_journal_that_lost_what_it_has(
    data_dir: Path, nats_url: str, shard_id: int, capsys: pytest.CaptureFixture[str]
) -> None:
    """A matcher that starts without its disk leaves a journal that begins at seq 1, and has nothing."""
    words = ["journal", "remake-stream", "--nats-url", nats_url]
    words += ["--data", str(data_dir), "--shard", str(shard_id)]
    with running_matcher(data_dir, nats_url, shard_id) as matcher:
        trade_once(matcher)
        assert matcher.stop() == 0
        before = asyncio.run(message_count(nats_url, shard_id))
        shutil.rmtree(matcher.journal_dir)
        matcher.start_unready()
        assert matcher.wait() == 1
        assert main(words) == 2
        assert "journal rebuild" in capsys.readouterr().err
        asyncio.run(publish(nats_url, shard_id, b"hello"))
        assert main(words) == 2
        assert "the journal ends at 0" in capsys.readouterr().err
        matcher.start_unready()
        assert matcher.wait() == 1
        assert asyncio.run(message_count(nats_url, shard_id)) == before + 1


async def publish(nats_url: str, shard_id: int, message: bytes) -> None:
    client = await nats.connect(nats_url)
    await client.jetstream().publish(names.events_subject(shard_id), message)
    await client.close()


async def message_count(nats_url: str, shard_id: int) -> int:
    client = await nats.connect(nats_url)
    info = await client.jetstream().stream_info(names.events_stream(shard_id))
    await client.close()
    return info.state.messages


def test_files_that_are_no_segments_are_passed_over(
    matcher: MatcherProcess, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "journal" / f"shard-{SHARD_ID}"
    shutil.copytree(matcher.journal_dir, folder)
    (segment,) = folder.glob("[0-9]*.journal")
    shutil.copy(segment, folder / f"{segment.stem} (copy).journal")
    shutil.copy(segment, folder / "1.journal")
    (folder / f"{5:020}.snapshot").symlink_to("nowhere")
    assert run(capsys, tmp_path, "journal", "verify")[0] == 0
    assert run(capsys, tmp_path, "replay", "journal")[0] == 0
    (folder / f"{9_999:020}.journal").symlink_to("nowhere")
    assert run(capsys, tmp_path, "journal", "verify")[0] == 2


def test_an_export_of_nothing_is_an_error(
    matcher: MatcherProcess, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, error = run(capsys, matcher.data_dir, "journal", "export", "--from-seq", "999999")
    assert code == 2
    assert "no command from seq 999999" in error
