"""The knowledge graph: people, genres, countries, eras, forms and clusters, each with edges to its titles."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from synthetic.control_plane.search.facts import TitleFacts
from synthetic.control_plane.search.language import content_terms, plain_words

__all__ = ["Graph", "Node", "make_graph"]

# Words of a genre's label that any genre may carry.
_UNSAID = frozenset(content_terms("movies tv shows series international other general features films"))


@dataclass(frozen=True)
class Node:
    """``kind``: person, director, genre, country, era, form or cluster."""

    kind: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.name}"


@dataclass(frozen=True)
class Graph:
    """``edges`` [nodes, titles], and ``of_title`` its transpose: 1 where linked; a cast's later names a little less.

    ``people`` finds the nodes of a whole name and ``surnames`` those of one word of it; ``kinds`` finds
    genres by the words of their labels; ``index`` finds any node.
    """

    nodes: tuple[Node, ...]
    edges: sparse.csr_array
    of_title: sparse.csr_array
    index: dict[Node, int]
    people: dict[str, tuple[int, ...]]
    surnames: dict[str, tuple[int, ...]]
    kinds: dict[str, tuple[int, ...]]
    leads: tuple[str, ...]
    """[titles] who is named first in the cast, or nobody."""

    def nodes_of(self, title: int) -> list[int]:
        """The nodes that a title is linked to."""
        return [int(n) for n in self.of_title.indices[slice(*self.of_title.indptr[title : title + 2])]]


def make_graph(facts: TitleFacts, clusters: Sequence[str]) -> Graph:
    """Link every title with what is told of it, and with the name of its cluster, [titles]."""
    edges: dict[Node, dict[int, float]] = {}
    for title in range(facts.count):
        for node, weight in _links(facts, title, clusters[title]):
            linked = edges.setdefault(node, {})
            linked[title] = max(weight, linked.get(title, 0.0))
    nodes = tuple(sorted(edges, key=lambda node: (node.kind, node.name)))
    people: dict[str, list[int]] = defaultdict(list)
    surnames: dict[str, list[int]] = defaultdict(list)
    kinds: dict[str, list[int]] = defaultdict(list)
    for i, node in enumerate(nodes):
        if node.kind in ("person", "director"):
            words = plain_words(node.name)
            people[" ".join(words)].append(i)
            if len(words) > 1:
                surnames[words[-1]].append(i)
        elif node.kind in ("genre", "cluster"):
            for term in dict.fromkeys(content_terms(node.name)):
                if term not in _UNSAID:
                    kinds[term].append(i)
    matrix = _matrix([edges[node] for node in nodes], facts.count)
    return Graph(
        nodes=nodes,
        edges=matrix,
        of_title=sparse.csr_array(matrix.T),
        index={node: i for i, node in enumerate(nodes)},
        people=_frozen(people),
        surnames=_frozen(surnames),
        kinds=_frozen(kinds),
        leads=tuple(cast[0] if cast else "" for cast in facts.cast),
    )


def _links(facts: TitleFacts, title: int, cluster: str) -> Iterable[tuple[Node, float]]:
    for place, name in enumerate(facts.cast[title]):
        yield Node("person", name), 1.0 / (1.0 + 0.05 * place)
    for name in facts.director[title]:
        yield Node("director", name), 1.0
    for name in facts.genres[title]:
        yield Node("genre", name), 1.0
    for name in facts.countries[title]:
        yield Node("country", name), 1.0
    if facts.year[title]:
        yield Node("era", f"{facts.year[title] // 10 * 10}s"), 1.0
    if facts.form[title]:
        yield Node("form", facts.form[title]), 1.0
    if cluster:
        yield Node("cluster", cluster), 1.0


def _matrix(rows: Sequence[dict[int, float]], titles: int) -> sparse.csr_array:
    start = np.cumsum([0, *map(len, rows)])
    column = np.array([title for row in rows for title in row], np.int32)
    weight = np.array([weight for row in rows for weight in row.values()], np.float32)
    return sparse.csr_array((weight, column, start), shape=(len(rows), titles))


def _frozen(found: dict[str, list[int]]) -> dict[str, tuple[int, ...]]:
    return {word: tuple(nodes) for word, nodes in found.items()}
