"""The ingress on a fake matcher, with no ledger and no cache behind it, or its process on nothing."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from tradepit.ingress.app import Ingress, create_app
from tradepit.ingress.settings import Settings, Shard
from tradepit.protocol.keys import ApiKey

from tests.fake_matcher import FakeMatcher

OPERATOR_KEY, TRADER_KEY, OTHER_KEY = "0f" * 32, "a1" * 32, "b2" * 32
KEYS = (
    ApiKey(OPERATOR_KEY, 0, "operator"),
    ApiKey(TRADER_KEY, 7, "trader"),
    ApiKey(OTHER_KEY, 8, "trader"),
)
NOBODY_LISTENS = "127.0.0.1:9"  # the discard port: refused at once
AUTHORIZED = {"authorization": f"Bearer {TRADER_KEY}"}
LIMIT = {"symbol": "BTC-USD", "side": "buy", "type": "limit", "price": "100.5", "quantity": "0.02"}
CONDITION_TIMEOUT_S = 10.0

Run = Callable[[httpx.AsyncClient, Ingress], Awaitable[None]]


def settings_for(*matchers: FakeMatcher) -> Settings:
    """A shard for each."""
    return Settings(
        shards=tuple(
            Shard(
                shard_id=shard_id,
                order_endpoint=matcher.endpoint,
                feed_endpoint=matcher.feed_endpoint,
                postgres_url=f"postgresql://{NOBODY_LISTENS}/tradepit",
            )
            for shard_id, matcher in enumerate(matchers)
        ),
        redis_url=f"redis://{NOBODY_LISTENS}/0",
        keys=KEYS,
    )


@asynccontextmanager
async def client_of(app: Any) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://ingress") as client:
        yield client


def run(matcher: FakeMatcher, body: Run, *others: FakeMatcher) -> None:
    """Run `body` against a started application; `others` are the shards from 1 on."""

    async def main() -> None:
        app = create_app(settings_for(matcher, *others))
        async with app.litestar.lifespan(), client_of(app) as client:
            await body(client, app)

    asyncio.run(main())


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(CONDITION_TIMEOUT_S):
        while not condition():  # noqa: ASYNC110 - what is waited for is state, not an event
            await asyncio.sleep(0.01)


def start_process(tmp_path: Path, *, first: str = "", **environment: str) -> subprocess.Popen[str]:
    """`tradepit ingress`, whose parts are all away; the code `first` runs before it starts."""
    keys = tmp_path / "keys.json"
    keys.write_text(
        json.dumps(
            {"keys": [{"key": k.key, "account_id": k.account_id, "role": k.role} for k in KEYS]}
        )
    )
    keys.chmod(0o600)
    defaults = {
        "TRADEPIT_KEYS_FILE": str(keys),
        "TRADEPIT_HTTP_PORT": "0",
        "TRADEPIT_ORDER_ENDPOINT": f"tcp://{NOBODY_LISTENS}",
        "TRADEPIT_FEED_ENDPOINT": f"tcp://{NOBODY_LISTENS}",
        "TRADEPIT_POSTGRES_URL": f"postgresql://{NOBODY_LISTENS}/tradepit",
    }
    code = f"{first}\nfrom tradepit.ingress.__main__ import main\nraise SystemExit(main())"
    return subprocess.Popen(
        [sys.executable, "-P", "-c", code],
        env=os.environ | defaults | environment,
        stderr=subprocess.PIPE,
        text=True,
    )


def url_of(process: subprocess.Popen[str]) -> str:
    """Where it serves, once it does."""
    assert process.stderr is not None
    return next(line.split("url=")[1].strip() for line in process.stderr if " ready " in line)


def assert_problem(response: httpx.Response, status: int, code: str, field: str | None) -> None:
    assert response.headers["content-type"] == "application/problem+json", response.text
    document = response.json()
    assert (response.status_code, document["code"], document.get("field")) == (status, code, field)
    assert document["status"] == status
    assert document["detail"]
    assert document["title"]
