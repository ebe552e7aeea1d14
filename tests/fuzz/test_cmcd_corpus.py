"""What fuzzing started from and what it found, as plain cases."""

import pytest

from tests.fuzz.cmcd import check, corpus


@pytest.mark.parametrize("case", corpus(), ids=lambda case: repr(case[:40]))
def test_case(case: bytes) -> None:
    check(case)
