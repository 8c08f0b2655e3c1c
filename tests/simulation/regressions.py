"""Runs that once found something, with all their options: what a seed expands to may change."""

from tests.simulation.options import Options

REGRESSIONS: dict[str, Options] = {}
