"""The table in docs/cmcd.md: what the library says of an input, and what is kept of it here."""

import json
import re
import subprocess
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from benchmarks.cmcd import node_folder
from metrics.ingest.cmcd_decode import Mode, decode

PAGE = Path(__file__).parent.parent.parent / "docs" / "cmcd.md"
ROW = re.compile(r"\| `(.+)` \| (request|event) \| (valid|invalid|throws) \| `(.+)` \| .+ \|")
VERDICTS = """
import {decodeCmcd, validateCmcd} from '@svta/cml-cmcd';
import {readFileSync} from 'node:fs';
for (const [input, reportingMode] of JSON.parse(readFileSync(0, 'utf8'))) {
  let verdict = 'throws';
  try {
    verdict = validateCmcd(decodeCmcd(input), {reportingMode}).valid ? 'valid' : 'invalid';
  } catch {}
  console.log(verdict);
}
"""


class Difference(NamedTuple):
    """A row of the table."""

    text: str
    mode: Mode
    verdict: str
    keeps: dict[str, Any]


def _rows() -> list[Difference]:
    found = [ROW.fullmatch(line) for line in PAGE.read_text("utf-8").splitlines()]
    return [Difference(m[1], m[2], m[3], json.loads(m[4])) for m in found if m]  # type: ignore[arg-type]


@pytest.mark.parametrize("row", _rows(), ids=lambda row: row.text[:40])
def test_what_is_kept_is_what_the_page_says(row: Difference) -> None:
    decoded = decode(row.text, mode=row.mode)
    assert decoded.accepted == row.keeps
    noted = {issue.key for issue in decoded.issues}
    assert set(decoded.raw or {}) - set(decoded.accepted) <= noted | ({"br"} if "v=3" in row.text else set())


@pytest.mark.integration
def test_the_library_says_what_the_page_says() -> None:
    folder = node_folder()
    if folder is None:
        pytest.skip("no reference library is installed for Node")
    rows = _rows()
    done = subprocess.run(
        ["node", "--input-type=module", "--eval", VERDICTS],
        cwd=folder, input=json.dumps([[row.text, row.mode] for row in rows]),
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert done.stdout.split() == [row.verdict for row in rows]


def test_every_row_of_the_page_is_read() -> None:
    page = PAGE.read_text("utf-8")
    assert len(_rows()) == page.count("| request | ") + page.count("| event | ")
    assert {row.verdict for row in _rows()} == {"valid", "invalid", "throws"}
