"""What every object of OpenSLO v1 has: names, metadata, references."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Discriminator, Field

__all__ = [
    "About",
    "Frozen",
    "LooseMetadata",
    "Metadata",
    "One",
    "Operator",
    "by_name",
    "reference_or_inline",
]

NAME = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"  # RFC 1123, as OpenSLO asks
# What it encourages beyond, for names that are only referred to.
OTHERS = r"^[A-Za-z0-9]([A-Za-z0-9._|/\\-]{0,253}[A-Za-z0-9])?$"
Operator = Literal["lte", "gte", "lt", "gt"]


class Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def exactly_one(value: Any) -> Any:
    if isinstance(value, list) and len(value) != 1:
        raise ValueError(f"exactly one is read here, {len(value)} given")
    return value


def at_least_one(value: Any) -> Any:
    if isinstance(value, list) and not 1 <= len(value) <= 20:
        raise ValueError(f"1 to 20 are read here, {len(value)} given")
    return value


One = BeforeValidator(exactly_one)
About = Annotated[str, Field(max_length=1050)]


class Metadata(Frozen):
    name: str = Field(pattern=NAME)
    displayName: str | None = Field(default=None, max_length=200)  # noqa: N815 - OpenSLO's own
    labels: dict[str, str | list[str]] = {}
    annotations: dict[str, str] = {}


class LooseMetadata(Metadata):
    name: str = Field(pattern=OTHERS)


def reference_or_inline(key: str) -> Discriminator:
    """Which of the two an item is, so that what is wrong with it is said once."""
    return Discriminator(
        lambda item: (
            "reference" if isinstance(item, str) or (isinstance(item, dict) and key in item) else "inline"
        )
    )


def by_name(key: str) -> BeforeValidator:
    """A bare name is a reference."""
    return BeforeValidator(lambda item: {key: item} if isinstance(item, str) else item)
