"""``playhead recommend``: recommenders judged on a ratings file, and lists from the best of them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metrics.errors import InputError
from playhead.commands._common import json_option, print_json

if TYPE_CHECKING:
    from metrics.recommendation.evaluation import Evaluation, Figure, Judged
    from metrics.recommendation.ratings import Genres, Ratings


@click.group()
def command() -> None:
    """Judge recommenders on one's own ratings."""


@command.command()
@click.option(
    "--ratings",
    "ratings_path",
    required=True,
    type=click.Path(path_type=Path),
    help="CSV or Parquet: user, item, and where there are any rating and timestamp.",
)
@click.option(
    "--catalog", "catalogue_path", type=click.Path(path_type=Path), help="CSV or Parquet: item and genres."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="Write user,item,rank: the best model's lists for every user, learned from all rows.",
)
@click.option("-k", type=click.IntRange(1, 100), default=10, show_default=True, help="Length of a list.")
@json_option
def evaluate(
    ratings_path: Path, catalogue_path: Path | None, out: Path | None, k: int, as_json: bool
) -> None:
    """Foretell what users liked later, by each built-in model, and measure the lists.

    Each user's likings are parted 80/20 by time. A rating of at least four fifths of the highest in the file is a
    liking; where all ratings are equal, or there are none, every row is. Models are chosen and weighed inside the
    first part; the second is looked at once. Intervals are 90 % bootstraps over users. Genres, where a catalogue has
    them, bring diversity within a list and calibration: how far a list's genres are from the user's own. With
    --out, the best model learns from every row and writes items that the user has not rated.
    """
    from metrics.recommendation.evaluation import evaluate as judge
    from metrics.recommendation.evaluation import recommended
    from metrics.recommendation.ratings import read_genres, read_ratings

    if out is not None and not out.parent.is_dir():
        raise InputError("no such folder", where=str(out.parent), mend="make it, or write elsewhere")
    ratings = read_ratings(ratings_path)
    genres = read_genres(catalogue_path, ratings.item_ids) if catalogue_path else None
    found = judge(
        ratings.log,
        genres.share if genres else None,
        k=k,
        catalogue_items=genres.catalogue_items if genres else None,
        tell=_tell,
    )
    if found is None and out is None:
        mend = "give more rows a user"
        raise InputError(
            "no user has two likings, so nothing can be foretold", where=str(ratings_path), mend=mend
        )
    if out is not None:
        _tell("learning from every row")
        _write(out, ratings, recommended(ratings.log, k=k))
        _tell(f"lists of {ratings.log.users:,} users are in {out}")
    result = _result(ratings, genres, found, k)
    if as_json:
        print_json(result)
    else:
        _print(result, found, k)


def _tell(what: str) -> None:
    click.echo(what, err=True)


def _write(path: Path, ratings: Ratings, lists: Any) -> None:
    import numpy as np
    import polars as pl

    user, place = np.nonzero(lists >= 0)
    pl.DataFrame(
        {
            "user": np.array(ratings.user_ids, object)[user].tolist(),
            "item": np.array(ratings.item_ids, object)[lists[user, place]].tolist(),
            "rank": place + 1,
        },
        schema={"user": pl.String, "item": pl.String, "rank": pl.Int64},
    ).write_csv(path)


def _result(ratings: Ratings, genres: Genres | None, found: Evaluation | None, k: int) -> dict[str, Any]:
    log = ratings.log
    notes = [*ratings.notes, *(genres.notes if genres else ["no catalogue: nothing is known of genres"])]
    notes += _bounds(log.users, log.items, found)
    counts = {
        "rows": log.count,
        "users": log.users,
        "items": log.items,
        "positives": int(log.is_positive.sum()),
    }
    if found is None:
        return {**counts, "notes": [*notes, "no user has two likings: nothing can be foretold"], "models": []}
    chosen = found.fusion
    return {
        **counts,
        "train_positives": found.train_positives,
        "test_positives": found.test_positives,
        "test_users": found.test_users,
        "notes": notes,
        "best": found.best,
        "models": [_model(row, k) for row in found.models],
        "best_over_ease": _figure(found.over_ease),
        "best_over_popularity": _figure(found.over_popularity),
        "calibration": found.calibration
        and {
            "strength": found.calibration.strength,
            "divergence_ratio": _number(found.calibration.divergence_ratio),
            f"ndcg_at_{k}_change": _figure(found.calibration.ndcg_change),
        },
        "cold_start": [
            {
                "group": group.group,
                "users": group.popularity.size,
                "picks": group.picks,
                "popularity_ndcg_at_10": _number(float(group.popularity.mean()))
                if group.popularity.size
                else None,
                "ndcg_at_10": _number(float(group.recommended.mean())) if group.recommended.size else None,
                "lift": _figure(lift),
            }
            for group, lift in found.cold_start
        ],
        "validation_ndcg_at_10": {name: _number(value) for name, value in chosen.validation_ndcg.items()},
        "chosen": {
            "weights": chosen.weights,
            "ease_penalty": chosen.tuned.ease_penalty,
            "ease_all_penalty": chosen.tuned.ease_all_penalty,
            "als": dict(zip(("factors", "penalty", "alpha"), chosen.tuned.als, strict=True)),
        },
    }


def _bounds(users: int, items: int, found: Evaluation | None) -> list[str]:
    """What a file of this size is not asked, a sentence each."""
    from metrics.recommendation.evaluation import MOST_USERS
    from metrics.recommendation.models import ease_items

    related = ease_items(users, items)
    bounds = [] if related == items else [f"EASE relates the {related:,} most popular items to each other"]
    if found is not None and found.test_users == MOST_USERS:
        bounds.append(f"figures are of {MOST_USERS:,} users, evenly from first to last")
    return bounds


def _model(row: Judged, k: int) -> dict[str, Any]:
    return {
        "model": row.model,
        f"ndcg_at_{k}": _figure(row.ndcg),
        "recall_at_20": _figure(row.recall),
        "effective_catalogue_size": _number(row.effective_catalogue_size),
        "coverage": row.coverage,
        "intra_list_diversity": row.intra_list_diversity,
        "calibration_divergence": row.calibration_divergence,
    }


def _figure(figure: Figure) -> dict[str, float | None]:
    return {"value": _number(figure.value), "low": _number(figure.low), "high": _number(figure.high)}


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _print(result: dict[str, Any], found: Evaluation | None, k: int) -> None:
    click.echo(f"{result['rows']:,} ratings by {result['users']:,} users of {result['items']:,} items")
    for note in result["notes"]:
        click.echo(f"- {note}")
    if found is None:
        return
    click.echo(
        f"- learned from {found.train_positives:,} likings; {found.test_positives:,} later ones of "
        f"{found.test_users:,} users to foretell\n"
    )
    click.echo(f"{'model':<12}{f'nDCG@{k}':>9}{'90 % interval':>18}{'recall@20':>11}{'effective':>11}{'coverage':>10}"
               f"{'diversity':>11}{'divergence':>12}")  # fmt: skip
    for row in found.models:
        interval = f"{row.ndcg.low:.4f}–{row.ndcg.high:.4f}"
        mark = "*" if row.model == found.best else ""
        click.echo(
            f"{row.model + mark:<12}{row.ndcg.value:>9.4f}{interval:>18}{row.recall.value:>11.4f}"
            f"{row.effective_catalogue_size:>11.1f}{row.coverage:>10.3f}{_shown(row.intra_list_diversity):>11}"
            f"{_shown(row.calibration_divergence):>12}"
        )
    click.echo(f"* best on the split inside the training part; {_change('over EASE', found.over_ease)}, "
               f"{_change('over popularity', found.over_popularity)}")  # fmt: skip
    if found.calibration:
        c = found.calibration
        click.echo(
            f"calibrated at strength {c.strength:g}: divergence × {c.divergence_ratio:.2f}, "
            f"{_change('nDCG', c.ndcg_change)}"
        )
    for group, lift in found.cold_start:
        click.echo(
            f"new members, {group.group} ({group.picks:.1f} each, {group.popularity.size:,} users): "
            f"{_change('over popularity', lift)}"
        )


def _change(what: str, figure: Figure) -> str:
    if not math.isfinite(figure.value):
        return f"{what} – (nothing to divide by)"
    return f"{what} {figure.value:+.1%} ({figure.low:+.1%} to {figure.high:+.1%})"


def _shown(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
