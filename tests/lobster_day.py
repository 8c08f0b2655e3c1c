"""A small LOBSTER day made up for tests: ten messages on one level, and where the real ones are."""

from pathlib import Path

MATERIAL = Path(__file__).parents[2] / "shared" / "material" / "lobster"
WHY_SKIPPED = "the market data of ../shared/material is not here (it may not be passed on)"

AMZN_MESSAGES = MATERIAL / "AMZN_2012-06-21_L1_message.csv"
AMZN_BOOK = MATERIAL / "AMZN_2012-06-21_L1_orderbook.csv"
AAPL_MESSAGES = MATERIAL / "AAPL_L10_first_rows_message_10.csv"
AAPL_BOOK = MATERIAL / "AAPL_L10_first_rows_orderbook_10.csv"

# Each row: the message, and ask price, ask size, bid price, bid size after it.
ROWS = [
    # A new best bid; 100 shares were offered and nobody knows by whom.
    ("34200.000000001,1,1001,50,2238100,1", "2239500,100,2238100,50"),
    # Its better: the first bid goes out of sight.
    ("34200.1,1,1002,30,2238200,1", "2239500,100,2238200,30"),
    # Executed in part, then canceled in part, then executed.
    ("34200.2,4,1002,10,2238200,1", "2239500,100,2238200,20"),
    ("34200.25,2,1002,5,2238200,1", "2239500,100,2238200,15"),
    # The level below comes into sight: 1001 is there, and 20 shares of an order never entered.
    ("34200.3,4,1002,15,2238200,1", "2239500,100,2238100,70"),
    # It came while the level was out of sight, so it is behind 1001.
    ("34200.4,4,1001,50,2238100,1", "2239500,100,2238100,20"),
    ("34200.4,4,1010,20,2238100,1", "2239500,100,2237000,40"),
    # Hidden: nothing to send.
    ("34200.5,5,0,7,2238000,1", "2239500,100,2237000,40"),
    # The unknown offer goes; the next is deeper.
    ("34200.6,3,900,100,2239500,-1", "2240000,10,2237000,40"),
    ("34200.7,1,1011,5,2239900,-1", "2239900,5,2237000,40"),
]


def write_day(folder: Path) -> tuple[Path, Path]:
    """The message file and the book file."""
    messages, book = folder / "messages.csv", folder / "book.csv"
    messages.write_text("".join(message + "\n" for message, _ in ROWS))
    book.write_text("".join(row + "\n" for _, row in ROWS))
    return messages, book
