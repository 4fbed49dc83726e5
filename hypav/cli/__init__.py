"""The hypav command. Every mistake a user can mend is one sentence on the error stream and exit code 2."""

from __future__ import annotations

import json
import sys

import click

import hypav
from hypav.cli.classroom import classroom
from hypav.cli.data import data
from hypav.cli.delta import delta
from hypav.cli.experiment import compare, evaluate, train
from hypav.cli.figure import figure
from hypav.cli.parity import parity
from hypav.cli.reproduce import reproduce
from hypav.cli.results import results
from hypav.cli.table import table
from hypav.errors import HypavError

__all__ = ["cli", "main"]

STOPPED = "Stopped. Give the same command again and it goes on where it was."


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(hypav.__version__, package_name="hypav")
def cli() -> None:
    """Hyperbolic audio-visual zero-shot learning: train, test and compare AVCA with the three alignment variants.

    Start with "hypav compare": it trains all four methods on simulated features and prints the table S, U, HM, ZSL.
    Every command explains itself with --help.
    """


for command in (compare, reproduce, table, figure, results, train, evaluate, delta, data, parity, classroom):
    cli.add_command(command)


def main() -> None:
    """Entry point: runs the command and turns known mistakes into one sentence."""
    try:
        code = cli.main(standalone_mode=False)
    except click.exceptions.Abort:
        _fail(STOPPED, 130)
    except click.ClickException as error:
        _fail(f"{error.format_message().rstrip('.')}. Try {_tried(error)} --help.", 2)
    except HypavError as error:
        _fail(str(error), 2)
    except KeyboardInterrupt:
        _fail(STOPPED, 130)
    except BrokenPipeError:  # the reader (head, less) has seen enough
        sys.stderr.close()
        sys.exit(0)
    sys.exit(code if isinstance(code, int) else 0)


def _tried(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return "hypav" if context is None else context.command_path.replace("__main__.py", "hypav")


def _fail(sentence: str, code: int) -> None:
    if "--json" in sys.argv:
        click.echo(json.dumps({"error": sentence}))
    else:
        click.echo(f"Error: {sentence}", err=True)
    sys.exit(code)
