"""Waiting for an event, for a bounded time."""

import asyncio


async def wait_for_event(event: asyncio.Event, timeout_s: float) -> None:
    """Return once the event is set or the time is up, at once if that is not positive.

    Not asyncio.wait_for: Python 3.11's loses a cancellation that comes just as the event is set.
    """
    if timeout_s <= 0:
        return
    try:
        async with asyncio.timeout(timeout_s):
            await event.wait()
    except TimeoutError:
        return
