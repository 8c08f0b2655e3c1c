"""Writes the wire's C++ header, Python codec and protocol tables from schema.toml.

    python engine_ext/protocol/generate.py            write the three files
    python engine_ext/protocol/generate.py --check    exit 1 if a committed file differs

Needs nothing but Python's standard library.
"""

import sys
from pathlib import Path

from generate_cpp import write_hpp
from generate_python import write_py
from generate_tables import PROTOCOL_MD, write_md
from schema import load

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
WIRE_HPP = ROOT / "engine_ext/include/tradepit/wire.hpp"
WIRE_PY = HERE / "wire.py"


def main() -> None:
    layouts = load()
    outputs = {
        WIRE_HPP: write_hpp(*layouts),
        WIRE_PY: write_py(*layouts),
        PROTOCOL_MD: write_md(*layouts),
    }
    if "--check" in sys.argv[1:]:
        stale = [path for path, text in outputs.items() if path.read_text() != text]
        for path in stale:
            print(f"{path.relative_to(ROOT)} differs: run python {Path(__file__).name}")
        sys.exit(1 if stale else 0)
    for path, text in outputs.items():
        path.write_text(text)


if __name__ == "__main__":
    main()
