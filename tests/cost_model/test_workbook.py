"""The workbook: live formulas that LibreOffice computes to the values they carry, the same bytes, and no injection."""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from cost_model.report import tables
from cost_model.report.page import Quality, render
from cost_model.report.workbook import as_workbook
from cost_model.usage import Usage
from tests.cost_model.conftest import APRIL, frame, usage
from tests.cost_model.test_report import stated

openpyxl = pytest.importorskip("openpyxl")
QUALITY = Quality(1_000, 10**9, 3, 0, is_synthetic=True)
SOFFICE = shutil.which("soffice")


def cells(data: bytes, *, values: bool) -> dict[str, dict[str, Any]]:
    book = openpyxl.load_workbook(io.BytesIO(data), data_only=values)
    return {
        sheet.title: {
            cell.coordinate: cell.value for row in sheet.iter_rows() for cell in row if cell.value is not None
        }
        for sheet in book
    }


def is_formula(value: object) -> bool:
    return isinstance(value, str) and value.startswith("=")


def test_it_is_the_same_bytes_again_whatever_the_clock_says(small: Usage) -> None:
    one = as_workbook(stated(small), QUALITY)
    assert one == as_workbook(stated(usage()), QUALITY)
    with zipfile.ZipFile(io.BytesIO(one)) as archive:
        assert {info.date_time[0] for info in archive.infolist()} == {1980}
        assert b"2026-07-01T00:00:00Z" in archive.read("docProps/core.xml")


def test_what_is_computed_is_a_formula(small: Usage) -> None:
    book = cells(as_workbook(stated(small), QUALITY), values=False)
    for sheet in (
        "Bill",
        "Unit costs",
        "Bridge prior",
        "Bridge budget",
        "Assets",
        "Investment",
        "Checks",
        "Summary",
    ):
        assert any(is_formula(v) for v in book[sheet].values()), sheet
    assert any("NPV(" in str(v) for v in book["Investment"].values())
    assert any("IRR(" in str(v) for v in book["Investment"].values())


def test_every_form_says_the_same_cents(small: Usage) -> None:
    q = stated(small)
    book = cells(as_workbook(q, QUALITY), values=True)
    figures, page = q.as_dict(), render(q, QUALITY)
    cost = round(q.statement.cost_usd, 2)
    labels = {v: k for k, v in book["Summary"].items()}
    assert round(Decimal(str(book["Summary"][labels["Effective cost, USD"].replace("A", "B")])), 2) == cost
    assert round(Decimal(figures["cost_usd"]), 2) == cost
    assert f"{cost:,}" in page
    for name, found in (("Bridge prior", q.prior), ("Bridge budget", q.budget)):
        assert found is not None
        rows = {v: k for k, v in book[name].items() if isinstance(v, str)}
        for effect, value in found.effects_usd.items():
            at = rows[effect.capitalize()].replace("A", "B")
            assert round(Decimal(str(book[name][at])), 2) == value
            assert tables.cents(value) in page
    assert sum(q.statement.charges["EffectiveCost"].to_list(), Decimal(0)) == q.statement.charged_usd
    assert q.statement.charged_usd == q.statement.cost_usd + q.statement.content_usd > q.statement.cost_usd


def test_text_that_a_spreadsheet_would_run_is_neutralised() -> None:
    texts = ("=cmd|'/c calc'!A1", "+1+1", "-2+3", "@SUM(1)")
    evil = frame(
        "delivery",
        *((APRIL, text, text, "third_party", "third_party", "h264", Decimal(10**15)) for text in texts),
    )
    data = as_workbook(stated(usage(delivery=evil)), QUALITY)
    written = [
        v for sheet in cells(data, values=False).values() for v in sheet.values() if isinstance(v, str)
    ]
    for text in texts:
        assert text not in written
        assert f"'{text}" in written
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        sheets = [archive.read(n).decode() for n in archive.namelist() if n.startswith("xl/worksheets/")]
    assert not any("calc" in formula for sheet in sheets for formula in re.findall(r"<f>(.*?)</f>", sheet))


@pytest.mark.integration
@pytest.mark.skipif(SOFFICE is None, reason="LibreOffice is not installed")
def test_libreoffice_computes_what_the_workbook_carries(small: Usage, tmp_path: Path) -> None:
    """The carried results are cut out first, so that nothing but LibreOffice's own computing can give them back."""
    data = as_workbook(stated(small), QUALITY)
    bare = tmp_path / "bare.xlsx"
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(bare, "w") as target:
        for name in source.namelist():
            content = source.read(name)
            if name.startswith("xl/worksheets/"):
                content = re.sub(rb"(</f>)<v>[^<]*</v>", rb"\1", content)
                content = re.sub(rb"(</f>)<v></v>", rb"\1", content)
            target.writestr(name, content)
    command = [
        str(SOFFICE),
        f"-env:UserInstallation=file://{tmp_path}/profile",
        "--headless",
        "--convert-to",
        "xlsx",
    ]
    subprocess.run(
        [*command, "--outdir", str(tmp_path / "out"), str(bare)], check=True, capture_output=True, timeout=300
    )
    formulas, carried = cells(data, values=False), cells(data, values=True)
    computed = cells((tmp_path / "out" / "bare.xlsx").read_bytes(), values=True)
    compared = 0
    for sheet, rows in formulas.items():
        for at, formula in rows.items():
            if not is_formula(formula):
                continue
            ours, theirs = carried[sheet].get(at), computed[sheet].get(at)
            compared += 1
            if isinstance(ours, int | float) and isinstance(theirs, int | float):
                # To the cent for amounts; to nine digits for ratios and unit prices.
                assert abs(ours - theirs) <= max(1e-9 * abs(ours), 1e-9 if abs(ours) < 1 else 0.004), (
                    sheet,
                    at,
                    formula,
                )
            else:
                assert (ours or "") == (theirs or ""), (sheet, at, formula)
    assert compared > 200
    assert all(
        value == 0
        for at, value in computed["Checks"].items()
        if at.startswith("B") and not isinstance(value, str)
    )
