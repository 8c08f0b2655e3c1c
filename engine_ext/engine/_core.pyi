"""Types of the C++ module; docs that Python users need stand here."""

from enum import Enum

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
        remembered_trades: int = 1 << 16,
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
    def next_deadline_ns(self) -> int | None:
        """When a Tick is due; not later than the last command if a Tick left something over."""

    @property
    def open_order_count(self) -> int: ...
    @property
    def session_counter(self) -> int: ...
    @property
    def has_tied_orders(self) -> bool: ...
    @property
    def account_count(self) -> int:
        """Accounts opened; the house is not counted."""

    @property
    def account_ids(self) -> list[int]:
        """In the order in which they were opened; the house, 0, first."""

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

    def indicative(self, instrument_id: int) -> tuple[int, int, int, int]:
        """(price, executable lots, imbalance lots, side of the imbalance) if the instrument's auction
        ended now; zeros where nothing would trade, and outside auctions.
        """

    def balance(self, account_id: int, asset_id: int) -> tuple[int, int]:
        """(available, held) in the asset's smallest unit; zeros where there is nothing."""

    def snapshot(self) -> bytes:
        """The whole state; equal states give equal bytes."""

    @staticmethod
    def restore(data: bytes) -> Engine:
        """The engine that wrote the snapshot, with its limits. Raises ValueError if damaged."""

    def check(self) -> None:
        """Verify every invariant, slowly. Raises AssertionError with the one that is broken."""

JOURNAL_VERSION: int
"""The format of journal segments that this program writes and reads."""

def replayed_answer(command: bytes, events: bytes, retry: bytes, order_id: int) -> bytes:
    """The reports that answer a NewOrder which repeats `command`, of which `events` came: see
    `ReportFlag.REPLAYED`. Nothing if it has other terms, or the command did not place the order.
    """

def chain_digest(digest: int, events: bytes) -> int:
    """The chain digest after one command's events, whose length is a multiple of 8."""

def crc32c(data: bytes) -> int:
    """CRC-32C (Castagnoli), as in journal entries."""

class Recovery:
    """What a recovery did."""

    @property
    def entry_count(self) -> int:
        """Entries replayed."""

    @property
    def torn_bytes(self) -> int:
        """Cut off: a group that was never acknowledged."""

    @property
    def snapshot_seq(self) -> int:
        """The snapshot that it began with; 0 if it replayed the whole journal."""

    @property
    def refusals(self) -> list[str]:
        """Snapshots that could not be used, and why."""

LATENCY_BOUNDS_NS: tuple[int, ...]
"""What LatencySnapshot.bucket_counts counts below."""

class LatencySnapshot:
    """What a histogram had counted at one moment; an empty one if made here."""

    def __init__(self) -> None: ...
    @property
    def sum_ns(self) -> int: ...
    @property
    def total(self) -> int: ...
    def bucket_counts(self) -> list[int]:
        """How many were shorter than each of LATENCY_BOUNDS_NS."""

    def quantile_ns(self, earlier: LatencySnapshot, quantile: float) -> int:
        """No more than this took that share of what was counted after `earlier`; 0 if nothing was."""

class MatcherCore:
    """A shard's engine, journal and hot loop, for the process that runs them.

    Use: recover(), then run() on a thread of its own until stop().
    """

    def __init__(
        self, directory: str, shard_id: int, durability: int, segment_bytes: int
    ) -> None: ...
    @property
    def committed_seq(self) -> int:
        """Last durable command. Any thread, after recover()."""

    @property
    def follower_fd(self) -> int:
        """Readable after a commit, until `clear_follower_fd` is called."""

    def clear_follower_fd(self) -> None:
        """Whoever polls `follower_fd` has noticed."""

    @property
    def has_failed(self) -> bool:
        """True once the journal could not be written."""

    @property
    def digest(self) -> int:
        """The engine's chain digest; not while run() runs."""

    def recover(self) -> Recovery:
        """Take the newest usable snapshot, replay what follows, and open the journal.

        Raises RuntimeError if the journal is damaged, replays differently, cannot be written, or
        begins later than any usable snapshot ends.
        """

    def run(
        self,
        router_socket: int,
        feed_socket: int,
        libzmq_path: str,
        keys: list[tuple[bytes, int, bool]],
    ) -> None:
        """Serve orders until stop(), without the GIL. Raises RuntimeError on a failure.

        The sockets are pyzmq's `Socket.underlying`; nobody else may use them meanwhile. A key is
        (32 bytes, account_id, is_operator). `libzmq_path` is a loaded library that links libzmq.
        """

    def stop(self) -> None:
        """Ask run() to return. Any thread."""

    def note_replicated(self, seq: int) -> None:
        """Everything up to `seq` is in the stream: under durability `replicated` it may be answered."""

    def counters(self) -> dict[str, int]:
        """Counts since the start, and how things stand. Any thread, after recover()."""

    def reasons(self) -> tuple[list[int], list[int]]:
        """Refused records and rejected commands since the start, each by the number of its reason."""

    def stages(self) -> dict[str, LatencySnapshot]:
        """How long receive, risk, match, journal, sync, publish and reply have taken so far; the first
        three and reply once run() runs.
        """

    def note_published(self, took_ns: int) -> None:
        """A batch was acknowledged, so long after its oldest command was committed."""

    def take_traced(self) -> list[tuple[int, bytes, bytes, int, int]]:
        """Commands that belong to a trace, since the last call: seq, trace id, span id, and when they
        were received and sequenced, by the matcher's clock.
        """

    def committed_ns(self, seq: int) -> int:
        """When it was committed, on the monotonic clock; 0 if that is too long ago to be known."""

class JournalReader:
    """Reads committed journal entries as commit batches, behind a writer."""

    def __init__(self, directory: str, shard_id: int) -> None: ...
    @property
    def next_seq(self) -> int: ...
    @property
    def oldest_seq(self) -> int:
        """The seq that the journal begins with; 0 without a segment. Raises RuntimeError."""

    @property
    def digest(self) -> int:
        """Chain digest after the entry before `next_seq`."""

    def seek(self, next_seq: int) -> None:
        """Go to a seq, written already or the next to be. Raises RuntimeError if it is not there."""

    def next_batch(self, last_seq_max: int, bytes_max: int) -> bytes:
        """Entries up to `last_seq_max` as one commit batch of about `bytes_max`, or b"".

        Raises RuntimeError if the bytes are not a journal's.
        """

class SimulatedDisk:
    """Tests only: a disk in memory that keeps what was written apart from what was synced."""

    def __init__(self) -> None: ...
    def install(self) -> None:
        """From here on every journal of this process is on this disk."""

    @staticmethod
    def uninstall() -> None: ...
    def cut_power(self, seed: int, keep_percent: int, in_order: bool) -> None:
        """Lose any part of what was not synced: of its sectors `keep_percent` survive."""

    def cut_after(self, change_count: int) -> None:
        """The power goes by itself after so many more changes; until cut_power() all calls fail."""

    def fail_sync_after(self, sync_count: int) -> None:
        """A sync fails, after so many others; what it was to write is never written."""

    def set_capacity(self, capacity_bytes: int) -> None: ...
    def flip_bit(self, name: str, offset: int, bit: int) -> None: ...
    def names(self) -> list[str]: ...
    def read(self, name: str, durable: bool = False) -> bytes: ...
    @property
    def is_cut(self) -> bool: ...
    @property
    def sync_count(self) -> int: ...

class SimulatedMatcher:
    """Tests only: the engine, journal and hot loop of a shard, step by step, on a SimulatedDisk."""

    def __init__(
        self,
        disk: SimulatedDisk,
        shard_id: int,
        segment_bytes: int,
        entry_bytes_room: int,
        keys: list[tuple[bytes, int, bool]],
    ) -> None: ...
    def recover(self, now_ns: int) -> tuple[int, int]:
        """As MatcherCore.recover; then what the hot loop does before it takes requests."""

    def deliver(self, routing_id: bytes, payload: bytes) -> None: ...
    def disconnect(self, routing_id: bytes) -> None: ...
    def turn(self, now_ns: int) -> list[tuple[bytes, bytes]]:
        """One turn of the hot loop: (routing id, payload) of what it sent. Raises RuntimeError."""

    def write(self) -> None:
        """Write the group that was handed over."""

    def sync(self) -> None:
        """Sync the group that was written."""

    def prepare(self) -> None:
        """Make the next segment."""

    def check(self) -> str:
        """What is wrong with the engine's state, or nothing."""

    @property
    def sent_before_failure(self) -> list[tuple[bytes, bytes]]:
        """What the turn that raised had sent."""

    @property
    def is_writing(self) -> bool: ...
    @property
    def is_written(self) -> bool: ...
    @property
    def needs_segment(self) -> bool: ...
    @property
    def has_requests(self) -> bool: ...
    @property
    def has_pending(self) -> bool: ...
    @property
    def has_failed(self) -> bool: ...
    @property
    def committed_seq(self) -> int: ...
    @property
    def seq(self) -> int: ...
    @property
    def digest(self) -> int: ...

class Replica:
    """A second engine that follows a journal, compares it with a replay and writes snapshots."""

    class Outcome(Enum):
        """What advance() found."""

        UP_TO_DATE = ...
        MORE = ...
        MAY_SNAPSHOT = ...
        DIVERGED = ...
        FAILED = ...

    def __init__(self, directory: str, shard_id: int) -> None: ...
    @property
    def seq(self) -> int: ...
    @property
    def digest(self) -> int: ...
    @property
    def error(self) -> str:
        """After DIVERGED and FAILED."""

    @property
    def refusals(self) -> list[str]:
        """Snapshots that could not be used, and why."""

    @property
    def kept(self) -> list[int]:
        """Seqs of the sound snapshots that are kept, the older first; two at most."""

    def open(self) -> Outcome:
        """Start from the newest usable snapshot; remove unfinished ones. MORE, DIVERGED or FAILED.

        Once, before anything else; unless it says MORE, only error and refusals may be asked.
        """

    def advance(self, last_seq_max: int, snapshot_seq_min: int) -> Outcome:
        """Replay some committed entries, up to `last_seq_max`; all of them are replayed once it
        says UP_TO_DATE. From `snapshot_seq_min` on it says MAY_SNAPSHOT where a snapshot may be
        taken: all of it is durable.
        """

    def write_snapshot(self, free_bytes_min: int) -> None:
        """Write a snapshot, read it back, verify it, and remove all but the two newest sound ones.

        Raises RuntimeError, and leaves nothing of it, if it cannot be written or verified, or
        would leave less than `free_bytes_min` of the disk free.
        """
