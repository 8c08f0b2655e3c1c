"""Reads LOBSTER files: a day's market-by-order messages and the book recorded after each.

Prices stay as in the file: dollars times 10,000. Anything that is not a row of the documented form
is a ReplayError that names the file and the line.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tradepit.protocol.errors import TradepitError
from tradepit.protocol.wire import Side

PRICE_DECIMALS = 4
NEW, PARTIAL_CANCEL, DELETE, VISIBLE_EXECUTION, HIDDEN_EXECUTION, CROSS, HALT = range(1, 8)
_ABSENT_PRICE = 9_999_999_999  # fills up a row whose side has fewer levels


class ReplayError(TradepitError):
    """A replay cannot go on; the text is one sentence for the user."""


class Message(NamedTuple):
    """One row of a message file. `side` is that of the resting order, 0 for a halt."""

    time_ns: int
    kind: int
    order_id: int
    shares: int
    price: int
    side: int


class BookRow(NamedTuple):
    """The recorded levels after a message: (price, shares), best first, absent levels left out."""

    bids: tuple[tuple[int, int], ...]
    asks: tuple[tuple[int, int], ...]


class Recording(NamedTuple):
    """A day. `books` is empty without a book file, else has one row for each message.

    `level_count` is how many levels of each side the book file shows; 0 without one.
    """

    messages: list[Message]
    books: list[BookRow]
    level_count: int


def read_recording(message_path: Path, book_path: Path | None) -> Recording:
    """Read both files. Raises ReplayError."""
    messages = [_message(*row) for row in _rows(message_path)]
    if not messages:
        raise ReplayError(f"{message_path} has no messages")
    if book_path is None:
        return Recording(messages, [], 0)
    books: list[BookRow] = []
    level_count = 0
    previous_text, previous_row = "", BookRow((), ())
    for path, line, text in _rows(book_path):
        if text != previous_text:
            previous_row, count = _book_row(path, line, text)
            if books and count != level_count:
                raise ReplayError(
                    f"{path}:{line}: {count} levels, where the rows before have {level_count}"
                )
            previous_text, level_count = text, count
        books.append(previous_row)
    if len(books) != len(messages):
        raise ReplayError(
            f"{book_path} has {len(books)} rows and {message_path} {len(messages)}: each message "
            "needs its book row"
        )
    return Recording(messages, books, level_count)


def _rows(path: Path) -> Iterator[tuple[Path, int, str]]:
    try:
        with path.open(encoding="ascii") as file:
            for line, text in enumerate(file, 1):
                text = text.strip()
                if text:
                    yield path, line, text
    except OSError as error:
        raise ReplayError(f"cannot read {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise ReplayError(f"{path} is not a text file of LOBSTER rows") from error


def _message(path: Path, line: int, text: str) -> Message:
    fields = text.split(",")
    try:
        if len(fields) != 6:
            raise ValueError(f"{len(fields)} fields, not 6")
        seconds, _, fraction = fields[0].partition(".")
        if not (seconds + fraction).isdigit():
            raise ValueError(f"time {fields[0]!r} is not seconds after midnight")
        time_ns = int(seconds) * 1_000_000_000 + int(fraction[:9].ljust(9, "0"))
        kind, order_id, shares, price, direction = map(int, fields[1:])
        if not NEW <= kind <= HALT:
            raise ValueError(f"type {kind} is not one of 1 to 7")
        if kind == HALT:
            return Message(time_ns, kind, 0, 0, price, 0)
        if direction not in (-1, 1):
            raise ValueError(f"direction {direction} is neither 1 (buy) nor -1 (sell)")
        if shares <= 0 or price <= 0:
            raise ValueError("size and price must be positive")
    except ValueError as error:
        raise ReplayError(f"{path}:{line}: not a LOBSTER message: {error}") from error
    side = Side.BUY if direction == 1 else Side.SELL
    return Message(time_ns, kind, order_id, shares, price, side)


def _book_row(path: Path, line: int, text: str) -> tuple[BookRow, int]:
    """The row, and how many levels it has room for."""
    try:
        values = [int(field) for field in text.split(",")]
        if len(values) % 4:
            raise ValueError(f"{len(values)} fields, not a multiple of 4")
        asks = tuple(_levels(values[0::4], values[1::4]))
        bids = tuple(_levels(values[2::4], values[3::4]))
        if asks != tuple(sorted(asks)) or bids != tuple(sorted(bids, reverse=True)):
            raise ValueError("levels are not best first")
    except ValueError as error:
        raise ReplayError(f"{path}:{line}: not a LOBSTER book row: {error}") from error
    return BookRow(bids, asks), len(values) // 4


def _levels(prices: list[int], shares: list[int]) -> Iterator[tuple[int, int]]:
    for price, size in zip(prices, shares, strict=True):
        if abs(price) != _ABSENT_PRICE:
            if price <= 0 or size <= 0:
                raise ValueError("size and price must be positive")
            yield price, size
