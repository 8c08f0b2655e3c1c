"""Traders on an exchange in containers, while its containers are killed, hung and cut off."""

import time
from collections.abc import Callable

import pytest
from tradepit.tools.drill.checker import FAULTS_SHOWN_MAX, Findings, compare
from tradepit.tools.drill.history import History
from tradepit.tools.drill.load import Load

from tests.containers.stack import Stack
from tests.exchange_checks import check_everything, query

pytestmark = pytest.mark.containers

REST_ACCOUNT_ID = 1
TRADER_ACCOUNT_IDS = (101, 102, 111)
SEED = 5
SETTLED_ANSWERS = 20
HANG_S = 4.0
SERVICES = ("postgres", "nats", "redis", "matcher-0", "ledger-0", "ingress")
FAULTS: dict[str, Callable[[Stack, str], None]] = {
    "kill": lambda stack, service: stack.kill(service),
    "restart": lambda stack, service: stack.restart(service),
    "hang": lambda stack, service: stack.pause(service, HANG_S),
    "cut off": lambda stack, service: stack.cut_off(service, HANG_S),
}


def test_nothing_acknowledged_is_lost_whatever_happens_to_any_container(stack: Stack) -> None:
    stack.compose("stop", "demo")  # only traders who keep a record
    keys = stack.keys()
    history = History()
    load = Load(
        history,
        order_endpoint=lambda: stack.order_endpoint,
        ingress_url=lambda: stack.ingress_url,
        keys={account: keys[account] for account in (*TRADER_ACCOUNT_IDS, REST_ACCOUNT_ID)},
        rest_account_id=REST_ACCOUNT_ID,
        seed=SEED,
    )
    load.start()
    for fault, inject in FAULTS.items():
        for service in SERVICES:
            wait_for_answers(stack, history, f"before: {fault} {service}")
            began_s = time.monotonic()
            inject(stack, service)
            stack.wait_until_healthy(service)
            wait_for_answers(stack, history, f"after: {fault} {service}")
            silence_s = history.longest_silence_s(began_s, time.monotonic())
            print(f"{fault} {service}: no answer for {silence_s:.1f} s")
    load.stop()
    for service in SERVICES:
        stack.wait_until_healthy(service)
    check_everything(stack)
    findings = Findings()
    orders = query(
        stack,
        "SELECT order_id, account_id, client_order_id, filled_lots FROM orders "
        "WHERE client_order_id > 0",  # the demo names none
    )
    trades = query(stack, "SELECT trade_id FROM trades")
    compare(
        history,
        [
            (row["order_id"], row["account_id"], row["client_order_id"], row["filled_lots"])
            for row in orders
        ],
        {row["trade_id"] for row in trades},
        findings,
    )
    assert load.is_settled
    assert (load.failures, history.contradictions[:FAULTS_SHOWN_MAX]) == ([], [])
    assert (findings.lost_count, findings.doubled_count, findings.faults) == (0, 0, [])
    assert findings.acknowledged_count > len(FAULTS) * len(SERVICES) * SETTLED_ANSWERS
    print(
        f"{findings.acknowledged_count} orders acknowledged, {findings.trade_count} trades, "
        f"{findings.retry_count} sent again, none lost"
    )


def wait_for_answers(stack: Stack, history: History, when: str) -> None:
    """Traders get some more answers."""
    start_s = time.monotonic()
    stack.wait(
        lambda: history.answers_since(start_s) >= SETTLED_ANSWERS, f"answers to orders {when}"
    )
