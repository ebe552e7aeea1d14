"""``python -m benchmarks.search --catalog F.csv``: how often search finds the kind of title that a query describes.

Each query of ``search_queries.toml`` lists the genres that answer it; precision at 10 is the share of the first ten
titles that are listed in any of them. Text alone: every engine sees names and descriptions and nothing else. Ours is
also shown with what else a catalogue tells (cast, country, year and the like), without and with the genres. The peers
are scikit-learn's, as its guide builds them: TF-IDF with English stop words, and the same with 30 % of latent
semantic analysis, 200 axes.
"""

from __future__ import annotations

import argparse
import statistics
import time
import tomllib
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.decomposition import TruncatedSVD
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.preprocessing import normalize

from synthetic.control_plane.search import (
    SearchIndex,
    TitleFacts,
    build_index,
    model_bytes,
    read_titles,
    search,
    search_all,
)

QUERIES = Path(__file__).parent / "search_queries.toml"
K = 10
PEER_AXES, PEER_WEIGHT = 200, 0.3

Found = Callable[[Sequence[str]], npt.NDArray[np.integer]]


def main() -> None:
    """Measure and print one table; with ``--each``, every query's figures too."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--catalog", type=Path, required=True, help="CSV of titles with descriptions and genres"
    )
    parser.add_argument("--queries", type=Path, default=QUERIES, help="TOML: sets of query and genres")
    parser.add_argument("--each", action="store_true", help="show every query")
    given = parser.parse_args()
    facts = read_titles(given.catalog)
    sets = tomllib.loads(given.queries.read_text("utf-8"))
    nobody = ((),) * facts.count
    text = _text_alone(facts)
    started = time.process_time()
    index = build_index(text)
    seconds = time.process_time() - started
    whole = build_index(facts)
    unlisted = build_index(replace(facts, genres=nobody))
    engines: dict[str, Found] = {
        "TF-IDF": _peer(text, 0.0),
        "TF-IDF + LSA": _peer(text, PEER_WEIGHT),
        "keyword (ours)": lambda queries: search_all(index, queries, K, keyword=True)[0],
        "ours, text alone": lambda queries: search_all(index, queries, K)[0],
        "ours, all but genres": lambda queries: search_all(unlisted, queries, K)[0],
        "ours, all columns": lambda queries: search_all(whole, queries, K)[0],
    }
    print("| P@10 | " + " | ".join(f"{name} ({len(asked)})" for name, asked in sets.items()) + " |")
    print("|---|" + "---:|" * len(sets))
    each: dict[str, dict[str, list[float]]] = {}
    for engine, find in engines.items():
        each[engine] = {name: _precision(find, asked, facts) for name, asked in sets.items()}
        print(
            f"| {engine} | " + " | ".join(f"{statistics.fmean(p):.3f}" for p in each[engine].values()) + " |"
        )
    queries = [entry["query"] for asked in sets.values() for entry in asked]
    print(
        f"\n{facts.count:,} titles; built in {seconds:.1f} s of CPU; {model_bytes(whole) / 1e6:.1f} MB with all "
        f"columns; {_latency_ms(whole, queries):.0f} ms a query (median)"
    )
    if given.each:
        for name, asked in sets.items():
            for i, entry in enumerate(asked):
                print(" ".join(f"{each[engine][name][i]:.1f}" for engine in engines), entry["query"])


def precisions(catalog: Path) -> dict[str, dict[str, list[float]]]:
    """Precision at 10 of each query of each set: of ours (""), and of its peers, by names and descriptions alone."""
    facts = read_titles(catalog)
    sets = tomllib.loads(QUERIES.read_text("utf-8"))
    text = _text_alone(facts)
    index = build_index(text)
    engines: dict[str, Found] = {
        "": lambda queries: search_all(index, queries, K)[0],
        "keyword": lambda queries: search_all(index, queries, K, keyword=True)[0],
        "TF-IDF": _peer(text, 0.0),
        "TF-IDF + LSA": _peer(text, PEER_WEIGHT),
    }
    return {
        engine: {name: _precision(find, asked, facts) for name, asked in sets.items()}
        for engine, find in engines.items()
    }


def _text_alone(facts: TitleFacts) -> TitleFacts:
    nobody = ((),) * facts.count
    return TitleFacts(
        id=facts.id, name=facts.name, description=facts.description, cast=nobody, director=nobody, genres=nobody,
        countries=nobody, year=(0,) * facts.count, form=("",) * facts.count, rating=("",) * facts.count,
    )  # fmt: skip


def _precision(find: Found, asked: Sequence[dict[str, Any]], facts: TitleFacts) -> list[float]:
    found = find([entry["query"] for entry in asked])
    return [
        sum(t >= 0 and not set(facts.genres[t]).isdisjoint(entry["genres"]) for t in row) / K
        for row, entry in zip(found.tolist(), asked, strict=True)
    ]


def _peer(facts: TitleFacts, latent_weight: float) -> Found:
    texts = [f"{name} {text}" for name, text in zip(facts.name, facts.description, strict=True)]
    vectorizer = TfidfVectorizer(stop_words="english", sublinear_tf=True)
    words = vectorizer.fit_transform(texts)
    svd = TruncatedSVD(PEER_AXES, random_state=0).fit(words) if latent_weight else None
    latent = normalize(svd.transform(words)) if svd else np.empty((0, 0))

    def find(queries: Sequence[str]) -> npt.NDArray[np.integer]:
        asked = vectorizer.transform(queries)
        score = (asked @ words.T).toarray()
        if svd:
            score = (1 - latent_weight) * score + latent_weight * normalize(svd.transform(asked)) @ latent.T
        return np.argsort(-score, axis=1, kind="stable")[:, :K]

    return find


def _latency_ms(index: SearchIndex, queries: Sequence[str]) -> float:
    taken = []
    for query in queries:
        started = time.perf_counter()
        search(index, query, K)
        taken.append(time.perf_counter() - started)
    return 1000 * statistics.median(taken)


if __name__ == "__main__":
    main()
