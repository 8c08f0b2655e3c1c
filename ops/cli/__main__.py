"""Where the `tradepit` command begins; also `python -m tradepit.cli`.

Imports nothing at first: Ctrl-C while the rest is still being imported ends it as quietly as later.
"""


def main() -> int:
    """Run the command of sys.argv; its exit code, 130 after Ctrl-C."""
    try:
        from tradepit.cli.main import main as run

        return run()
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    raise SystemExit(main())
