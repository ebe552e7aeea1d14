"""What members type when they search: a wish, put into words. The service sees the words alone."""

from __future__ import annotations

import re

import numpy as np

from synthetic import random as draws
from synthetic.random import Stream
from synthetic.titles import GENRES, Titles
from synthetic.wording import describe, put_in_words

__all__ = ["KINDS", "queries"]

KINDS = ("name", "part of the name", "genres and theme", "name of a title not carried")
"""The ways to ask, as indexed by ``browsing.query_kind``."""

_WORD = re.compile(r"\w+")


def queries(titles: Titles) -> tuple[tuple[str, ...], ...]:
    """The query for each kind and title, [len(KINDS)][count].

    Who asks for genres and a theme says the theme in words of their own (:func:`~synthetic.wording.put_in_words`). The
    last kind names a title of the same genres that the catalogue does not hold.
    """
    # What is remembered of "The Quiet Promise 7" is the promise.
    names = [[word for word in _WORD.findall(name) if not word.isdigit()] for name in titles.name]
    genres = [(GENRES[main], GENRES[second]) for main, second in titles.genre.tolist()]
    index = np.arange(titles.count)
    chance = np.stack([draws.uniforms(titles.seed, index, k, Stream.SEARCH_WORDS) for k in range(3)], axis=1)
    bits = draws.hashes(titles.seed, index, 0, Stream.TITLE_TEXT)
    themes = put_in_words(titles.genre, bits, chance)
    # Described after the titles carried, so that no name is given twice.
    absent, _ = describe(
        np.concatenate([titles.genre, titles.genre]),
        np.concatenate([bits, draws.hashes(titles.seed, index, 1, Stream.TITLE_TEXT)]),
    )
    return (
        titles.name,
        tuple(f"{words[-1]} {main}".lower() for words, (main, _) in zip(names, genres, strict=True)),
        tuple(f"{main} {second} {theme}" for (main, second), theme in zip(genres, themes, strict=True)),
        absent[titles.count :],
    )
