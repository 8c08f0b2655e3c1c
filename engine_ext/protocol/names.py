"""Names that services share: NATS subjects and streams, Redis keys, ZeroMQ topics, ids."""

ORDER_ID_BITS = 48  # the low bits of an order or trade id are the shard's counter


def events_subject(shard_id: int) -> str:
    return f"tp.events.{shard_id}"


def events_stream(shard_id: int) -> str:
    return f"tp-events-{shard_id}"


def shard_of_id(order_or_trade_id: int) -> int:
    """The shard that gave out an order id or a trade id."""
    return order_or_trade_id >> ORDER_ID_BITS


def ids_of_shard(shard_id: int) -> tuple[int, int]:
    """The lowest and the highest id that the shard can give to an order or a trade."""
    return shard_id << ORDER_ID_BITS, ((shard_id + 1) << ORDER_ID_BITS) - 1


def position_key(account_id: int, instrument_id: int) -> str:
    """Redis: a hash with the sums of an account's trades in an instrument."""
    return f"tp:position:{account_id}:{instrument_id}"


def applied_key(shard_id: int) -> str:
    """Redis: the seq to which the shard's positions there are complete."""
    return f"tp:applied:{shard_id}"


def feed_topic(instrument_id: int) -> bytes:
    """First frame of a feed message: 4 bytes, so that no topic is a prefix of another."""
    return instrument_id.to_bytes(4, "big")
