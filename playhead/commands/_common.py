"""Options and output that every command shares."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metrics.errors import InputError

if TYPE_CHECKING:
    import polars as pl

    from metrics.lake import Lake

__all__ = [
    "Finite", "check_option", "checked", "engine_options", "json_option", "lake_option", "p_text", "print_json",
    "rates_option", "read_texts", "spark_session", "where_of", "world_options",
]  # fmt: skip


class Finite(click.FloatRange):
    """A number within a range; ``nan``, which no range refuses, and ``inf`` are none."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value} is not a finite number.", param, ctx)
        return number

    def _describe_range(self) -> str:
        """Of no bounds there is nothing to say; click says ``x<=None``."""
        return "" if self.min is None and self.max is None else super()._describe_range()


lake_option = click.option(
    "--lake",
    "lake_path",
    type=click.Path(path_type=Path),
    default=Path("lake"),
    envvar="PLAYHEAD_LAKE",
    show_default=True,
    show_envvar=True,
    help="The lake's folder.",
)
json_option = click.option(
    "--json", "as_json", is_flag=True, help="Machine-readable output on standard output."
)

rates_option = click.option(
    "--rates",
    "rates_path",
    type=click.Path(path_type=Path),
    multiple=True,
    help="Your own rates: entries of the same name replace the shipped ones; of several files, the last.",
)

check_option = click.option(
    "--check", "checks", is_flag=True, help="Judge the lake's quality afterwards, as `playhead quality` does."
)


def checked(lake: Lake, checks: bool) -> None:
    """Take the quality verdict of what was just written, where it is asked for; it is told on standard error."""
    if not checks:
        return
    from metrics.quality import check

    verdict = check(lake)
    good = verdict.expectations - verdict.failed
    click.echo(
        f"quality: {good} of {verdict.expectations} expectations hold, {len(verdict.alarms)} alarms", err=True
    )


def engine_options(what: str) -> Callable[[Any], Any]:
    """Which engine does ``what``, and where."""

    def options(function: Any) -> Any:
        for option in (
            click.option(
                "--master",
                metavar="URL",
                help="Spark's master, spark://host:port; every core of this machine, local[*], when absent.",
            ),
            click.option(
                "--engine",
                type=click.Choice(["polars", "spark"]),
                default="polars",
                show_default=True,
                help=f"What {what}: this process, or the workers of a Spark cluster. The result is the same.",
            ),
        ):
            function = option(function)
        return function

    return options


@contextmanager
def spark_session(engine: str, master: str | None) -> Iterator[Any]:
    """The session that the options ask for; None where this process does the work."""
    if engine != "spark":
        if master:
            raise InputError("only Spark has a master", where="--master", mend="add --engine spark")
        yield None
        return
    from metrics.engine.spark import open_spark

    with open_spark(master or "local[*]") as session:
        yield session


def world_options(function: Any) -> Any:
    """What is said of the emulated world on the command line, within what a scenario allows."""
    for option in (
        click.option("--seed", type=click.IntRange(0, 2**62 - 1), help="Another seed, another world."),
        click.option(
            "--days", type=click.IntRange(1, 3660), help="Days from the scenario's start; 91 as shipped."
        ),
        click.option(
            "--subscribers",
            "panel",
            type=click.IntRange(min=64),
            help="Simulated subscribers, each standing for many; 20,000 as shipped.",
        ),
    ):
        function = option(function)
    return function


def where_of(where: tuple[str, ...]) -> dict[str, list[str | None]]:
    """The slices that ``--where DIMENSION=VALUE,VALUE`` asks for."""
    slices: dict[str, list[str | None]] = {}
    for text in where:
        name, equals, values = text.partition("=")
        if not equals:
            raise InputError(f"no slice {text!r}", where="--where", mend="write DIMENSION=VALUE,VALUE")
        # An empty value keeps rows where the dimension is unknown.
        slices.setdefault(name.strip(), []).extend(v.strip() or None for v in values.split(","))
    return slices


def p_text(p: float) -> str:
    """A p value as people read it: never 0."""
    return f"{p:.4f}" if p >= 1e-4 else "< 0.0001"


_EXACT = 2**53


def print_json(value: Any) -> None:
    """Write JSON; integers beyond 2^53 and decimals as strings, since JSON readers round them."""
    click.echo(json.dumps(_plain(value), ensure_ascii=False, indent=2))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if isinstance(value, Decimal):
        whole = value == value.to_integral_value()
        return _plain(int(value)) if whole else str(value)
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > _EXACT:
        return str(value)
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def read_texts(path: Path) -> pl.DataFrame:
    """A CSV with all columns as text. What is not UTF-8, or no table, is refused."""
    import polars as pl

    if path.exists() and not path.is_file():
        raise InputError("a folder" if path.is_dir() else "no file", where=str(path), mend="give CSV files")
    try:
        return pl.read_csv(path, infer_schema=False)
    except (pl.exceptions.PolarsError, UnicodeDecodeError) as error:
        why = str(error).splitlines()[0] if str(error) else "no rows"
        raise InputError(
            f"not a CSV in UTF-8 ({why})", where=str(path), mend="save it as UTF-8 CSV"
        ) from None
