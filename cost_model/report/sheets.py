"""Sheets of a workbook that are written from the top, and the few formats that the report's have."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from cost_model.charges import neutralised_text

__all__ = ["CENT", "COUNT", "RATIO", "UNIT", "Book", "Sheet"]

CENT, UNIT, COUNT, RATIO = "#,##0.00;−#,##0.00", "0.000000000", "#,##0.00", "0.000000"
_STYLES: dict[str, dict[str, Any]] = {
    "title": {"bold": True, "font_size": 15},
    "head": {"bold": True, "bottom": 1, "text_wrap": True, "valign": "top", "font_color": "#5D6670"},
    "sum": {"bold": True, "top": 1},
    "note": {"italic": True, "font_color": "#5D6670"},
}


class Book:
    """An XlsxWriter workbook, its formats made once, and the checks that its sheets ask for."""

    def __init__(self, book: Any) -> None:
        self.book = book
        self.checks: list[tuple[str, str]] = []
        self._forms: dict[tuple[str, str], Any] = {}

    def form(self, style: str, number: str) -> Any:
        """The format of a style (``title``, ``head``, ``sum``, ``note`` or none) and a number format."""
        if (style, number) not in self._forms:
            numbered = {"num_format": number} if number else {}
            self._forms[style, number] = self.book.add_format(_STYLES.get(style, {}) | numbered)
        return self._forms[style, number]

    def check(self, words: str, formula: str) -> None:
        """Ask for a line on the sheet of checks: an amount that must be 0."""
        self.checks.append((words, formula))


class Sheet:
    """A sheet that is written from the top; rows are numbered as a spreadsheet does, from 1."""

    def __init__(self, book: Book, name: str, widths: Sequence[int]) -> None:
        self.name, self._book, self.row = name, book, 1
        self._sheet = book.book.add_worksheet(name)
        for column, width in enumerate(widths):
            self._sheet.set_column(column, column, width)

    def line(self, *cells: Any, style: str = "", formats: Sequence[str] = ()) -> int:
        """Write a row; returns its number. A cell is text, a number, None, or (formula, result)."""
        for column, cell in enumerate(cells):
            form = self._book.form(style, formats[column] if column < len(formats) else "")
            at = self.row - 1, column
            if cell is None or cell == "":
                continue
            if isinstance(cell, tuple):
                self._sheet.write_formula(*at, cell[0], form, cell[1])
            elif isinstance(cell, str):
                self._sheet.write_string(*at, neutralised_text(cell), form)
            else:
                self._sheet.write_number(*at, float(cell), form)
        self.row += 1
        return self.row - 1

    def skip(self, rows: int = 1) -> None:
        """Leave rows empty."""
        self.row += rows

    def freeze(self) -> None:
        """Keep what is written so far in sight."""
        self._sheet.freeze_panes(self.row - 1, 1)
