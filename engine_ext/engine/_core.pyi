"""Types of the C++ module; docs that Python users need stand here."""

class Engine:
    """One shard: its books, accounts and funds. Commands in, events out, nothing else.

    The same commands give the same event bytes. Not thread safe, though long calls release the
    GIL. The limits are part of what the engine is: a replay must use the same.
    """

    def __init__(
        self,
        *,
        shard_id: int = 0,
        max_orders: int = 1 << 20,
        client_order_ids: int = 1 << 20,
        transfer_ids: int = 1 << 20,
        max_accounts: int = 1 << 16,
        max_instruments: int = 1 << 10,
        max_assets: int = 1 << 6,
    ) -> None: ...
    @property
    def shard_id(self) -> int: ...
    @property
    def seq(self) -> int:
        """Of the last command; 0 at first."""

    @property
    def digest(self) -> int:
        """Chain digest over every event byte so far."""

    @property
    def open_order_count(self) -> int: ...
    @property
    def account_count(self) -> int:
        """Accounts opened; the house is not counted."""

    @property
    def touched_instruments(self) -> list[int]:
        """Instruments whose book the last command changed."""

    def apply(self, commands: bytes) -> bytes:
        """Apply command records in order, each as the next seq; the event records they cause.

        Raises ValueError, and applies none of them, if one is malformed or not a command.
        """

    def apply_with_reports(self, commands: bytes) -> tuple[bytes, bytes]:
        """As `apply`, and the ExecutionReport records of both parties."""

    def query(self, requests: bytes) -> bytes:
        """Answer book, order, open-orders, balances and instruments queries.

        Raises ValueError if a record is malformed or another request.
        """

    def book(
        self, instrument_id: int, levels: int = 500
    ) -> tuple[list[tuple[int, int, int]], list[tuple[int, int, int]]]:
        """Bids and asks, best first, as (price_ticks, quantity_lots, order_count).

        Raises ValueError for an unknown instrument or levels outside 1 to 500.
        """

    def top_of_book(self, instrument_id: int) -> tuple[int, int, int, int]:
        """(bid price, bid lots, ask price, ask lots); zeros for a side without orders."""

    def balance(self, account_id: int, asset_id: int) -> tuple[int, int]:
        """(available, held) in the asset's smallest unit; zeros where there is nothing."""

    def snapshot(self) -> bytes:
        """The whole state; equal states give equal bytes."""

    @staticmethod
    def restore(data: bytes) -> Engine:
        """The engine that wrote the snapshot, with its limits. Raises ValueError if damaged."""

    def check(self) -> None:
        """Verify every invariant, slowly. Raises AssertionError with the one that is broken."""
