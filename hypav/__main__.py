"""python -m hypav is the hypav command."""

import sys


def main() -> None:
    """Run the command; Ctrl-C while it is still being imported ends it without a traceback."""
    try:
        from hypav.cli import main as run
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        sys.exit(130)
    run()


if __name__ == "__main__":
    main()
