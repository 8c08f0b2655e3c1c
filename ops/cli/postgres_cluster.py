"""A PostgreSQL cluster in a folder of ours: made once, started as a child.

PostgreSQL refuses to run as root. Then the folder belongs to `nobody` (or to whoever owns it since an
earlier start), and the server runs as that user. Where the path leads through a folder that only
root may enter, the server keeps the one right to enter folders (see launch.py).
"""

import os
import pwd
import re
import shutil
import signal
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from tradepit.cli.child import Child, wait_until_gone
from tradepit.protocol.errors import ConfigurationError

INITDB_TIMEOUT_S = 120.0
OLD_SERVER_TIMEOUT_S = 15.0
UNPRIVILEGED_USER = "nobody"
CONNECTIONS_MAX = 100

SETTINGS = {
    "unix_socket_directories": "",  # a socket's path may be at most 107 bytes long: TCP only
    "max_connections": str(CONNECTIONS_MAX),
    "shared_buffers": "128MB",
    "max_wal_size": "2GB",
    "checkpoint_timeout": "15min",
    "fsync": "on",
    "full_page_writes": "on",
    "synchronous_commit": "on",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_checkpoints": "off",
}


@dataclass(frozen=True)
class PostgresCluster:
    folder: Path
    binaries: Path
    user: str
    database: str
    log_path: Path

    def create_if_missing(self, password: str) -> None:
        """Make the cluster and its database; an attempt that was cut off is thrown away.

        Raises ConfigurationError with the tool's own words if that fails.
        """
        if (self.folder / "PG_VERSION").exists():
            return
        new = self.folder.with_name(self.folder.name + ".new")
        shutil.rmtree(new, ignore_errors=True)
        new.mkdir(mode=0o700)
        password_path = new.with_name("postgres.password")
        password_path.write_text(password + "\n", encoding="ascii")
        password_path.chmod(0o600)
        if os.geteuid() == 0:
            owner = pwd.getpwnam(UNPRIVILEGED_USER)
            for path in (new, password_path):
                os.chown(path, owner.pw_uid, owner.pw_gid)
        try:
            self._run(
                new,
                *(self.binaries / "initdb", "-D", new),
                *("--username", self.user, "--pwfile", password_path),
                *("--auth", "scram-sha-256", "--data-checksums"),
                *("--encoding", "UTF8", "--no-locale", "--locale-provider", "builtin"),
                *("--builtin-locale", "C.UTF-8", "--no-instructions"),
            )
        finally:
            password_path.unlink()
        self._run(
            new,
            *(self.binaries / "postgres", "--single", "-D", new, "postgres"),
            standard_input=f"CREATE DATABASE {self.database}\n",
        )
        new.rename(self.folder)  # only now does the folder count as a cluster

    def server(self, host: str, port: int) -> Child:
        """The server as a child that is not started yet; it keeps its port over restarts."""
        self._clear_old_server()
        settings = {**SETTINGS, "listen_addresses": host, "port": str(port)}
        options = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return Child(
            name="postgres",
            command=[self.binaries / "postgres", "-D", self.folder, *options],
            log_path=self.log_path,
            user=self._user(self.folder),
            working_dir=self.folder.parent,
            stop_signal=signal.SIGINT,  # "fast": ends sessions, writes a checkpoint
            death_signal=signal.SIGQUIT,  # "immediate": ends sessions, recovers at the next start
        )

    def _clear_old_server(self) -> None:
        """Deal with the pid file of a server that outlived its supervisor, or that a crash left."""
        pid_path = self.folder / "postmaster.pid"
        try:
            pid = int(pid_path.read_text(encoding="ascii").split()[0])
        except (FileNotFoundError, ValueError, IndexError):
            return
        try:
            program = Path(os.readlink(f"/proc/{pid}/exe"))
        except OSError:
            return  # no such process: PostgreSQL removes the file by itself
        if program.name != "postgres":
            pid_path.unlink()  # the number was given to another program since
            return
        if Path(os.readlink(f"/proc/{pid}/cwd")) != self.folder:
            pid_path.unlink()
            return
        os.kill(pid, signal.SIGQUIT)
        if not wait_until_gone(pid, OLD_SERVER_TIMEOUT_S):
            raise ConfigurationError(
                f"an old PostgreSQL (process {pid}) still uses {self.folder} and does not end"
            )

    def _user(self, folder: Path) -> str:
        """Who the server runs as, in launch.py's notation."""
        if os.geteuid() != 0:
            return "-"
        owner = folder.stat()
        if owner.st_uid == 0:
            raise ConfigurationError(
                f"{folder} belongs to root, as whom PostgreSQL refuses to run: "
                f"chown -R {UNPRIVILEGED_USER} '{folder}'"
            )
        places = (folder, self.binaries / "postgres")
        closed = any(
            not parent.stat().st_mode & stat.S_IXOTH for place in places for parent in place.parents
        )
        return f"{owner.st_uid}:{owner.st_gid}" + (":search" if closed else "")

    def _run(self, folder: Path, *command: str | Path, standard_input: str = "") -> None:
        launcher = Path(__file__).with_name("launch.py")
        done = subprocess.run(
            [
                *(sys.executable, "-I", "-S", launcher),
                *(str(os.getpid()), str(int(signal.SIGTERM)), self._user(folder)),
                *command,
            ],
            input=standard_input,
            capture_output=True,
            text=True,
            timeout=INITDB_TIMEOUT_S,
            cwd=folder.parent,
            start_new_session=True,
            check=False,
        )
        with self.log_path.open("a", encoding="utf-8") as log:
            log.write(done.stdout + done.stderr)
        if done.returncode != 0:
            lines = (done.stderr or done.stdout).strip().splitlines()
            # Its last line tells what it does about the trouble; the trouble is said before.
            told = [
                line
                for line in lines
                if re.search("error|could not|fatal|panic", line, re.IGNORECASE)
            ]
            words = told[0] if told else (lines or [f"exit code {done.returncode}"])[-1]
            raise ConfigurationError(f"cannot make the PostgreSQL cluster in {folder}: {words}")
