"""The web pages as a person meets them, in a real browser."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from tradepit.cli.running import RunningExchange

from tests.browser import Browser, program
from tests.rest import call, limit_order

pytestmark = pytest.mark.skipif(program() is None, reason="no Chromium is installed here")

LIVE = "document.querySelector('#status.live') && document.querySelector('#status-text').innerText"
DESKTOP, PHONE = (1280, 900), (390, 844)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[Browser]:
    with Browser(tmp_path / "profile") as running:
        yield running


def trade(exchange: RunningExchange, price: str) -> None:
    for side in ("sell", "buy"):
        order = limit_order(side, price, "0.0100")
        answer = call(f"{exchange.ingress_url}/v1/orders", exchange.demo_key, "POST", order)
        assert answer.status == 201, answer


def text_of(element: str) -> str:
    return f"document.querySelector('{element}').innerText"


@pytest.mark.parametrize("size", [DESKTOP, PHONE], ids=["desktop", "phone"])
def test_prices_appear_and_follow_the_market(
    size: tuple[int, int], exchange: RunningExchange, browser: Browser
) -> None:
    browser.resize(*size)
    trade(exchange, "101.25")
    browser.open(exchange.ingress_url)
    browser.wait_until(f"{LIVE}.startsWith('live, seq')")
    browser.wait_until(f"{text_of('#last')} === '101.25'")
    trade(exchange, "102.50")
    browser.wait_until(f"{text_of('#last')} === '102.50'")
    browser.wait_until(f"{text_of('#instruments [aria-pressed=true] .last')} === '102.50'")
    browser.wait_until(f"{text_of('#trades tr')}.includes('102.50')")
    width = browser.evaluate("document.documentElement.scrollWidth")
    assert width <= size[0], "the page is wider than the screen"


def test_an_order_is_placed_on_the_page_and_a_refusal_is_shown(
    exchange: RunningExchange, browser: Browser
) -> None:
    browser.open(exchange.ingress_url)
    browser.wait_until(LIVE)

    def press(side: str, price: str) -> None:
        fields = {"key": exchange.demo_key, "price": price, "quantity": "0.0100"}
        browser.evaluate(
            f"for (const [name, value] of Object.entries({json.dumps(fields)}))"
            f" document.querySelector(`#ticket [name=${{name}}]`).value = value;"
            f" document.querySelector('#ticket [value={side}]').click()"
        )

    press("buy", "99.50")
    browser.wait_until(f"{text_of('#answer')}.includes(': open, traded 0.0000 of 0.0100')")
    browser.wait_until(f"{text_of('#book .bid')}.startsWith('99.50')")
    press("buy", "99.555")
    browser.wait_until(f"{text_of('#answer')} === 'Refused: price must have at most 2 decimals'")
    assert call(f"{exchange.ingress_url}/v1/orders", exchange.demo_key, "DELETE").status == 200
    browser.wait_until("!document.querySelector('#book .bid')")


def test_it_says_that_it_reconnects_when_the_ingress_dies_and_does(
    exchange: RunningExchange, browser: Browser
) -> None:
    browser.open(exchange.ingress_url)
    browser.wait_until(LIVE)
    browser.evaluate(
        "window.seen = []; new MutationObserver(() => seen.push("
        f"{text_of('#status-text')} + document.body.classList)).observe("
        "document.querySelector('#status-text'), {childList: true}); 0"
    )
    os.kill(exchange.pids["ingress"], signal.SIGKILL)
    browser.wait_until("seen.includes('reconnecting...stale')")
    browser.wait_until(LIVE)
    trade(exchange, "103.75")
    browser.wait_until(f"{text_of('#last')} === '103.75'")


def test_an_order_whose_answer_got_lost_is_not_called_refused_and_counts_once(
    exchange: RunningExchange, browser: Browser
) -> None:
    browser.open(exchange.ingress_url)
    browser.wait_until(LIVE)
    # The first order arrives; its answer does not.
    browser.evaluate(
        "window.real = fetch; window.fetch = async (...request) => { window.fetch = real;"
        " await real(...request); throw new TypeError('lost'); }; 0"
    )
    fields = {"key": exchange.demo_key, "price": "98.50", "quantity": "0.0100"}
    press = (
        f"for (const [name, value] of Object.entries({json.dumps(fields)}))"
        " document.querySelector(`#ticket [name=${name}]`).value = value;"
        " document.querySelector('#ticket [value=buy]').click()"
    )
    browser.evaluate(press)
    browser.wait_until(f"{text_of('#answer')}.includes('may or may not have been placed')")
    browser.evaluate(press)
    browser.wait_until(f"{text_of('#answer')}.includes('had been placed the first time')")
    browser.evaluate(press)  # meant as another one
    browser.wait_until(f"!{text_of('#answer')}.includes('the first time')")
    browser.wait_until(f"{text_of('#answer')}.includes(': open, traded')")
    canceled = call(f"{exchange.ingress_url}/v1/orders", exchange.demo_key, "DELETE")
    assert canceled.body["canceled_count"] == 2


def test_the_documentation_shows_every_request(exchange: RunningExchange, browser: Browser) -> None:
    browser.open(f"{exchange.ingress_url}/docs")
    paths = call(f"{exchange.ingress_url}/docs/openapi.json").body["paths"]
    count = sum(len(methods) for methods in paths.values())
    browser.wait_until(f"document.querySelectorAll('.opblock').length === {count}")
    assert "Place an order" in browser.evaluate(text_of("body"))
