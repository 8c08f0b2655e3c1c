"""`tradepit engine run`, and records as text."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tradepit.cli.engine import run
from tradepit.protocol import text, wire

SCRIPT = """\
{"type": "set_asset", "asset_id": 1, "symbol": "USD", "decimals": 2}
{"type": "set_asset", "asset_id": 2, "symbol": "BTC", "decimals": 2}

{"type": "set_instrument", "instrument_id": 1, "symbol": "BTC-USD", "base_asset_id": 2, \
"quote_asset_id": 1, "tick_size": 1, "lot_size_units": 1, "price_ticks_min": 1, \
"price_ticks_max": 1000, "quantity_lots_min": 1, "quantity_lots_max": 1000, \
"trading_state": "continuous"}
{"type": "set_account", "account_id": 7, "state": "active"}
{"type": "credit", "account_id": 7, "asset_id": 1, "amount_units": 100000, "transfer_id": 1}
{"type": "new_order", "account_id": 7, "instrument_id": 1, "side": "buy", "order_type": "limit", \
"time_in_force": 1, "price_ticks": 100, "quantity_lots": 5, "flags": ["post_only"]}
"""


def test_commands_in_events_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "script.jsonl"
    path.write_text(SCRIPT)
    assert run(["run", str(path)]) == 0
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [event["type"] for event in events] == [
        "asset_changed",
        "asset_changed",
        "instrument_changed",
        "account_changed",
        "balance_changed",
        "order_accepted",
    ]
    accepted = events[-1]
    assert (accepted["seq"], accepted["side"], accepted["flags"]) == (6, "buy", ["post_only"])


def test_the_help_s_examples_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="0"):
        run(["--help"])
    examples = re.findall(r'^  (\{"type".*?\})$', capsys.readouterr().out, re.MULTILINE | re.DOTALL)
    path = tmp_path / "examples.jsonl"
    path.write_text("".join(" ".join(example.split()) + "\n" for example in examples))
    assert run(["run", str(path)]) == 0
    events = [json.loads(line)["type"] for line in capsys.readouterr().out.splitlines()]
    assert len(events) == len(examples)
    assert events[-1] == "order_accepted"


def test_nothing_in_is_nothing_out(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "empty.jsonl"
    path.write_text("")
    assert run(["run", str(path)]) == 0
    assert capsys.readouterr() == ("", "")


def test_commands_come_from_stdin_too(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(SCRIPT.encode())))
    assert run(["run"]) == 0
    assert capsys.readouterr().out.count("\n") == 6


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("nonsense", "not JSON"),
        ("[]", "a record is a JSON object"),
        ("[" * 100_000, "not JSON"),
        ("{}", "`type` is missing"),
        ('{"type": "new_ordr"}', "unknown type 'new_ordr'"),
        ('{"type": 1}', "unknown type 1"),
        ('{"type": "trade"}', "not a command"),
        ('{"type": "new_order", "prise": 1}', "no field 'prise'"),
        ('{"type": "new_order", "side": "up"}', "side: unknown value 'up'"),
        ('{"type": "new_order", "side": ["buy"]}', "side: unknown value ['buy']"),
        ('{"type": "new_order", "flags": ["fast"]}', "flags: unknown value 'fast'"),
        ('{"type": "new_order", "price_ticks": 1.0}', "price_ticks must be a whole number"),
        ('{"type": "new_order", "price_ticks": NaN}', "price_ticks must be a whole number"),
        ('{"type": "new_order", "price_ticks": true}', "price_ticks must be a whole number"),
        ('{"type": "new_order", "price_ticks": 1e400}', "price_ticks must be a whole number"),
        ('{"type": "new_order", "price_ticks": 9223372036854775808}', "does not fit"),
        ('{"type": "new_order", "side": 256}', "does not fit"),
        ('{"type": "new_order", "account_id": -1}', "account_id: -1 does not fit"),
        ('{"type": "new_order", "account_id": 1, "account_id": 2}', "'account_id' stands there"),
        ('{"type": "set_asset", "symbol": 5}', "symbol must be a string"),
        ('{"type": "set_asset", "symbol": "12345678901234567"}', "does not fit"),
    ],
)
def test_a_bad_line_ends_the_run_with_its_number_and_what_is_wrong(
    line: str, expected: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "script.jsonl"
    path.write_text(SCRIPT + line + "\n")
    assert run(["run", str(path)]) == 1
    captured = capsys.readouterr()
    assert captured.out.count("\n") == 6
    assert f"{path}: line 8: " in captured.err
    assert expected in captured.err
    assert captured.err.count("\n") == 1


def test_a_file_that_is_not_there_or_not_text_is_a_sentence(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["run", str(tmp_path / "none")]) == 1
    assert "No such file" in capsys.readouterr().err
    path = tmp_path / "script.jsonl"
    path.write_bytes(b"\xff\xfe\n")
    assert run(["run", str(path)]) == 1
    assert "line 1: not UTF-8" in capsys.readouterr().err


def values_for(kind: Any, name: str) -> st.SearchStrategy[Any]:
    default = kind._field_defaults[name]
    if isinstance(default, tuple):
        _, item, count_max = wire.REPEATS[kind]
        items = st.builds(item, **{field: values_for(item, field) for field in item._fields})
        return st.lists(items, max_size=count_max).map(tuple)
    if isinstance(default, bytes):
        return st.binary(min_size=len(default), max_size=len(default))
    if isinstance(default, str):
        return st.text(alphabet="ABCxyz-.", max_size=16)
    if name in wire.ENUM_FIELDS.get(kind, {}) or name in ("command_type", "record_type"):
        return st.integers(0, 255)
    return st.integers(0, 255)  # fits every field


records = st.sampled_from(sorted(wire.type_of_record, key=lambda kind: kind.__name__)).flatmap(
    lambda kind: st.builds(kind, **{name: values_for(kind, name) for name in kind._fields})
)


@given(record=records)
def test_every_record_survives_the_way_to_text_and_back(record: Any) -> None:
    assert text.record_from_line(text.record_to_line(record)) == record
