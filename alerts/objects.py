"""OpenSLO objects of several documents and files, by kind and name, so that they can refer to each other."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Generic, TypeVar, cast

from pydantic import BaseModel

from alerts.openslo import KINDS
from alerts.source import Document, read_documents
from metrics.errors import InputError, did_you_mean

__all__ = ["Found", "ObjectiveRefused", "Objects", "read_objects"]

Model = TypeVar("Model", bound=BaseModel)


class ObjectiveRefused(InputError):  # noqa: N818 - a verdict on the objective, not a fault of the file
    """A well-formed objective that nobody could keep to: its alert never fires, its metric is unknown."""


@dataclass(frozen=True)
class Found(Generic[Model]):
    """An object and the document that has its lines."""

    model: Model
    document: Document


@dataclass(frozen=True)
class Objects:
    """Every object of the files. Objectives keep their order and are not looked up."""

    slos: list[Found[BaseModel]] = field(default_factory=list)
    named: dict[str, dict[str, Found[BaseModel]]] = field(default_factory=dict)

    def get(self, kind: type[Model], name: str, where: str) -> Found[Model]:
        """The object of that kind and name; ``where`` is the line that refers to it."""
        called = next(word for word, model in KINDS.items() if model is kind)
        known = self.named.get(called, {})
        if name not in known:
            raise ObjectiveRefused(
                f"no {called} {name!r} in the files given",
                where=where,
                mend=did_you_mean(name, known) if known else f"give the file that holds the {called}",
            )
        return cast(Found[Model], known[name])


def read_objects(paths: Iterable[Path]) -> Objects:
    """The objects of every document of ``paths``; a document may be a list of them.

    Raises :class:`~metrics.errors.InputError` with ``file:line`` for what is no OpenSLO v1, and for a second object
    of one kind and name.
    """
    objects = Objects()
    for path in paths:
        empty = True
        for document in _documents(path):
            empty = False
            kind = document.value.get("kind") if isinstance(document.value, dict) else None
            if not isinstance(kind, str) or kind not in KINDS:
                raise _no_object(document, kind)
            found = Found(document.parse(KINDS[kind]), document)
            if kind == "SLO":
                objects.slos.append(found)
                continue
            named = objects.named.setdefault(kind, {})
            name = document.value["metadata"]["name"]
            if name in named:
                raise InputError(
                    f"{kind} {name!r} stands at {named[name].document.where('metadata', 'name')} already",
                    where=document.where("metadata", "name"),
                    mend="rename one of them",
                )
            named[name] = found
        if empty:
            raise InputError("no document in it", where=str(path), mend="write an OpenSLO v1 SLO")
    return objects


def _documents(path: Path) -> Iterator[Document]:
    for document in read_documents(path):
        if isinstance(document.value, list):
            yield from (document.below(i) for i in range(len(document.value)))
        else:
            yield document


def _no_object(document: Document, kind: object) -> InputError:
    if isinstance(document.value, dict) and "version" in document.value:
        return InputError(
            "this is a Sloth specification",
            where=document.where("version"),
            mend="compile it with `playhead slo compile --format sloth`",
        )
    mend = did_you_mean(str(kind), KINDS) if kind is not None else "write an OpenSLO v1 object"
    return InputError(f"kind: {kind!r} is no OpenSLO object", where=document.where("kind"), mend=mend)
