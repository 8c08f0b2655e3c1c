"""What the JetStream servers say of their syncs, from their monitoring pages.

A server acknowledges a message before it has synced it, unless `sync_interval: always` is set. Under
durability `replicated` an answer means the stream has it, so that is then required.
"""

import asyncio
import json
import urllib.request
from collections.abc import Sequence
from typing import Any

from tradepit.protocol.errors import ConfigurationError
from tradepit.protocol.log import get_logger

log = get_logger(__name__)

TIMEOUT_S = 3.0
PAGE_BYTES_MAX = 1 << 20
NS_PER_S = 1e9


async def check_broker_sync(monitor_urls: Sequence[str], *, required: bool) -> None:
    """Log what each server says. Raises ConfigurationError if `required` and one does not sync always.

    A server that does not answer is reported and passed over: a majority of them is enough.
    """
    if required and not monitor_urls:
        log.warning(
            "broker_sync",
            unknown=1,
            remedy="set_TRADEPIT_NATS_MONITOR_URLS",
            meaning="a_server_may_acknowledge_what_it_has_not_synced",
        )
    for url in monitor_urls:
        try:
            config = await asyncio.to_thread(_jetstream_config, url)
        except (OSError, ValueError, KeyError) as error:
            log.warning("broker_sync", url=url, unknown=1, error=repr(error))
            continue
        is_always = bool(config.get("sync_always"))
        log.info(
            "broker_sync",
            url=url,
            always=is_always,
            interval_s=round(0.0 if is_always else config.get("sync_interval", 0) / NS_PER_S),
        )
        if required and not is_always:
            raise ConfigurationError(
                f"the NATS server of {url} does not sync before it acknowledges, as durability "
                "`replicated` needs: set `sync_interval: always` in its `jetstream` section"
            )


def _jetstream_config(url: str) -> dict[str, Any]:
    request = urllib.request.Request(f"{url.rstrip('/')}/varz")  # noqa: S310 - checked in settings
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310 - as above
        config: dict[str, Any] = json.loads(answer.read(PAGE_BYTES_MAX))["jetstream"]["config"]
    return config
