"""The command line: finds a command by its file, and turns our errors into one line.

A command is a module of :mod:`playhead.commands` that offers ``command``; it is imported only when it is
called, so that ``playhead --help`` stays fast.
"""

from __future__ import annotations

import importlib
import sys
from typing import Any

import click

from metrics.errors import PlayheadError, did_you_mean

__all__ = ["main"]

# Name -> the line shown by `playhead --help`; the module is playhead.commands.<name>.
COMMANDS = {
    "demo": "Synthesise a quarter, compute, evaluate, report, and open the dashboard.",
    "synthesize": "Run the emulated service and write its telemetry to a lake.",
    "scenario": "Check a scenario, or give it random incidents.",
    "ingest": "Take real telemetry in: CMCD, access logs, Prometheus, charges.",
    "cmcd": "Decode raw CMCD.",
    "metrics": "Compute metrics by any dimensions.",
    "quality": "Every table against its contract; what is missing, late or changed.",
    "ledger": "Every session counted, excluded or quarantined.",
    "explain": "What moved a metric between two periods.",
    "anomalies": "What is unusual in a series, from its past alone.",
    "localise": "Which slices of a leaf table explain a change.",
    "experiment": "Arms of an experiment against the control, in a lake or in a table of units.",
    "retention": "Who stays how long, and what goes before leaving.",
    "decide": "The decision table: what each switch does to viewers, retention and margin.",
    "scorecard": "How often each estimator is right, beside its peer.",
    "slo": "Check, compile and evaluate objectives.",
    "cost": "Unit economics, break-even and the quarterly report.",
    "replay": "A video over recorded networks, by a rule of adaptation.",
    "search": "Titles of a catalogue by what they are about, and why.",
    "cache": "What a cache of a given size misses of a trace, by policy.",
    "recommend": "Judge recommenders on a ratings file, and write lists from the best.",
    "lake": "Look at a lake and keep it small.",
    "dashboard": "Serve the dashboard on loopback.",
    "serve": "Run the emulated service live, for Prometheus to scrape.",
    "glossary": "Every metric's definition, from the catalogue.",
}


_RESTORE = "restore the file, or write a new lake"


class _Commands(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            raise click.UsageError(f"no command {cmd_name!r}; {did_you_mean(cmd_name, COMMANDS)}", ctx)
        command: click.Command = importlib.import_module(f"playhead.commands.{cmd_name}").command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="playhead")
def _playhead() -> None:
    """Observability, SLA and cost analytics for video streaming services."""


def main(argv: list[str] | None = None) -> Any:
    """Run the command line. Exit status: 0 done, 1 a check did not hold, 2 bad input or usage."""
    sys.exit(_status(argv))


def _status(argv: list[str] | None) -> int:
    try:
        result = _playhead.main(args=argv, prog_name="playhead", standalone_mode=False)
        return result if isinstance(result, int) else 0
    except PlayheadError as error:
        return _refuse(str(error))
    except click.exceptions.NoArgsIsHelpError as bare:
        click.echo(bare.format_message(), err=True)
        return 2
    except click.exceptions.Exit as stop:
        return stop.exit_code
    except click.ClickException as error:
        return _refuse(error.format_message())
    except (KeyboardInterrupt, click.Abort):
        click.echo("playhead: interrupted; run the command again to go on", err=True)
        return 130
    except (BrokenPipeError, SystemExit):
        # The reader of our output has closed it (rich says so by leaving); nothing is wrong.
        return 0
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        is_gone = isinstance(error, FileNotFoundError)
        mend = _RESTORE if is_gone else "make room, or write elsewhere"
        return _refuse(f"{where}{error.strerror or error}; {mend}")
    except Exception as error:
        # Polars is loaded by the commands that need it, so its errors are known by name here.
        if type(error).__module__ != "polars.exceptions" or "parquet" not in str(error):
            raise
        return _refuse(f"a file of the lake is damaged ({str(error).splitlines()[0]}); {_RESTORE}")


def _refuse(message: str) -> int:
    click.echo(f"playhead: {' '.join(message.split())}", err=True)
    return 2
