"""Folds commit batches into rows: a pure function from bytes to what PostgreSQL will store.

`fold` is the ledger's only reader of the stream's bytes. It checks all of them (layout, CRC, seq
order, digest chain) before a row is built from an entry, so that what it returns may be stored
as it is. Orders that lived and died inside one batch become one row in its final state; balances and
positions become one delta per key.

The loop works on `struct` tuples and plain lists instead of the record classes of `wire`.
"""

from collections.abc import Mapping, Sequence
from struct import Struct
from struct import error as StructError

from tradepit.engine import chain_digest, crc32c
from tradepit.ledger.batch import (
    ORDER_COLUMNS,
    Batch,
    Instrument,
    OrderChange,
    Position,
    StreamMessage,
)
from tradepit.ledger.errors import BatchRefused
from tradepit.protocol import commit_batch, wire
from tradepit.protocol.errors import MalformedRecord
from tradepit.protocol.wire import MessageType, OrderStatus

HOUSE_ACCOUNT_ID = 0

_BATCH_HEADER = wire.COMMIT_BATCH_HEADER_LAYOUT
_ENTRY_HEADER = wire.JOURNAL_ENTRY_LAYOUT
_RECORD_HEADER = Struct("<BBH")
_COMMAND_TIME = Struct(f"<{_ENTRY_HEADER.size + wire.HEADER_SIZE}xq")  # in an entry

_LAYOUTS = {
    int(wire.type_of_record[record]): wire.layout_of(wire.type_of_record[record])
    for record in wire.EVENTS
}
_LENGTHS = {record_type: layout.size for record_type, layout in _LAYOUTS.items()}
_ITEMS = {
    int(wire.type_of_record[record]): (len(item().encode()), count_max)
    for record, (_, item, count_max) in wire.REPEATS.items()
}
"""Of events that repeat something: bytes of an item, and how many there may be."""

# Plain ints: an enum member costs a slow comparison in the loop.
_TRADE = int(MessageType.TRADE)
_ORDER_ACCEPTED = int(MessageType.ORDER_ACCEPTED)
_ORDER_CANCELED = int(MessageType.ORDER_CANCELED)
_ORDER_REPLACED = int(MessageType.ORDER_REPLACED)
_SELF_TRADE_PREVENTED = int(MessageType.SELF_TRADE_PREVENTED)
_ORDER_ACTIVATED = int(MessageType.ORDER_ACTIVATED)
_BEGINNINGS = (int(MessageType.ORDER_TRIGGERED), _ORDER_ACTIVATED)
_BALANCE_CHANGED = int(MessageType.BALANCE_CHANGED)
_TRADE_BUSTED = int(MessageType.TRADE_BUSTED)
_TRADE_CORRECTED = int(MessageType.TRADE_CORRECTED)
_LISTINGS = frozenset(
    map(
        int,
        (
            MessageType.ASSET_CHANGED,
            MessageType.INSTRUMENT_CHANGED,
            MessageType.ACCOUNT_CHANGED,
            MessageType.TRADING_STATE_CHANGED,
        ),
    )
)
_OPEN = int(OrderStatus.OPEN)
_WAITING = int(OrderStatus.WAITING)
_PARTIALLY_FILLED = int(OrderStatus.PARTIALLY_FILLED)
_FILLED = int(OrderStatus.FILLED)
_CANCELED = int(OrderStatus.CANCELED)
_BUY = int(wire.Side.BUY)
_AT_THE_CLOSE = int(wire.TimeInForce.AT_THE_CLOSE)
_PENDING = int(wire.OrderFlag.PENDING)
# Where later events of the batch change a new order's row.
_FLAGS = ORDER_COLUMNS.index("flags")
_PRICE = ORDER_COLUMNS.index("price_ticks")
_QUANTITY = ORDER_COLUMNS.index("quantity_lots")
_FILLED_LOTS = ORDER_COLUMNS.index("filled_lots")
_NOTIONAL = ORDER_COLUMNS.index("notional_units")
_FEE = ORDER_COLUMNS.index("fee_units")
_STATUS = ORDER_COLUMNS.index("status")
_CANCEL_REASON = ORDER_COLUMNS.index("cancel_reason")
_UPDATED_SEQ = ORDER_COLUMNS.index("updated_seq")
_UPDATED_NS = ORDER_COLUMNS.index("updated_ns")


class _Refusal(Exception):
    """What is wrong with the entry at hand; `fold` adds where it was found."""


def fold(
    shard_id: int,
    messages: Sequence[StreamMessage],
    before: Position,
    instruments: Mapping[int, Instrument],
) -> Batch:
    """Fold messages, which may repeat what is stored, into what is to be stored after `before`.

    `instruments` are those stored at `before`. Stops in front of a message that leaves a gap
    (`Batch.gap_seq`). Raises BatchRefused, which names stream_seq and seq, if bytes do not decode, a
    CRC or the digest chain does not fit, or an event contradicts an earlier one: nothing of such
    messages may be stored.
    """
    batch = Batch(shard_id, before, before)
    known = dict(instruments)
    for message in messages:
        try:
            if not _fold_message(batch, message, known):
                break
        except (_Refusal, StructError, IndexError) as error:
            raise BatchRefused(
                f"stream message {message.stream_seq} of shard {shard_id} is not a commit batch "
                f"that continues from seq {batch.after.seq}: {error}"
            ) from error
    return batch


def _fold_message(batch: Batch, message: StreamMessage, known: dict[int, Instrument]) -> bool:
    """Fold one message; False if it leaves a gap."""
    data = message.data
    magic, version, shard_id, entry_count, first_seq, last_seq, last_digest = (
        _BATCH_HEADER.unpack_from(data)
    )
    if magic != commit_batch.MAGIC:
        raise _Refusal("it does not begin with the magic of a commit batch")
    if version != wire.VERSION:
        raise _Refusal(f"version {version}, not {wire.VERSION}")
    if data[6:8] != b"\0\0":
        raise _Refusal("a reserved field is not zero")
    if shard_id != batch.shard_id:
        raise _Refusal(f"it belongs to shard {shard_id}")
    if entry_count < 1 or last_seq - first_seq + 1 != entry_count:
        raise _Refusal(f"{entry_count} entries from seq {first_seq} to {last_seq}")
    seq, _, digest = batch.after
    if first_seq > seq + 1:
        batch.gap_seq = first_seq
        return False
    if last_seq < seq:
        batch.repeat_count += entry_count
        return True
    if last_seq == seq:
        if last_digest != digest:
            raise _Refusal(
                f"digest {last_digest:016x} at seq {seq}, which was {digest:016x} before"
            )
        batch.repeat_count += entry_count
        return True

    if len(data) % 8:
        raise _Refusal(f"{len(data)} bytes are not a multiple of 8")
    offset = _BATCH_HEADER.size
    for expected_seq in range(first_seq, last_seq + 1):
        length, crc, entry_seq, _, entry_digest, event_count = _ENTRY_HEADER.unpack_from(
            data, offset
        )
        if entry_seq != expected_seq:
            raise _Refusal(f"an entry of seq {entry_seq} where {expected_seq} belongs")
        end = offset + length
        if length < _ENTRY_HEADER.size + wire.HEADER_SIZE or length % 8 or end > len(data):
            raise _Refusal(f"seq {entry_seq}: an entry of {length} bytes at offset {offset}")
        if entry_seq > seq:
            if crc32c(data[offset + 8 : end]) != crc:
                raise _Refusal(f"seq {entry_seq}: the CRC does not match")
            _, _, command_length = _RECORD_HEADER.unpack_from(data, offset + _ENTRY_HEADER.size)
            events_offset = offset + _ENTRY_HEADER.size + command_length
            if command_length % 8 or events_offset > end:
                raise _Refusal(f"seq {entry_seq}: a command of {command_length} bytes")
            digest = chain_digest(digest, data[events_offset:end])
            if digest != entry_digest:
                raise _Refusal(
                    f"seq {entry_seq}: digest {entry_digest:016x}, but the events give {digest:016x}"
                )
            found_count = _fold_events(batch, data, events_offset, end, entry_seq, known)
            if found_count != event_count:
                raise _Refusal(f"seq {entry_seq}: {found_count} events, not {event_count}")
            if not batch.entry_count:
                (batch.first_time_ns,) = _COMMAND_TIME.unpack_from(data, offset)
            batch.entry_count += 1
            batch.event_count += event_count
        else:
            if entry_seq == seq and entry_digest != digest:
                raise _Refusal(
                    f"digest {entry_digest:016x} at seq {seq}, which was {digest:016x} before"
                )
            batch.repeat_count += 1
        offset = end
    if offset != len(data):
        raise _Refusal(f"{len(data) - offset} bytes after the last entry")
    if digest != last_digest:
        raise _Refusal(f"digest {last_digest:016x} in its header, {digest:016x} in its last entry")
    batch.after = Position(last_seq, message.stream_seq, digest)
    return True


def _fold_events(
    batch: Batch, data: bytes, offset: int, end: int, seq: int, known: dict[int, Instrument]
) -> int:
    """Fold the event records of one entry; returns how many there were."""
    shard_id = batch.shard_id
    new_orders = batch.new_orders
    count = 0
    while offset < end:
        version, record_type, length = _RECORD_HEADER.unpack_from(data, offset)
        layout = _LAYOUTS.get(record_type)
        if (
            version != wire.VERSION
            or layout is None
            or (length != _LENGTHS[record_type] and not _is_repeated(record_type, length))
        ):
            raise _Refusal(
                f"seq {seq}: record type {record_type}, version {version}, {length} bytes "
                f"at offset {offset} is not an event"
            )
        if offset + length > end:
            raise _Refusal(f"seq {seq}: the event at offset {offset} is cut short")
        values = layout.unpack_from(data, offset)
        if values[1] != seq:
            raise _Refusal(f"seq {seq}: an event of seq {values[1]} at offset {offset}")

        if record_type == _TRADE:
            _fold_trade(batch, values, known)
        elif record_type == _ORDER_ACCEPTED:
            (
                _, _, time_ns, order_id, account_id, client_order_id, price_ticks, quantity_lots,
                trigger_price_ticks, display_quantity_lots, expire_time_ns, offset_ticks,
                instrument_id, _, side, order_type, time_in_force, flags, self_trade_prevention,
                peg_reference, trail_offset_bps,
            ) = values  # fmt: skip
            if order_id in new_orders:
                raise _Refusal(f"seq {seq}: order {order_id} is accepted twice")
            new_orders[order_id] = [
                order_id, shard_id, account_id, instrument_id, client_order_id, side, order_type,
                time_in_force, flags, price_ticks, quantity_lots, 0, 0, 0,
                _OPEN, 0, seq, seq,
                time_ns, time_ns, self_trade_prevention, trigger_price_ticks,
            ]  # fmt: skip
            if trigger_price_ticks or time_in_force == _AT_THE_CLOSE or flags & _PENDING:
                new_orders[order_id][_STATUS] = _WAITING
            terms = (
                display_quantity_lots, expire_time_ns, offset_ticks, trail_offset_bps,
                peg_reference,
            )  # fmt: skip
            if any(terms):
                batch.order_terms.append((order_id, *terms))
        elif record_type == _ORDER_CANCELED:
            _, _, time_ns, order_id, _, _, _, filled_lots, _, _, _, reason = values
            order = new_orders.get(order_id)
            if order is not None:
                if order[_FILLED_LOTS] != filled_lots:
                    raise _Refusal(
                        f"seq {seq}: order {order_id} is canceled with {filled_lots} lots filled, "
                        f"but its trades sum to {order[_FILLED_LOTS]}"
                    )
                order[_STATUS] = _CANCELED
                order[_CANCEL_REASON] = reason
                order[_UPDATED_SEQ] = seq
                order[_UPDATED_NS] = time_ns
            else:
                change = _change_of(batch, order_id, seq, time_ns)
                change.status = _CANCELED
                change.cancel_reason = reason
        elif record_type == _ORDER_REPLACED:
            _, _, time_ns, order_id, _, _, price_ticks, quantity_lots, filled_lots, _, _, flags = (
                values
            )
            status = _PARTIALLY_FILLED if filled_lots else _OPEN
            if flags & wire.ReplaceFlag.WAITING:
                status = _WAITING
            order = new_orders.get(order_id)
            if order is not None:
                order[_PRICE] = price_ticks
                order[_QUANTITY] = quantity_lots
                order[_STATUS] = status
                order[_UPDATED_SEQ] = seq
                order[_UPDATED_NS] = time_ns
            else:
                change = _change_of(batch, order_id, seq, time_ns)
                change.price_ticks = price_ticks
                change.quantity_lots = quantity_lots
                change.status = status
        elif record_type in _BEGINNINGS:
            # Triggered, it trades; activated with a trigger price, it waits on.
            is_activated = record_type == _ORDER_ACTIVATED
            status = _WAITING if is_activated and values[6] else _OPEN
            order = new_orders.get(values[3])
            if order is not None:
                order[_STATUS] = status
                order[_UPDATED_SEQ] = seq
                order[_UPDATED_NS] = values[2]
                if is_activated:
                    order[_FLAGS] &= ~_PENDING
            else:
                change = _change_of(batch, values[3], seq, values[2])
                change.status = status
                if is_activated:
                    change.flags_cleared = _PENDING
        elif record_type == _SELF_TRADE_PREVENTED:
            (
                _, _, time_ns, _, _, maker_order_id, taker_order_id, _, _, _, _,
                maker_quantity_lots, taker_quantity_lots, maker_remaining_lots,
                taker_remaining_lots, _, _, _,
            ) = values  # fmt: skip
            for order_id, quantity_lots, remaining_lots in (
                (maker_order_id, maker_quantity_lots, maker_remaining_lots),
                (taker_order_id, taker_quantity_lots, taker_remaining_lots),
            ):
                order = new_orders.get(order_id)
                if order is not None:
                    if order[_FILLED_LOTS] + remaining_lots != quantity_lots:
                        raise _Refusal(
                            f"seq {seq}: order {order_id} has {order[_FILLED_LOTS]} lots filled "
                            f"and {remaining_lots} open of {quantity_lots}"
                        )
                    order[_QUANTITY] = quantity_lots
                    order[_UPDATED_SEQ] = seq
                    order[_UPDATED_NS] = time_ns
                else:
                    change = _change_of(batch, order_id, seq, time_ns)
                    change.quantity_lots = quantity_lots
                    change.status = _PARTIALLY_FILLED if quantity_lots > remaining_lots else _OPEN
        elif record_type == _BALANCE_CHANGED:
            _, _, time_ns, account_id, transfer_id, delta_units, _, _, asset_id = values
            batch.transfers.append(
                (shard_id, seq, time_ns, account_id, asset_id, delta_units, transfer_id)
            )
            _post(batch, account_id, asset_id, delta_units, seq)
        elif record_type in (_TRADE_BUSTED, _TRADE_CORRECTED):
            _fold_trade_change(batch, values, known)
        elif record_type in _LISTINGS:
            _fold_listing(batch, data, offset, known)
        # What is left changes nothing here: rejections, the end of a MassCancel, tick tables, fee
        # schedules (a trade names its own fees).
        offset += length
        count += 1
    return count


def _is_repeated(record_type: int, length: int) -> bool:
    """Whether a record of this length may be longer than its fixed part by whole items."""
    item_size, count_max = _ITEMS.get(record_type, (1, 0))
    count, rest = divmod(length - _LENGTHS[record_type], item_size)
    return rest == 0 and 0 <= count <= count_max


def _fold_trade(batch: Batch, values: tuple[int, ...], known: dict[int, Instrument]) -> None:
    (
        _, seq, time_ns, trade_id, _, quantity_lots, notional_units, base_units, maker_order_id,
        taker_order_id, maker_account_id, taker_account_id, _, _, maker_fee_units, taker_fee_units,
        maker_remaining_lots, taker_remaining_lots, instrument_id, taker_side,
    ) = values  # fmt: skip
    instrument = known.get(instrument_id)
    if instrument is None:
        raise _Refusal(f"seq {seq}: trade {trade_id} in unknown instrument {instrument_id}")
    batch.trades.append((*values[1:16], instrument_id, taker_side, batch.shard_id))

    for order_id, remaining_lots, fee_units in (
        (maker_order_id, maker_remaining_lots, maker_fee_units),
        (taker_order_id, taker_remaining_lots, taker_fee_units),
    ):
        order = batch.new_orders.get(order_id)
        status = _PARTIALLY_FILLED if remaining_lots else _FILLED
        if order is not None:
            order[_FILLED_LOTS] += quantity_lots
            if order[_FILLED_LOTS] + remaining_lots != order[_QUANTITY]:
                raise _Refusal(
                    f"seq {seq}: order {order_id} of {order[_QUANTITY]} lots has "
                    f"{order[_FILLED_LOTS]} filled and {remaining_lots} open"
                )
            order[_NOTIONAL] += notional_units
            order[_FEE] += fee_units
            order[_STATUS] = status
            order[_UPDATED_SEQ] = seq
            order[_UPDATED_NS] = time_ns
        else:
            change = _change_of(batch, order_id, seq, time_ns)
            change.filled_lots += quantity_lots
            change.notional_units += notional_units
            change.fee_units += fee_units
            change.status = status

    if taker_side == _BUY:
        buyer_id, buyer_fee, seller_id, seller_fee = (
            taker_account_id, taker_fee_units, maker_account_id, maker_fee_units
        )  # fmt: skip
    else:
        buyer_id, buyer_fee, seller_id, seller_fee = (
            maker_account_id, maker_fee_units, taker_account_id, taker_fee_units
        )  # fmt: skip
    base_id, quote_id = instrument
    _post(batch, buyer_id, base_id, base_units, seq)
    _post(batch, buyer_id, quote_id, -(notional_units + buyer_fee), seq)
    _post(batch, seller_id, base_id, -base_units, seq)
    _post(batch, seller_id, quote_id, notional_units - seller_fee, seq)
    if buyer_fee or seller_fee:
        _post(batch, HOUSE_ACCOUNT_ID, quote_id, buyer_fee + seller_fee, seq)

    positions = batch.positions
    bought = positions.get((buyer_id, instrument_id))
    if bought is None:
        bought = positions[buyer_id, instrument_id] = [0, 0, 0, 0, 0, 0, 0]
    bought[0] += quantity_lots
    bought[2] += notional_units
    bought[4] += buyer_fee
    bought[5] += 1
    bought[6] = seq
    sold = positions.get((seller_id, instrument_id))
    if sold is None:
        sold = positions[seller_id, instrument_id] = [0, 0, 0, 0, 0, 0, 0]
    sold[1] += quantity_lots
    sold[3] += notional_units
    sold[4] += seller_fee
    sold[5] += 1
    sold[6] = seq


def _fold_trade_change(batch: Batch, values: tuple[int, ...], known: dict[int, Instrument]) -> None:
    """A trade was busted or corrected: what it moved before goes back, what it moves now moves."""
    (
        _, seq, time_ns, trade_id, _, price_ticks, quantity_lots, notional_units, base_units, _, _,
        maker_account_id, taker_account_id, maker_fee_units, taker_fee_units, *previous,
        instrument_id, taker_side,
    ) = values  # fmt: skip
    instrument = known.get(instrument_id)
    if instrument is None:
        raise _Refusal(f"seq {seq}: trade {trade_id} in unknown instrument {instrument_id}")
    stands = (quantity_lots, notional_units, base_units, maker_fee_units, taker_fee_units)
    if previous:
        before = tuple(previous[1:])
    else:  # busted
        price_ticks, stands, before = 0, (0,) * 5, stands
    deltas = tuple(new - old for new, old in zip(stands, before, strict=True))
    batch.trade_changes.append(
        (
            batch.shard_id, seq, time_ns, trade_id, instrument_id, taker_side, maker_account_id,
            taker_account_id, price_ticks, *stands, *deltas,
        )
    )  # fmt: skip
    lots, notional, base, maker_fee, taker_fee = deltas
    for account_id, side, fee in (
        (taker_account_id, taker_side, taker_fee),
        (maker_account_id, 3 - taker_side, maker_fee),
    ):
        sign = 1 if side == _BUY else -1
        _post(batch, account_id, instrument.base_asset_id, sign * base, seq)
        _post(batch, account_id, instrument.quote_asset_id, -sign * notional - fee, seq)
        sums = batch.positions.setdefault((account_id, instrument_id), [0, 0, 0, 0, 0, 0, 0])
        sums[side - 1] += lots
        sums[side + 1] += notional
        sums[4] += fee
        sums[5] += 0 if previous else -1
        sums[6] = seq
    if maker_fee or taker_fee:
        _post(batch, HOUSE_ACCOUNT_ID, instrument.quote_asset_id, maker_fee + taker_fee, seq)


def _post(batch: Batch, account_id: int, asset_id: int, delta_units: int, seq: int) -> None:
    total = batch.balances.get((account_id, asset_id))
    if total is None:
        batch.balances[account_id, asset_id] = [delta_units, seq]
    else:
        total[0] += delta_units
        total[1] = seq


def _change_of(batch: Batch, order_id: int, seq: int, time_ns: int) -> OrderChange:
    change = batch.order_changes.get(order_id)
    if change is None:
        change = batch.order_changes[order_id] = OrderChange()
    change.updated_seq = seq
    change.updated_ns = time_ns
    return change


def _fold_listing(batch: Batch, data: bytes, offset: int, known: dict[int, Instrument]) -> None:
    try:
        record, _ = wire.decode(data, offset)
    except MalformedRecord as error:
        raise _Refusal(str(error)) from error
    if isinstance(record, wire.AssetChanged):
        batch.assets[record.asset_id] = record
    elif isinstance(record, wire.InstrumentChanged):
        batch.instruments[record.instrument_id] = record
        batch.trading_states.pop(record.instrument_id, None)
        known[record.instrument_id] = Instrument(record.base_asset_id, record.quote_asset_id)
    elif isinstance(record, wire.TradingStateChanged):
        batch.trading_states[record.instrument_id] = record.state
    elif isinstance(record, wire.AccountChanged):
        batch.accounts[record.account_id] = record
