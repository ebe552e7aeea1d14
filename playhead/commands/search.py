"""``playhead search``: titles of a catalogue by what is asked for, and why each was found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from metrics.errors import InputError
from playhead.commands._common import json_option, print_json

if TYPE_CHECKING:
    from synthetic.control_plane.search import Hit, SearchIndex


@click.command()
@click.option(
    "--catalog",
    "path",
    type=click.Path(path_type=Path),
    required=True,
    help="CSV in UTF-8 with a header: title, and description, cast, director, listed_in, country, release_year, "
    "type, rating, show_id where it has them (usual other names are known).",
)
@click.option(
    "--query", required=True, help='What is looked for: "slow burn nordic crime", a name, a person.'
)
@click.option(
    "-k", "count", type=click.IntRange(1, 1000), default=10, show_default=True, help="Titles at most."
)
@click.option("--keyword", is_flag=True, help="Match words alone: no themes, no graph, nothing they mean.")
@json_option
def command(path: Path, query: str, count: int, keyword: bool, as_json: bool) -> None:
    """Find titles by what they are about, who is in them, and where and when they are from.

    A query is read as words, spelled as the catalogue spells them, and as what they name: genres, moods and themes,
    people ("comedies with Ada Lin"), countries and regions, decades, a title's own people ("films by the director of
    Harbour Lights") or its kind ("like Harbour Lights"). Every title says why it was found.
    """
    from synthetic.control_plane.search import build_index, checked_words, read_titles, search

    checked_words(query)  # refused before anything is read
    facts = read_titles(path)
    if facts.passed_over:
        click.echo(
            f"{facts.passed_over:,} rows passed over: no title, or not as many cells as the header", err=True
        )
    try:
        index = build_index(facts)
    except InputError as error:
        raise InputError(error.what, where=str(path), mend="give at least one title to search in") from None
    hits = search(index, query, count, keyword=keyword)
    if as_json:
        print_json([_row(index, rank, hit) for rank, hit in enumerate(hits, start=1)])
    elif not hits:
        click.echo("no title matches")
    else:
        for rank, hit in enumerate(hits, start=1):
            _print(index, rank, hit)


def _row(index: SearchIndex, rank: int, hit: Hit) -> dict[str, Any]:
    facts = index.facts
    return {
        "rank": rank,
        "id": facts.id[hit.title],
        "title": facts.name[hit.title],
        "score": round(hit.score, 6),
        "why": {
            "words": list(hit.why),
            "themes": {theme: list(signs) for theme, signs in hit.themes.items()},
            "graph": list(hit.facts),
        },
    }


def _print(index: SearchIndex, rank: int, hit: Hit) -> None:
    year = index.facts.year[hit.title]
    name = _on_one_line(index.facts.name[hit.title])
    click.echo(f"{rank:>3}  {name}{f' ({year})' if year else ''}  [{hit.score:.3f}]")
    why = [f"words: {', '.join(hit.why)}"] if hit.why else []
    for theme, signs in hit.themes.items():
        why.append(f"theme {theme}: {', '.join(signs[:4])}" if signs else f"theme {theme}")
    why += hit.facts
    click.echo(f"     {_on_one_line('; '.join(why)) or 'keeps the company of such titles'}")


def _on_one_line(text: str) -> str:
    """Without line ends and whatever else would steer the terminal: a catalogue's cells may hold anything."""
    return "".join(letter for letter in " ".join(text.split()) if letter.isprintable())
