"""Journals made byte by byte, with as many segments and groups as a test likes."""

from pathlib import Path
from random import Random
from typing import Any, NamedTuple

from tradepit.engine import JOURNAL_VERSION, Engine, crc32c
from tradepit.protocol import wire

from tests.matcher_process import FUNDS_UNITS, INSTRUMENT, MAKER, TAKER

LAST_SEGMENT_BYTES = 16 << 20  # the smallest that a matcher goes on with
PAST_CRC = 8  # the checksum of an entry covers what follows it


class Built(NamedTuple):
    """A journal: its digests by seq (the first before any command), what opens groups, segments."""

    digests: list[int]
    group_seqs: list[int]
    segment_seqs: list[int]

    @property
    def last_seq(self) -> int:
        return len(self.digests) - 1


def random_commands(random: Random, count: int) -> list[bytes]:
    """A market of two accounts, then orders that rest, trade and are canceled."""
    opening: list[Any] = [
        wire.SetAsset(symbol="USD", asset_id=1, decimals=6),
        wire.SetAsset(symbol="BTC", asset_id=2, decimals=8),
        wire.SetInstrument(
            symbol="BTC-USD",
            instrument_id=INSTRUMENT,
            base_asset_id=2,
            quote_asset_id=1,
            tick_size=1,
            price_decimals=2,
            lot_size_units=10_000,
            price_ticks_min=1,
            price_ticks_max=100_000_000,
            quantity_lots_min=1,
            quantity_lots_max=1_000_000,
            trading_state=wire.TradingState.CONTINUOUS,
        ),
    ]
    commands = [command.encode() for command in opening]
    for account_id in (MAKER, TAKER):
        account = wire.SetAccount(account_id=account_id, state=wire.AccountState.ACTIVE)
        commands.append(account.encode())
        for asset_id in (1, 2):
            credit = wire.Credit(
                account_id=account_id,
                asset_id=asset_id,
                amount_units=FUNDS_UNITS,
                transfer_id=100 * account_id + asset_id,
            )
            commands.append(credit.encode())
    for number in range(1, count - len(commands) + 1):
        account_id = random.choice((MAKER, TAKER))
        if random.random() < 0.3:
            client_order_id = random.randint(1, number)
            cancel = wire.CancelOrder(account_id=account_id, client_order_id=client_order_id)
            commands.append(cancel._replace(time_ns=number).encode())
            continue
        order = wire.NewOrder(
            time_ns=number,
            account_id=account_id,
            client_order_id=number,
            instrument_id=INSTRUMENT,
            side=random.choice((wire.Side.BUY, wire.Side.SELL)),
            order_type=wire.OrderType.LIMIT,
            time_in_force=wire.TimeInForce.GTC,
            price_ticks=random.randint(990, 1010),
            quantity_lots=random.randint(1, 20),
        )
        commands.append(order.encode())
    return commands


def build_journal(
    folder: Path,
    shard_id: int,
    random: Random,
    command_count: int = 300,
    segment_entries_max: int = 80,
) -> Built:
    """Write a journal of random commands in groups and segments of random sizes."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    engine = Engine(shard_id=shard_id)
    digests = [engine.digest]
    group_seqs: list[int] = []
    segment_seqs: list[int] = []
    commands = random_commands(random, command_count)
    while engine.seq < len(commands):
        segment_seqs.append(engine.seq + 1)
        before = engine.digest
        entries = b""
        count = random.randint(10, segment_entries_max)
        end_seq = min(len(commands), engine.seq + count)
        while engine.seq < end_seq:
            group_seqs.append(engine.seq + 1)
            for _ in range(min(random.randint(1, 7), end_seq - engine.seq)):
                command = commands[engine.seq]
                events = engine.apply(command)
                entries += entry_bytes(engine, command, events, group_seqs[-1])
                digests.append(engine.digest)
        is_last = engine.seq == len(commands)
        size = LAST_SEGMENT_BYTES if is_last else wire.SEGMENT_HEADER_LAYOUT.size + len(entries)
        header = wire.SegmentHeader(
            magic=b"TPJRNL\0\0",
            version=JOURNAL_VERSION,
            shard_id=shard_id,
            first_seq=segment_seqs[-1],
            digest=before,
            size_bytes=size,
        )
        packed = wire.SEGMENT_HEADER_LAYOUT.pack(*header)
        packed = packed[:-4] + crc32c(packed[:-4]).to_bytes(4, "little")
        path = folder / f"{segment_seqs[-1]:020}.journal"
        path.write_bytes(packed + entries)
        with path.open("r+b") as file:
            file.truncate(size)
    return Built(digests, group_seqs, segment_seqs)


def entry_bytes(engine: Engine, command: bytes, events: bytes, group_seq: int) -> bytes:
    """The entry of the engine's last command."""
    header = wire.JournalEntry(
        length=wire.JOURNAL_ENTRY_LAYOUT.size + len(command) + len(events),
        seq=engine.seq,
        commit_first_seq=group_seq,
        digest=engine.digest,
        event_count=len(wire.decode_all(events)),
    )
    entry = wire.JOURNAL_ENTRY_LAYOUT.pack(*header) + command + events
    checksum = crc32c(entry[PAST_CRC:]).to_bytes(4, "little")
    return entry[:4] + checksum + entry[PAST_CRC:]
