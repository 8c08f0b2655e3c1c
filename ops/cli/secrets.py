"""`tradepit secrets DIR`: API keys and passwords for a deployment, each made once.

Beside each password lies what carries it to where it is used: the URLs that our services read through
`TRADEPIT_POSTGRES_URL_FILE` and its like, and the part of the servers' configuration that asks for
it. The hosts are `postgres`, `nats` and `redis`, as the containers are called.
"""

import argparse
import secrets
from collections.abc import Callable
from pathlib import Path

from tradepit.cli.data_folder import new_keys
from tradepit.cli.embedded import USER
from tradepit.cli.files import write_json, write_private
from tradepit.protocol.errors import ConfigurationError

PASSWORDS = ("postgres_password", "nats_password", "redis_password", "grafana_password")
PASSWORD_BYTES = 16
GROUP_MAY_READ = 0o640
"""Servers run as users of their own; a container lets them in through the group. Keys stay 0600."""
DESCRIPTION = """\
Writes keys.json, the passwords of PostgreSQL, NATS, Redis and Grafana, the URLs with them in it, and
what NATS and Redis include in their configuration. A file that is there already stays as it is:
delete one to have it made anew.
"""


def make_secrets(folder: Path) -> list[str]:
    """Make what is missing; the names of the files that were made. Raises ConfigurationError."""
    made: list[str] = []
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        if not (folder / "keys.json").exists():
            write_json(folder / "keys.json", {"keys": new_keys()})
            made.append("keys.json")
        for name in PASSWORDS:
            _once(folder / name, lambda: secrets.token_hex(PASSWORD_BYTES), made)
        postgres, nats, redis = (
            (folder / name).read_text(encoding="ascii").strip() for name in PASSWORDS[:3]
        )
        for name, text in (
            # One database a shard; the services put the shard's id in.
            ("postgres_url", f"postgresql://{USER}:{postgres}@postgres:5432/tradepit_{{shard}}"),
            ("nats_url", f"nats://{USER}:{nats}@nats:4222"),
            ("redis_url", f"redis://{USER}:{redis}@redis:6379/0"),
            ("nats_users.conf", f'authorization {{ user: {USER}, password: "{nats}" }}'),
            ("redis_users.conf", f"user default off\nuser {USER} on >{redis} ~* &* +@all"),
        ):
            _once(folder / name, lambda text=text: text, made)  # type: ignore[misc]  # a default binds the text of this turn
    except OSError as error:
        raise ConfigurationError(
            f"cannot keep secrets in {folder} ({error.strerror}): choose a folder of your own"
        ) from error
    return made


def _once(path: Path, make: Callable[[], str], made: list[str]) -> None:
    if not path.exists():
        write_private(path, make() + "\n", GROUP_MAY_READ)
        made.append(path.name)


def run(argv: list[str]) -> int:
    parser = argparse.ArgumentParser(prog="tradepit secrets", description=DESCRIPTION)
    parser.add_argument("folder", metavar="DIR", type=Path, help="made if it is missing")
    folder: Path = parser.parse_args(argv).folder
    made = make_secrets(folder)
    print(f"{folder}: made {', '.join(made) if made else 'nothing, all secrets are there'}")
    return 0
