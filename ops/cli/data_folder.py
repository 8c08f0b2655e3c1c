"""The data folder of `tradepit up`: who may use it, what an earlier run left in it, keys and ports."""

import fcntl
import os
import secrets
import signal
import tempfile
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from tradepit.cli import ports
from tradepit.cli.child import is_gone, wait_until_gone
from tradepit.cli.files import read_json, write_json
from tradepit.protocol.errors import ConfigurationError

DEMO_ACCOUNT_ID = 1
MAKER_ACCOUNT_IDS = (101, 102, 103)
TAKER_ACCOUNT_IDS = (111, 112)
LEFTOVER_GRACE_S = 5.0
LEFTOVER_KILL_S = 10.0
PORT_NAMES = ["orders", "feed", "matcher_metrics", "ledger_metrics"]


RESTORING = "restoring"  # a folder in it, while `tradepit restore` is not done


class DataFolder:
    """An open data folder: made if missing, writable, and ours alone until it is closed."""

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock: IO[str] | None = None

    def __enter__(self) -> Self:
        """Raises ConfigurationError if the folder can't be used, or somebody else uses it."""
        if (self.path / RESTORING).exists():
            raise ConfigurationError(
                f"a restore into {self.path} was cut off: remove the folder, and restore again"
            )
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.TemporaryFile(dir=self.path):
                pass
            self.logs.mkdir(exist_ok=True, mode=0o700)
            lock = (self.path / "lock").open("a+", encoding="ascii")
        except OSError as error:
            raise ConfigurationError(
                f"the data folder {self.path} cannot be used ({error.strerror}): "
                "choose one that you may write to with --data"
            ) from error
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            lock.seek(0)
            holder = lock.read().strip() or "unknown"
            lock.close()
            raise ConfigurationError(
                f"the data folder {self.path} is in use by another `tradepit up` (process {holder}): "
                "stop that one, or choose another folder with --data"
            ) from error
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        self._lock = lock
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        if self._lock is not None:
            self._lock.close()  # which gives the lock back

    @property
    def logs(self) -> Path:
        return self.path / "logs"

    @property
    def keys_path(self) -> Path:
        return self.path / "keys.json"

    def note_children(self, pids: dict[str, int]) -> None:
        """Write down who runs, so that the next start can end what this one leaves behind."""
        children = {
            name: {"pid": pid, "started": _started(pid)}
            for name, pid in pids.items()
            if not is_gone(pid)
        }
        write_json(self.path / "children.json", children)

    def end_leftovers(self) -> list[str]:
        """End children of a run that was killed; the names of those that were still there.

        A process counts as one of them only if both its id and its time of start are those noted:
        ids are given out again.
        """
        noted = read_json(self.path / "children.json")
        left = {
            name: int(child["pid"])
            for name, child in noted.items()
            if _started(int(child["pid"])) == child["started"] != ""
        }
        # The kernel has told them to end when their supervisor died; most are on their way out.
        found = [name for name, pid in left.items() if not wait_until_gone(pid, LEFTOVER_GRACE_S)]
        for name in found:
            # PostgreSQL's sessions must learn of it, which they don't from SIGKILL.
            os.kill(left[name], signal.SIGQUIT if name == "postgres" else signal.SIGKILL)
            if not wait_until_gone(left[name], LEFTOVER_KILL_S):
                raise ConfigurationError(
                    f"{name} of an earlier run (process {left[name]}) does not end: end it by hand"
                )
        return found

    def keys(self) -> list[dict[str, object]]:
        """The keys of the folder, made at the first start (0600)."""
        document = read_json(self.keys_path)
        if not document:
            document = {"keys": new_keys()}
            write_json(self.keys_path, document)
        keys: list[dict[str, object]] = document["keys"]
        return keys

    def ports(self) -> dict[str, int]:
        """Ports of our own services: the same as last time where they are still free."""
        path = self.path / "ports.json"
        known = read_json(path)
        chosen = ports.choose(known, PORT_NAMES)
        if chosen != known:
            write_json(path, chosen)
        return chosen


def new_keys() -> list[dict[str, object]]:
    """Keys for the operator and for every account of the demo, as a keys file has them."""
    holders = [
        (0, "operator", "operator"),
        (DEMO_ACCOUNT_ID, "trader", "demo"),
        *((account_id, "trader", f"maker-{account_id}") for account_id in MAKER_ACCOUNT_IDS),
        *((account_id, "trader", f"taker-{account_id}") for account_id in TAKER_ACCOUNT_IDS),
    ]
    return [
        {"key": secrets.token_hex(32), "account_id": account_id, "role": role, "name": name}
        for account_id, role, name in holders
    ]


def _started(pid: int) -> str:
    """When the process started, in the kernel's ticks since boot; empty if there is none."""
    if is_gone(pid):
        return ""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return ""
