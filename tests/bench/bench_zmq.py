"""What the Python SDK costs: orders through it and through bare pyzmq, to one matcher, in one run.

    python tests/bench/bench_zmq.py [--rounds 3]

Runs a matcher (durability disk) with a real NATS on a folder beside the repository. Every order
rests and is durable when it is answered. Prints one JSON document of medians:

    raw        a DEALER with bytes made before: what pyzmq alone costs
    client     Client.submit, one in flight
    asyncio    AsyncClient.submit, one in flight, and many at a time
    pipelined  Session with bytes made before, 1,024 in flight
    many       Client.submit_many: encoded, decoded, one Order each
"""

import argparse
import asyncio
import json
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import zmq
from tradepit.cli.embedded import EmbeddedServers
from tradepit.client import AsyncClient, Client, Session, new_order
from tradepit.protocol import wire
from tradepit.protocol.wire import Side

from tests.matcher_process import INSTRUMENT, MAKER, MatcherProcess, running_matcher

ROOT = Path(__file__).resolve().parents[2]
SEGMENT_MIB = "64"
ONE_IN_FLIGHT_COUNT = 2_000
PIPELINED_COUNT = 102_400
IN_FLIGHT = 1_024
BATCH = 64  # orders in a message
MANY_COUNT = 20_480
ASYNC_COUNT = 10_240
ASYNC_IN_FLIGHT = 256
TIMEOUT_S = 20.0
REPORT_BYTES = len(wire.ExecutionReport().encode())

PRICE_TICKS = 6_400_000
ORDER = new_order(
    instrument_id=INSTRUMENT, side=Side.SELL, quantity_lots=1, price_ticks=PRICE_TICKS
)._replace(account_id=MAKER)


def one_by_one(prefix: str, send: Callable[[], object]) -> dict[str, float]:
    """Latencies of one request after the other."""
    latencies_ns = []
    for _ in range(ONE_IN_FLIGHT_COUNT):
        started_ns = time.perf_counter_ns()
        send()
        latencies_ns.append(time.perf_counter_ns() - started_ns)
    return percentiles(prefix, latencies_ns)


def percentiles(prefix: str, latencies_ns: list[int]) -> dict[str, float]:
    latencies_ns.sort()
    return {
        f"{prefix}_p50_us": latencies_ns[len(latencies_ns) // 2] / 1000,
        f"{prefix}_p99_us": latencies_ns[len(latencies_ns) * 99 // 100] / 1000,
    }


def measure_raw(matcher: MatcherProcess) -> dict[str, float]:
    key = bytes.fromhex(matcher.trader_keys[MAKER])
    order = ORDER._replace(request_id=1).encode()
    socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
    with socket:
        socket.setsockopt(zmq.LINGER, 0)
        socket.setsockopt(zmq.RCVTIMEO, int(TIMEOUT_S * 1000))
        socket.connect(matcher.order_endpoint)
        socket.send(wire.Logon(1, MAKER, key).encode())
        socket.recv()

        def send() -> None:
            socket.send(order)
            socket.recv()

        return one_by_one("raw", send)


def measure_client(matcher: MatcherProcess) -> dict[str, float]:
    with matcher.trader(MAKER) as client:
        client.mass_cancel()
        result = one_by_one(
            "client",
            lambda: client.submit(
                instrument_id=INSTRUMENT, side=Side.SELL, quantity_lots=1, price_ticks=PRICE_TICKS
            ),
        )
        started_s = time.perf_counter()
        client.submit_many([ORDER] * MANY_COUNT)
        result["many_per_s"] = MANY_COUNT / (time.perf_counter() - started_s)
        client.mass_cancel()
        return result


def measure_pipelined(matcher: MatcherProcess) -> dict[str, float]:
    message = b"".join(ORDER._replace(request_id=number).encode() for number in range(1, BATCH + 1))
    with Session(matcher.order_endpoint, MAKER, matcher.trader_keys[MAKER]) as session:
        sent = answered = 0
        started_s = time.perf_counter()
        while answered < PIPELINED_COUNT:
            while sent < PIPELINED_COUNT and sent - answered <= IN_FLIGHT - BATCH:
                session.send(message)
                sent += BATCH
            answered += len(session.receive_answer()) // REPORT_BYTES
        elapsed_s = time.perf_counter() - started_s
    return {"pipelined_per_s": PIPELINED_COUNT / elapsed_s}


def measure_asyncio(matcher: MatcherProcess) -> dict[str, float]:
    async def main() -> dict[str, float]:
        async with AsyncClient(
            matcher.order_endpoint, MAKER, matcher.trader_keys[MAKER], on_report=lambda _: None
        ) as client:
            await client.mass_cancel()
            latencies_ns = []
            for _ in range(ONE_IN_FLIGHT_COUNT):
                started_ns = time.perf_counter_ns()
                await client.submit(
                    instrument_id=INSTRUMENT,
                    side=Side.SELL,
                    quantity_lots=1,
                    price_ticks=PRICE_TICKS,
                )
                latencies_ns.append(time.perf_counter_ns() - started_ns)
            numbers = iter(range(ASYNC_COUNT))

            async def work() -> None:
                for _ in numbers:
                    await client.submit(
                        instrument_id=INSTRUMENT,
                        side=Side.SELL,
                        quantity_lots=1,
                        price_ticks=PRICE_TICKS,
                    )

            started_s = time.perf_counter()
            await asyncio.gather(*(work() for _ in range(ASYNC_IN_FLIGHT)))
            rate = ASYNC_COUNT / (time.perf_counter() - started_s)
            await client.mass_cancel()
            return {**percentiles("asyncio", latencies_ns), "asyncio_many_per_s": rate}

    return asyncio.run(main())


def measure(rounds: int) -> dict[str, float]:
    """Medians over the rounds, each of which takes every measurement in turn."""
    results: list[dict[str, float]] = []
    with (
        tempfile.TemporaryDirectory(dir=ROOT / "build") as folder,
        EmbeddedServers(Path(folder) / "servers") as servers,
    ):
        data_dir = Path(folder) / "data"
        data_dir.mkdir()
        with running_matcher(
            data_dir, servers.nats_url, 0, TRADEPIT_SEGMENT_MIB=SEGMENT_MIB
        ) as matcher:
            for _ in range(rounds):
                results.append(
                    measure_raw(matcher)
                    | measure_client(matcher)
                    | measure_asyncio(matcher)
                    | measure_pipelined(matcher)
                )
                with Client(matcher.order_endpoint, 0, matcher.operator_key) as operator:
                    operator.mass_cancel(account_id=MAKER)
    medians = {
        name: round(statistics.median(result[name] for result in results), 1) for name in results[0]
    }
    medians["client_p50_over_raw"] = round(medians["client_p50_us"] / medians["raw_p50_us"], 3)
    return {"rounds": rounds, **medians}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    print(json.dumps(measure(parser.parse_args().rounds), indent=2))


if __name__ == "__main__":
    main()
