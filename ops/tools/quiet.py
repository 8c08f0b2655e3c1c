"""Fewer log lines while a tool uses a service's parts: what they say of themselves is no news there."""

import logging
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def only_errors(name: str) -> Iterator[None]:
    """Show nothing below an error of the named logger while the context is open."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
