"""`tradepit up`, as a user and a script meet it."""

import fcntl
import http.client
import json
import os
import pty
import pwd
import select
import signal
import socket
import stat
import subprocess
import sys
import termios
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from tradepit.cli import ports
from tradepit.cli.child import ChildFailed, is_gone, wait_until_gone
from tradepit.cli.configured import reach
from tradepit.cli.running import RunningExchange

from tests.matcher_process import wait_until
from tests.rest import Answer, call, limit_order
from tests.servers import Servers

pytestmark = pytest.mark.embedded

TIMEOUT_S = 60.0
UP = (sys.executable, "-P", "-m", "tradepit.cli.main", "up")
PARTS = ("ingress", "ledger", "matcher", "postgres", "nats", "redis")

StartExchange = Callable[..., RunningExchange]


def place(exchange: RunningExchange, client_order_id: int = 0) -> Answer:
    return call(
        f"{exchange.ingress_url}/v1/orders",
        exchange.demo_key,
        "POST",
        limit_order("buy", "1.00", "0.0100", client_order_id),
    )


def place_with_patience(exchange: RunningExchange, client_order_id: int) -> Answer:
    """Place an order while parts come and go: the same one again until the answer is definite."""
    deadline = time.monotonic() + TIMEOUT_S
    while True:
        try:
            answer = place(exchange, client_order_id)
        except (OSError, http.client.HTTPException):
            answer = Answer(0, None)
        # 409: an earlier attempt, whose answer was lost, did count.
        if answer.status in (201, 409) or time.monotonic() > deadline:
            return answer
        time.sleep(0.05)


def run_up(*arguments: str, environment: dict[str, str] | None = None) -> tuple[int, str]:
    """A `tradepit up` that is expected to end by itself."""
    done = subprocess.run(
        [*UP, *arguments],
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        env={**os.environ, **(environment or {})},
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_it_serves_stops_in_order_and_keeps_what_it_knew(start_exchange: StartExchange) -> None:
    exchange = start_exchange()
    assert stat.S_IMODE(exchange.ready_file.stat().st_mode) == 0o600
    assert set(exchange.document) == {
        *("ingress_url", "order_endpoint", "feed_endpoint"),
        *("postgres_url", "nats_url", "redis_url", "metrics_urls"),
        *("data_dir", "demo", "operator", "pids"),
    }
    assert set(exchange.pids) == {*PARTS, "supervisor"}
    assert exchange.pids["supervisor"] == exchange.child.pid
    answer = place(exchange)  # at once: that is what the ready file promises
    assert answer.status == 201, answer
    assert answer.body["status"] == "open"

    pids = exchange.pids
    assert exchange.stop(signal.SIGTERM) == 0
    assert all(is_gone(pid) for pid in pids.values())
    assert not exchange.ready_file.exists()
    assert not (exchange.data_dir / "ready.json").exists()
    assert exchange.demo_key in exchange.output()

    again = start_exchange()
    for name in ("order_endpoint", "feed_endpoint", "postgres_url", "nats_url", "redis_url"):
        assert again.document[name] == exchange.document[name]
    assert again.demo_key == exchange.demo_key
    order_url = f"{again.ingress_url}/v1/orders/{answer.body['order_id']}"
    found = call(order_url, again.demo_key)
    assert found.status == 200
    assert found.body["status"] == "open"
    assert again.stop(signal.SIGINT) == 0


def take_terminal() -> None:
    """Of a new session, and not as under nohup, which these tests may run under."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)


def test_it_stops_in_good_order_when_its_terminal_is_closed(tmp_path: Path) -> None:
    data_dir = tmp_path / "data"
    terminal, other_end = pty.openpty()
    process = subprocess.Popen(
        [*UP, "--data", str(data_dir), "--port", "0", "--no-demo"],
        stdin=other_end,
        stdout=other_end,
        stderr=other_end,
        start_new_session=True,
        preexec_fn=take_terminal,  # noqa: PLW1509 -- no other thread
    )
    os.close(other_end)
    printed = b""
    try:
        while b"Ctrl-C stops it" not in printed:
            assert select.select([terminal], [], [], TIMEOUT_S)[0], printed
            printed += os.read(terminal, 65536)
        pids = json.loads((data_dir / "ready.json").read_text())["pids"]
        os.close(terminal)
        assert process.wait(TIMEOUT_S) == 0
    finally:
        process.kill()
        process.wait(TIMEOUT_S)
    assert all(is_gone(pid) for pid in pids.values())
    assert not (data_dir / "ready.json").exists()
    assert "stopped" in (data_dir / "logs" / "matcher.log").read_text()


def test_a_second_up_on_the_same_folder_is_refused(start_exchange: StartExchange) -> None:
    exchange = start_exchange()
    code, output = run_up("--data", str(exchange.data_dir), "--port", "0")
    assert code == 2
    assert f"in use by another `tradepit up` (process {exchange.child.pid})" in output
    assert exchange.ready_file.exists()
    assert place(exchange).status == 201


@pytest.mark.parametrize("name", PARTS)
def test_a_killed_part_comes_back_and_service_goes_on(exchange: RunningExchange, name: str) -> None:
    numbers = [PARTS.index(name) * 10 + n for n in (1, 2, 3)]
    assert place_with_patience(exchange, numbers[0]).status in (201, 409)
    pid = exchange.pids[name]
    os.kill(pid, signal.SIGKILL)
    assert place_with_patience(exchange, numbers[1]).status in (201, 409)
    deadline = time.monotonic() + TIMEOUT_S
    while f"{name} serves again" not in exchange.output():
        assert time.monotonic() < deadline, exchange.output()
        time.sleep(0.02)
    assert exchange.pids[name] != pid
    assert f"! {name} ended (signal SIGKILL); starting it again" in exchange.output()
    assert place_with_patience(exchange, numbers[2]).status in (201, 409)
    orders = call(f"{exchange.ingress_url}/v1/orders?status=open", exchange.demo_key)
    assert orders.status == 200
    found = [int(order["client_order_id"]) for order in orders.body["orders"]]
    assert sorted(number for number in found if number in numbers) == numbers


def test_a_part_is_started_again_where_nothing_can_be_written_down(
    start_exchange: StartExchange,
) -> None:
    """As on a full disk, which must not end the matcher."""
    exchange = start_exchange()
    noted = exchange.data_dir / "children.json"
    content = noted.read_bytes()
    noted.unlink()
    noted.mkdir()
    os.kill(exchange.pids["ledger"], signal.SIGKILL)
    wait_until(lambda: "cannot write down who runs" in exchange.output(), "it is said")
    wait_until(lambda: "ledger serves again" in exchange.output(), "the ledger is back")
    assert place(exchange).status == 201
    noted.rmdir()
    noted.write_bytes(content)


def test_a_killed_supervisor_leaves_nothing_behind_and_the_next_start_recovers(
    start_exchange: StartExchange,
) -> None:
    exchange = start_exchange()
    answer = place(exchange)
    pids = exchange.pids
    exchange.child.kill()
    for name, pid in pids.items():
        assert wait_until_gone(pid, TIMEOUT_S), name
    again = start_exchange()
    found = call(f"{again.ingress_url}/v1/orders/{answer.body['order_id']}", again.demo_key)
    assert found.status == 200
    assert found.body["status"] == "open"


def test_a_port_in_use_is_one_sentence(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind((ports.LOOPBACK, 0))
        taken.listen()
        port = taken.getsockname()[1]
        code, output = run_up("--data", str(tmp_path / "data"), "--port", str(port))
    assert code == 2
    assert f"port {port} is in use" in output
    assert "Traceback" not in output
    assert not (tmp_path / "data" / "postgres").exists()


def test_a_folder_that_cannot_be_used_is_one_sentence(tmp_path: Path) -> None:
    # Permission bits stop nobody who runs as root, but a folder below a file stops everybody.
    (tmp_path / "file").write_text("mine")
    code, output = run_up("--data", str(tmp_path / "file" / "data"), "--port", "0")
    assert code == 2
    assert f"the data folder {tmp_path}/file/data cannot be used (Not a directory)" in output
    assert "Traceback" not in output
    assert (tmp_path / "file").read_text() == "mine"


@pytest.fixture
def ordinary_user(tmp_path: Path) -> tuple[str, Path]:
    """How launch.py names a user who is not root, and a folder of his."""
    home = tmp_path / "home"
    home.mkdir()
    if os.geteuid() != 0:
        return "-", home
    nobody = pwd.getpwnam("nobody")
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    # He may look into root's folders (where this Python may live), and write to his own only.
    return f"{nobody.pw_uid}:{nobody.pw_gid}:search", home


def test_an_ordinary_user_can_run_it(ordinary_user: tuple[str, Path]) -> None:
    user, home = ordinary_user
    exchange = RunningExchange(home / "data", "--no-demo")
    exchange.child.user = user
    with exchange:
        assert place(exchange).status == 201
        assert (home / "data" / "postgres").stat().st_uid == home.stat().st_uid
        assert (home / "data" / "journal").stat().st_uid == home.stat().st_uid


def test_a_read_only_folder_is_one_sentence(ordinary_user: tuple[str, Path]) -> None:
    user, home = ordinary_user
    home.chmod(0o500)
    exchange = RunningExchange(home / "data")
    exchange.child.user = user
    exchange.child.log_path = home.with_name("up.log")
    with pytest.raises(
        ChildFailed, match=r"exit code 2(.|\n)*cannot be used \(Permission denied\)"
    ):
        exchange.start()
    assert "Traceback" not in exchange.output()


def test_a_configured_server_that_is_not_there_is_one_sentence(tmp_path: Path) -> None:
    (port,) = ports.choose({}, ["nobody"]).values()
    code, output = run_up(
        *("--data", str(tmp_path), "--port", "0"),
        environment={"TRADEPIT_POSTGRES_URL": f"postgresql://me:secret@127.0.0.1:{port}/x"},
    )
    assert code == 2
    assert f"TRADEPIT_POSTGRES_URL names 127.0.0.1:{port}, which does not answer" in output
    assert "secret" not in output
    assert "Traceback" not in output


@pytest.mark.parametrize("name", ["postgres", "nats", "redis"])
def test_a_configured_server_that_does_not_let_us_in_is_one_sentence(
    name: str, servers: Servers, tmp_path: Path
) -> None:
    url = {"postgres": servers.postgres_url, "nats": servers.nats_url, "redis": servers.redis_url}
    reach(name, url[name])
    parts = urlsplit(url[name])
    password = str(parts.password)
    variable = f"TRADEPIT_{name.upper()}_URL"
    code, output = run_up(
        *("--data", str(tmp_path / "data"), "--port", "0"),
        environment={variable: url[name].replace(password, "wrong-secret")},
    )
    assert code == 2
    assert f"{variable} names 127.0.0.1:{parts.port}, which cannot be used (" in output
    assert "secret" not in output
    assert "Traceback" not in output


def test_servers_that_run_already_are_used(
    start_exchange: StartExchange, servers: Servers, database_url: str
) -> None:
    exchange = start_exchange(environment={"TRADEPIT_POSTGRES_URL": database_url})
    assert exchange.document["postgres_url"] == database_url
    assert "postgres" not in exchange.pids
    assert not (exchange.data_dir / "postgres").exists()
    assert place(exchange).status == 201
    assert exchange.stop() == 0
    servers.wait_until_ready("postgres")


def test_a_damaged_journal_stops_the_start_and_nothing_is_overwritten(
    start_exchange: StartExchange,
) -> None:
    exchange = start_exchange()
    for _ in range(5):
        assert place(exchange).status == 201
    exchange.stop()
    (segment, *_) = sorted((exchange.data_dir / "journal" / "shard-0").glob("*.journal*"))
    with segment.open("r+b") as file:
        file.seek(4096 + 200)
        byte = file.read(1)
        file.seek(4096 + 200)
        file.write(bytes([byte[0] ^ 0x55]))
    before = segment.read_bytes()
    code, output = run_up("--data", str(exchange.data_dir), "--port", "0", "--no-demo")
    assert code == 1
    assert "matcher did not start" in output
    assert segment.name in output
    assert segment.read_bytes() == before
