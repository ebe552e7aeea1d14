"""``playhead localise``: which slices of a leaf table explain a change."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metrics.errors import InputError
from playhead.commands._common import json_option, print_json, read_texts

if TYPE_CHECKING:
    import polars as pl

    from metrics.localise import Explanation


@click.command()
@click.argument("paths", metavar="FILE.csv...", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option("--value", required=True, help="The column that changed, a sum: stalling viewers.")
@click.option("--count", help="The column of its trials: viewers. Without it, the value itself is judged.")
@click.option("--time", help="The column of instants; earlier rows are the baseline.")
@click.option("--at", help="The incident's instant, as it stands in the time column.")
@click.option("--baseline", help="A column with the forecast of the value, in place of history.")
@click.option(
    "--method",
    type=click.Choice(["scan", "adtributor", "hotspot"]),
    default="scan",
    show_default=True,
    help="Ours, or a published one to compare with.",
)
@json_option
def command(
    paths: tuple[Path, ...],
    value: str,
    count: str | None,
    time: str | None,
    at: str | None,
    baseline: str | None,
    method: str,
    as_json: bool,
) -> None:
    """Find the smallest set of slices that explains a change, or say that no slice does.

    A FILE has a row a leaf (and instant): VALUE, COUNT, and every other column a dimension. Answers come best
    first; several files give a list by file.
    """
    if (time is None) != (at is None):
        raise InputError("--time and --at go together", mend="give both")
    if time is None and baseline is None:
        raise InputError("nothing to compare with", mend="give --time and --at, or --baseline")
    found = {
        path: _answers(read_texts(path), value, count, time, at, baseline, method, str(path))
        for path in paths
    }
    if as_json:
        plain = {path: [_plain(answer) for answer in answers] for path, answers in found.items()}
        several = [
            {"file": str(path), "external": answers[0]["external"], "causes": answers}
            for path, answers in plain.items()
        ]
        print_json(several if len(paths) > 1 else plain[paths[0]])
        return
    for path, answers in found.items():
        _print(path, answers)


def _answers(
    frame: pl.DataFrame,
    value: str,
    count: str | None,
    time: str | None,
    at: str | None,
    baseline: str | None,
    method: str,
    where: str,
) -> list[Explanation]:
    from metrics.localise import METHODS, leaves_at, leaves_of_forecast

    try:
        if baseline is not None:
            leaves = leaves_of_forecast(frame, value=value, count=count, baseline=baseline, time=time, at=at)
        else:
            assert time is not None
            assert at is not None
            leaves = leaves_at(frame, value=value, count=count, time=time, at=at)
    except InputError as error:
        raise InputError(
            error.what, where=f"{where}, {error.where}" if error.where else where, mend=error.mend
        ) from None
    return METHODS[method](leaves)


def _plain(answer: Explanation) -> dict[str, Any]:
    return {
        "elements": list(answer.elements),
        "score": answer.score,
        "explained_ratio": answer.explained_ratio,
        "external": answer.is_external,
    }


def _print(path: Path, answers: list[Explanation]) -> None:
    """The answer, and what else it could be; a slice of a slice that is named already is nothing else."""
    best, *others = answers
    click.echo(
        f"{path}: {best.text or 'no slice explains it: it is everywhere, or nothing moved'}{_told(best)}"
    )
    told = [best]
    for other in others:
        if not any(_is_part(other, one) for one in told):
            told.append(other)
            click.echo(f"  {'or' if best.text else 'most likely, were it one'}: {other.text}{_told(other)}")


def _told(answer: Explanation) -> str:
    return (
        "" if answer.is_external else f"  (explains {answer.explained_ratio:.0%}, score {answer.score:.1f})"
    )


def _is_part(one: Explanation, of: Explanation) -> bool:
    """Whether one of the slices lies within one that ``of`` names."""
    return any(wide.items() <= slice_.items() for slice_ in one.elements for wide in of.elements)
