"""A user's TOML file, checked once against its model; what is wrong is one line with the entry's name."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel, ValidationError

from metrics.errors import InputError

__all__ = ["read_config"]

_MEND = "the command's --help shows the form"
Model = TypeVar("Model", bound=BaseModel)


def read_config(path: Path, model: type[Model], *, what: str, option: str) -> Model:
    """The file at ``path`` as ``model``.

    ``what`` names the file to the user, ``option`` the option it came with. Raises
    :class:`~metrics.errors.InputError` naming the file and the entry that is wrong.
    """
    try:
        return model.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError as error:
        raise InputError(f"no such {what}", where=str(path), mend=f"check {option}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, OSError) as error:
        raise InputError(f"not TOML ({error})", where=str(path), mend=_MEND) from error
    except ValidationError as error:
        first = error.errors()[0]
        entry = ".".join(str(part) for part in first["loc"])
        raise InputError(f"{entry}: {first['msg']}", where=str(path), mend=_MEND) from error
