"""What members type when they search: a wish, put into words. The service sees the words alone."""

from __future__ import annotations

import re

import numpy as np

from synthetic import random as draws
from synthetic.random import Stream
from synthetic.titles import GENRES, Titles
from synthetic.wording import describe

__all__ = ["KINDS", "queries"]

KINDS = ("name", "part of the name", "genres and theme", "name of a title not carried")
"""The ways to ask, as indexed by ``browsing.query_kind``."""

_WORD = re.compile(r"\w+")


def queries(titles: Titles) -> tuple[tuple[str, ...], ...]:
    """The query for each kind and title, [len(KINDS)][count].

    The last kind names a title of the same genres that the catalogue does not hold.
    """
    names = [_WORD.findall(name) for name in titles.name]
    genres = [(GENRES[main], GENRES[second]) for main, second in titles.genre.tolist()]
    themes = [_WORD.findall(text)[-1] for text in titles.description]
    index = np.arange(titles.count)
    # Described after the titles carried, so that no name is given twice.
    absent, _ = describe(
        np.concatenate([titles.genre, titles.genre]),
        np.concatenate([draws.hashes(titles.seed, index, k, Stream.TITLE_TEXT) for k in (0, 1)]),
    )
    return (
        titles.name,
        tuple(f"{words[-1]} {main}".lower() for words, (main, _) in zip(names, genres, strict=True)),
        tuple(f"{main} {second} {theme}" for (main, second), theme in zip(genres, themes, strict=True)),
        absent[titles.count :],
    )
