"""Traders and an operator: they send, wait, give up, come back and ask again.

Everything that a client was told is kept, for the checkers: it must be found in the journal.
"""

import itertools
import random
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from tradepit.protocol import wire
from tradepit.protocol.wire import LogonFlag, Reason, ReportFlag

USD, BTC = 1, 2
INSTRUMENTS = range(1, 7)
OPERATOR = 0
KEY_BYTES = 32
PENDING_MAX = 120
REPLAYED = "REPLAYED"
AGAIN = (Reason.BUSY, Reason.STORAGE_FULL)


def key_of(account_id: int) -> bytes:
    return bytes([7 + account_id]) * KEY_BYTES


def opening(account_ids: list[int]) -> list[Any]:
    """What an operator sets up before the first order."""
    out: list[Any] = [
        wire.SetAsset(symbol="USD", asset_id=USD, decimals=2),
        wire.SetAsset(symbol="BTC", asset_id=BTC, decimals=1),
        *(
            wire.SetInstrument(
                symbol=f"BTC-USD{instrument_id}",
                tick_size=1,
                lot_size_units=10,
                price_ticks_min=1,
                price_ticks_max=200,
                quantity_lots_min=1,
                quantity_lots_max=50,
                instrument_id=instrument_id,
                base_asset_id=BTC,
                quote_asset_id=USD,
                maker_fee_ppm=500,
                taker_fee_ppm=33_333,
                price_decimals=0,
                trading_state=wire.TradingState.CONTINUOUS,
            )
            for instrument_id in INSTRUMENTS
        ),
    ]
    for account_id in account_ids:
        out.append(wire.SetAccount(account_id=account_id, state=wire.AccountState.ACTIVE))
        for asset_id in (USD, BTC):
            out.append(
                wire.Credit(
                    account_id=account_id,
                    transfer_id=10 * account_id + asset_id,
                    amount_units=10**9,
                    asset_id=asset_id,
                )
            )
    return out


class Client:
    """One account's. `send(client, payload)` takes a message to the matcher, perhaps."""

    def __init__(
        self,
        account_id: int,
        flags: LogonFlag,
        random_: random.Random,
        send: Callable[["Client", bytes], None],
        connect: Callable[["Client"], None],
        now_s: Callable[[], float],
    ) -> None:
        self.account_id = account_id
        self.routing_id = b""
        self.random = random_
        self.told: list[Any] = []
        """Every record that came, in its order."""
        self.sent: dict[int, Any] = {}
        """By request_id, as it was last sent."""
        self.pending: dict[int, float] = {}
        """request_id -> when it was last sent."""
        self.acknowledged_seq = 0
        self.refused: Counter[str] = Counter()
        self.is_logged_on = False
        self.instruments: Sequence[int] = INSTRUMENTS
        self._flags = flags
        self._send = send
        self._connect = connect
        self._now_s = now_s
        self._request_ids = itertools.count(1)
        self._order_ids = itertools.count(1)
        self._own: list[int] = []  # client order ids
        self._transfers = itertools.count(1_000)

    @property
    def is_operator(self) -> bool:
        return self.account_id == OPERATOR

    def reconnect(self) -> None:
        """On a new connection, everything that was not answered is asked for again."""
        self._connect(self)
        self.is_logged_on = False
        logon = wire.Logon(
            request_id=next(self._request_ids),
            account_id=self.account_id,
            key=key_of(self.account_id),
            flags=self._flags,
        )
        self._send(self, logon.encode())
        self._resend(list(self.pending))

    def _resend(self, request_ids: list[int]) -> None:
        if not request_ids:
            return
        now_s = self._now_s()
        for request_id in request_ids:
            self.pending[request_id] = now_s
        self._send(self, b"".join(self.sent[request_id].encode() for request_id in request_ids))

    def ask(self, records: list[Any]) -> None:
        now_s = self._now_s()
        out = []
        for record in records:
            request_id = next(self._request_ids)
            record = record._replace(request_id=request_id)
            self.sent[request_id] = record
            self.pending[request_id] = now_s
            out.append(record.encode())
        self._send(self, b"".join(out))

    def give_up_waiting(self, timeout_s: float) -> None:
        """What has waited for too long is asked again on a new connection."""
        if self.pending and self._now_s() - min(self.pending.values()) > timeout_s:
            self.reconnect()

    def receive(self, payload: bytes) -> None:
        again = []
        is_lost = False
        for record in wire.decode_all(payload):
            request_id = record.request_id
            if isinstance(record, wire.Reject) and record.seq == 0:
                reason = record.reason
                self.refused[Reason(reason).name] += 1
                if reason == Reason.NOT_LOGGED_ON:
                    is_lost = True
                elif reason in AGAIN:
                    again.append(request_id)
                else:
                    raise AssertionError(f"{self.account_id} was refused: {record}")
                continue
            self.told.append(record)
            if getattr(record, "reason", 0) == Reason.DUPLICATE_TRANSFER:
                self.refused[Reason.DUPLICATE_TRANSFER.name] += 1
            if isinstance(record, wire.ExecutionReport) and record.flags & ReportFlag.REPLAYED:
                self.refused[REPLAYED] += 1
            self.acknowledged_seq = max(self.acknowledged_seq, getattr(record, "seq", 0))
            if isinstance(record, wire.LoggedOn):
                self.is_logged_on = True
            elif not isinstance(record, wire.ExecutionReport) or record.flags & ReportFlag.LAST:
                self.pending.pop(request_id, None)
        later_s = self._now_s()
        for request_id in again:  # after a while, on this connection or the next
            if request_id in self.pending:
                self.pending[request_id] = later_s
        if is_lost and self.is_logged_on:  # the matcher has started again
            self.reconnect()

    def act(self, count: int, query_share: float) -> None:
        """Send so many random commands in one message, unless too much waits."""
        if len(self.pending) < PENDING_MAX:
            make = self._transfer if self.is_operator else self._command
            records = [make() for _ in range(count)]
            if self.random.random() < query_share:
                records.append(wire.StatusQuery())
            self.ask(records)

    def _transfer(self) -> Any:
        return wire.Credit(
            account_id=self.random.randint(1, 2),
            transfer_id=next(self._transfers),
            amount_units=self.random.randint(1, 1000),
            asset_id=self.random.choice((USD, BTC)),
        )

    def _command(self) -> Any:
        pick = self.random.random()
        if pick < 0.75 or not self._own:
            client_order_id = next(self._order_ids)
            self._own.append(client_order_id)
            is_market = self.random.random() < 0.05
            return wire.NewOrder(
                account_id=self.account_id,
                client_order_id=client_order_id,
                price_ticks=0 if is_market else self.random.randint(95, 105),
                quantity_lots=self.random.randint(1, 6),
                instrument_id=self.random.choice(self.instruments),
                side=self.random.randint(1, 2),
                order_type=wire.OrderType.MARKET if is_market else wire.OrderType.LIMIT,
                time_in_force=wire.TimeInForce.IOC
                if is_market or self.random.random() < 0.1
                else wire.TimeInForce.GTC,
            )
        target = self.random.choice(self._own[-12:])
        if pick < 0.90:
            return wire.CancelOrder(account_id=self.account_id, client_order_id=target)
        if pick < 0.98:
            return wire.ReplaceOrder(
                account_id=self.account_id,
                client_order_id=target,
                price_ticks=self.random.randint(95, 105),
                quantity_lots=self.random.randint(1, 6),
            )
        return wire.MassCancel(
            account_id=self.account_id, instrument_id=self.random.choice(self.instruments)
        )
