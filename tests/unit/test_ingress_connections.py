"""Connections to the REST service: requests that never end, many at once, offers of other protocols."""

import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
from tradepit.ingress.http_protocol import CLOSED_AT_ONCE, HEAD_BYTES_MAX, REQUEST_TIMEOUT_S

from tests.ingress_harness import CONDITION_TIMEOUT_S, TRADER_KEY, start_process, url_of

FEW_CONNECTIONS = 2 * CLOSED_AT_ONCE
PROBE = b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
# Refused with missing_field, once its body has come.
ORDER = (
    b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
    b"Authorization: Bearer " + TRADER_KEY.encode() + b"\r\n"
    b"%bContent-Length: 20\r\n\r\n"
    b'{"symbol":"ETH-USD"}'
)
H2C = b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"


@contextmanager
def serving(tmp_path: Path, first: str = "") -> Iterator[str]:
    with start_process(tmp_path, first=first) as process:
        try:
            yield url_of(process)
        finally:
            process.terminate()


def connect(url: str) -> socket.socket:
    address = ("127.0.0.1", int(url.rpartition(":")[2]))
    return socket.create_connection(address, timeout=CONDITION_TIMEOUT_S)


def receive(peer: socket.socket, count: int) -> list[tuple[int, bytes]]:
    """Status and body of what comes, up to `count` answers or until the server hangs up."""
    answers: list[tuple[int, bytes]] = []
    came = b""
    while len(answers) < count:
        head, end, rest = came.partition(b"\r\n\r\n")
        length = int(head.partition(b"content-length: ")[2].partition(b"\r\n")[0]) if end else 0
        if end and len(rest) >= length:
            answers.append((int(head[9:12]), rest[:length]))
            came = rest[length:]
        elif more := peer.recv(65536):
            came += more
        else:
            break
    return answers


def statuses(peer: socket.socket, count: int) -> list[int]:
    return [status for status, _ in receive(peer, count)]


def test_a_request_that_never_ends_is_ended(tmp_path: Path) -> None:
    with serving(tmp_path) as url:
        port = int(url.rpartition(":")[2])

        def ends(*pieces: bytes) -> bytes:
            """What comes back until the server hangs up."""
            with socket.create_connection(
                ("127.0.0.1", port), timeout=3 * REQUEST_TIMEOUT_S
            ) as peer:
                received = b""
                try:
                    for piece in pieces:
                        peer.sendall(piece)
                    while more := peer.recv(4096):
                        received += more
                except ConnectionError:
                    pass  # with what we sent still under way
                return received

        def ends_after_answer(request: bytes, rest: bytes) -> bytes:
            """What comes until the server hangs up, for a `rest` that is sent after the answer."""
            with socket.create_connection(
                ("127.0.0.1", port), timeout=3 * REQUEST_TIMEOUT_S
            ) as peer:
                peer.sendall(request)
                received = peer.recv(4096)
                peer.sendall(rest)
                while more := peer.recv(4096):
                    received += more
                return received

        assert ends(b"GET / HTTP/1.1\r\nX: ", *[b"a" * 1024] * 64).startswith(b"HTTP/1.1 431 ")
        assert ends(b"GET / HTTP/1.1\r\n", *[b"X: %b\r\n" % (b"a" * 1024)] * 2000)[:12] in (
            b"HTTP/1.1 431",
            b"",  # reset while it was sent
        )
        with ThreadPoolExecutor(8) as peers:
            started = [
                peers.submit(ends, *pieces)
                for pieces in (
                    [],
                    [b"GET / HTTP/1.1\r\nHost: x\r\n"],
                    [b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n", b"GET /health"],
                    [b"POST /v1/orders HTTP/1.1\r\nHost: x\r\nContent-Length: 99\r\n\r\n{"],
                )
            ]
            answered = [
                peers.submit(ends_after_answer, request, rest)
                for request, rest in (
                    (b"GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n", b"\r\n"),
                    (b"POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n", b"{}"),
                )
            ]
            silent, headless, second, bodiless = [peer.result() for peer in started]
            empty_line, late_body = [peer.result() for peer in answered]
        assert empty_line.count(b"HTTP/1.1 200") == empty_line.count(b"HTTP/1.1") == 1
        assert late_body.count(b"HTTP/1.1 404") == late_body.count(b"HTTP/1.1") == 1
        assert silent == headless == b""
        assert second.count(b"HTTP/1.1 200") == 1
        assert bodiless.count(b"HTTP/1.1 2") == 0
        with httpx.Client(base_url=url) as client:  # whole requests are not ended
            for _ in range(3):
                assert client.get("/health/live").status_code == 200


def test_requests_before_an_unfinished_one_do_not_make_it_too_large(tmp_path: Path) -> None:
    with serving(tmp_path) as url, connect(url) as peer:
        order = ORDER % b""
        sent = order * 200 + order[:50]
        assert len(sent) > HEAD_BYTES_MAX
        peer.sendall(sent)
        assert statuses(peer, 200) == [400] * 200
        peer.sendall(order[50:])
        assert statuses(peer, 1) == [400]


def test_answers_that_are_due_come_before_a_head_that_is_too_large_is_told(tmp_path: Path) -> None:
    with serving(tmp_path) as url, connect(url) as peer:
        peer.sendall(PROBE + b"GET / HTTP/1.1\r\nX: ")
        assert statuses(peer, 1) == [200]
        peer.sendall(b"a" * (HEAD_BYTES_MAX + 1))
        assert statuses(peer, 2) == [431]


def test_silent_connections_keep_nobody_out(tmp_path: Path) -> None:
    few = f"from tradepit.ingress import http_protocol as p; p.CONNECTIONS_MAX = {FEW_CONNECTIONS}"
    with serving(tmp_path, few) as url, ExitStack() as peers:
        client = peers.enter_context(httpx.Client(base_url=url))
        assert client.get("/health/live").status_code == 200
        stream = client.send(client.build_request("GET", "/health/live"), stream=True)
        own = stream.extensions["network_stream"].get_extra_info("client_addr")
        stream.read()
        for _ in range(3):
            for _ in range(FEW_CONNECTIONS):
                peers.enter_context(connect(url))
            assert httpx.get(f"{url}/health/live").status_code == 200  # as a probe asks
        stream = client.send(client.build_request("GET", "/health/live"), stream=True)
        assert stream.status_code == 200
        # Who has just been answered is not the first to be closed.
        assert stream.extensions["network_stream"].get_extra_info("client_addr") == own
        stream.read()


def test_one_connection_too_many_is_closed_where_no_other_waits(tmp_path: Path) -> None:
    none = "from tradepit.ingress import http_protocol as p; p.CONNECTIONS_MAX = 0"
    with serving(tmp_path, none) as url, connect(url) as peer:
        assert peer.recv(1) == b""


def test_an_offer_of_another_protocol_is_ignored(tmp_path: Path) -> None:
    with serving(tmp_path) as url:
        for offer, expected in [
            (H2C, [400, 200, 400]),  # as Java's HttpClient offers it
            (b"Connection: Upgrade\r\nUpgrade: websocket\r\n", [400, 200, 400]),
            (b"Connection: close, Upgrade\r\nUpgrade: h2c\r\n", [400]),
        ]:
            sent = ORDER % offer + PROBE + ORDER % offer
            for piece_bytes in (len(sent), 20):
                with connect(url) as peer:
                    peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    for start in range(0, len(sent), piece_bytes):
                        peer.sendall(sent[start : start + piece_bytes])
                    answers = receive(peer, 3)
                assert [status for status, _ in answers] == expected
                for status, body in answers:  # those of the orders have been read
                    assert status == 200 or b"side is required" in body
