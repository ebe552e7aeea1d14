"""The errors Playhead shows to its users: one line that says what, where and the mend.

::

    PlayheadError           exit status 2
    +-- InputError          a file, a row, an option that cannot be used
    +-- ContractError       a table that does not fit its contract
    +-- LakeError           a lake that is missing, broken, or of another contract version
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

__all__ = ["ContractError", "InputError", "LakeError", "PlayheadError", "did_you_mean"]


class PlayheadError(Exception):
    """What went wrong, where, and what the user can do about it.

    >>> str(PlayheadError("no rows", where="log.txt", mend="check the file"))
    'log.txt: no rows; check the file'
    """

    def __init__(self, what: str, *, where: str = "", mend: str = "") -> None:
        self.what, self.where, self.mend = what, where, mend
        text = f"{where}: {what}" if where else what
        super().__init__(" ".join((f"{text}; {mend}" if mend else text).split()))


class InputError(PlayheadError):
    """A file, a row or an option that cannot be used."""


class ContractError(PlayheadError):
    """A table that does not fit its contract."""


class LakeError(PlayheadError):
    """A lake that is missing, broken, or of another contract version."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A mend for an unknown name: the nearest known ones, or all when they are few.

    >>> did_you_mean("startup", ["startup_ms", "stall_ms"])
    'did you mean startup_ms?'
    """
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=3)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return "known: " + ", ".join(names[:20]) + (", …" if len(names) > 20 else "")
