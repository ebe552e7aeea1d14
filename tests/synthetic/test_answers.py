"""What search finds for every query: by meaning always, by keyword once somebody is answered so."""

from __future__ import annotations

import numpy as np

from synthetic.control_plane.answers import Answers
from synthetic.control_plane.catalogue import publish
from synthetic.control_plane.search import build_index, search_all
from synthetic.queries import KINDS, queries
from synthetic.titles import make_titles


def test_answers_by_keyword_join_those_by_meaning_and_are_those_of_the_search_service() -> None:
    titles = make_titles(200)
    catalogue, asked = publish(titles), queries(titles)
    answers = Answers(catalogue, asked, seed=1)
    assert [*answers.found.shape] == [*answers.relevance.shape] == [1, len(KINDS), titles.count, 64]
    by_meaning = answers.found[0].copy()
    answers.know_keywords()
    answers.know_keywords()  # nothing is looked for twice
    assert len(answers.found) == len(answers.relevance) == 2
    assert (answers.found[0] == by_meaning).all()
    index, flat = build_index(catalogue, seed=1), [query for kind in asked for query in kind]
    for place, keyword in enumerate((False, True)):
        found, score = search_all(index, flat, 64, keyword=keyword)
        assert (answers.found[place].reshape(found.shape) == found).all()
        assert np.array_equal(answers.relevance[place].reshape(score.shape), score - score[:, :1])
    assert answers.is_name[0].all()  # who asks by the name finds it first
    assert not answers.is_name[2].any()
