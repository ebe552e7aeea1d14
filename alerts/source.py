"""YAML that strangers wrote: read without trust, and with the line of every value.

Aliases are refused (they are what YAML bombs and loops are made of), as are duplicate keys, custom tags,
deep nesting and large files. A number with a point is an exact ``Decimal``: 1 − 0.999 is 0.001, not
0.0010000000000000009.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, NoReturn, TypeVar

import yaml
from pydantic import BaseModel, ValidationError

from metrics.errors import InputError

__all__ = ["Document", "read_documents"]

MAX_BYTES = 256 * 1024
MAX_DEPTH = 20
MAX_DOCUMENTS = 200
_MEND = "write YAML in OpenSLO's form, as the shipped objectives are"
_TAG = "tag:yaml.org,2002:"

Loc = tuple[str | int, ...]
Model = TypeVar("Model", bound=BaseModel)


@dataclass(frozen=True)
class Document:
    """One YAML document: plain values, and the line each stands on."""

    name: str
    value: Any
    lines: Mapping[Loc, int]
    at: Loc = ()

    def where(self, *loc: str | int) -> str:
        """``file:line`` of the value at ``loc``, or of the nearest value that encloses it."""
        loc = (*self.at, *loc)
        while loc not in self.lines:
            loc = loc[:-1]
        return f"{self.name}:{self.lines[loc]}"

    def below(self, *loc: str | int) -> Document:
        """The value at ``loc`` as a document of its own, which keeps its lines."""
        value = self.value
        for step in loc:
            value = value[step]
        return Document(self.name, value, self.lines, (*self.at, *loc))

    def parse(self, model: type[Model]) -> Model:
        """The document as ``model``; an :class:`~metrics.errors.InputError` names the first faulty line."""
        try:
            return model.model_validate(self.value)
        except ValidationError as error:
            faults = error.errors(include_url=False)
            first = min(faults, key=lambda fault: self._line(fault["loc"]))
            field = ".".join(map(str, first["loc"])) or "the document"
            said = first["msg"].removeprefix("Value error, ")
            what = f"unknown field {field!r}" if first["type"] == "extra_forbidden" else f"{field}: {said}"
            more = f"({len(faults) - 1} more after this one)" if len(faults) > 1 else ""
            raise InputError(what, where=self.where(*first["loc"]), mend=more) from None

    def _line(self, loc: Loc) -> int:
        return int(self.where(*loc).rpartition(":")[2])


def read_documents(path: Path) -> list[Document]:
    """The YAML documents of a file, empty ones left out.

    Raises :class:`~metrics.errors.InputError` with ``file:line`` for anything that is not plain, bounded
    YAML.
    """
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(str(error.strerror), where=str(path), mend="name a YAML file") from None
    if len(raw) > MAX_BYTES:
        raise InputError(f"longer than {MAX_BYTES // 1024} KiB", where=str(path), mend="split the file")
    try:
        return list(_documents(str(path), raw))
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}" if mark else str(path)
        raise InputError(error.problem or "not YAML", where=where, mend=error.note or _MEND) from None
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"not YAML in UTF-8: {error}", where=str(path), mend=_MEND) from None


def _documents(name: str, raw: bytes) -> Iterator[Document]:
    loader = _Loader(raw)
    try:
        for number in range(MAX_DOCUMENTS + 1):
            if not loader.check_node():
                return
            if number == MAX_DOCUMENTS:
                raise InputError(f"more than {MAX_DOCUMENTS} documents", where=name, mend="split the file")
            node = loader.get_node()
            lines: dict[Loc, int] = {}
            value = _plain(node, (), lines) if node is not None else None
            if value is not None:
                yield Document(name, value, lines)
    finally:
        loader.dispose()


class _Loader(yaml.SafeLoader):
    """Composes nodes, refusing aliases and deep nesting before either can cost anything."""

    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent):
            _refuse("an alias (*name) is not read here", event, "write it out")
        self._depth += 1
        if self._depth > MAX_DEPTH:
            _refuse(f"nested deeper than {MAX_DEPTH}", event)
        node: yaml.Node | None = super().compose_node(parent, index)
        self._depth -= 1
        return node


def _plain(node: yaml.Node, loc: Loc, lines: dict[Loc, int]) -> Any:
    lines[loc] = node.start_mark.line + 1
    if isinstance(node, yaml.SequenceNode):
        return [_plain(item, (*loc, i), lines) for i, item in enumerate(node.value)]
    if isinstance(node, yaml.MappingNode):
        mapping: dict[str, Any] = {}
        for key, item in node.value:
            if not isinstance(key, yaml.ScalarNode):
                _refuse("a key must be plain text", key)
            if key.value in mapping:
                _refuse(f"key {key.value!r} twice", key, "keep one of them")
            mapping[key.value] = _plain(item, (*loc, key.value), lines)
            # The key's own line reads better than that of a value that begins on the next one.
            lines[(*loc, key.value)] = key.start_mark.line + 1
        return mapping
    return _scalar(node)


def _scalar(node: yaml.Node) -> str | int | Decimal | bool | None:
    text: str = node.value
    kind = node.tag.removeprefix(_TAG)
    if kind in {"str", "timestamp"}:
        return text
    if kind == "null":
        return None
    if kind == "bool":
        return bool(yaml.SafeLoader.bool_values[text.lower()])
    if kind in {"int", "float"}:
        try:
            number = Decimal(text.replace("_", ""))
            if len(text) <= 40 and number.is_finite():
                return int(number) if kind == "int" else number
        except InvalidOperation:
            pass
        return _refuse(
            f"{text[:40]!r} is not a plain decimal number", node, "quote it if it is meant as text"
        )
    return _refuse(
        f"tag {node.tag!r} is not read here", node, "write plain text, numbers, lists and mappings"
    )


def _refuse(problem: str, at: Any, mend: str = "") -> NoReturn:
    """At a node or an event: both know where they begin."""
    raise yaml.MarkedYAMLError(problem=problem, problem_mark=at.start_mark, note=mend)
