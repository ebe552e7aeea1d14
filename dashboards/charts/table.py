"""A small table as plain markup: what a page's own table would draw with a Markdown reader for every cell."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping, Sequence

from dashboards.charts.style import Palette

__all__ = ["marked", "table"]

# What cells are written in: a colour or a size around a text, strong or stressed words, escaped letters.
_MARKS = re.compile(
    r"\\(?P<escaped>[^A-Za-z0-9\s])|:(?P<style>gray|green|red|orange|violet|small)\[(?P<styled>(?:\\.|[^\[\]\\])*)\]"
    r"|`(?P<code>[^`]+)`|\*\*(?P<strong>[^*]+)\*\*|\*(?P<stressed>[^*\s][^*]*)\*"
)


def table(rows: Sequence[Mapping[str, str]], colours: Palette, *, alt: str = "") -> str:
    """``rows`` under the names of their columns, which are those of the first; texts are escaped here.

    A cell may hold ``:green[text]`` (gray, red, orange, violet; small), ``**strong**``, ``*stressed*``, code between
    back quotes and escapes.
    """
    if not rows:
        return ""
    line = f"border:0;border-bottom:1px solid {colours.line};text-align:left;vertical-align:top"
    head = "".join(
        f'<th style="{line};font-weight:400;color:{colours.quiet};padding:4px 12px 4px 0">{marked(name, colours)}</th>'
        for name in rows[0]
    )
    body = "".join(
        "<tr>"
        + "".join(
            f'<td style="{line};padding:5px 12px 5px 0">{marked(row.get(name, ""), colours)}</td>'
            for name in rows[0]
        )
        + "</tr>"
        for row in rows
    )
    return (
        f'<div style="overflow-x:auto"><table aria-label="{html.escape(alt)}" style="width:100%;border:0;'
        f'border-collapse:collapse;font-size:0.875rem"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


def marked(text: str, colours: Palette) -> str:
    """A cell's text as markup.

    >>> from dashboards.charts.style import LIGHT
    >>> marked("a < **b** :gray[c\\\\_d]", LIGHT)
    'a &lt; <b>b</b> <span style="color:#66727f">c_d</span>'
    """
    paints = {
        "gray": colours.quiet,
        "green": colours.good,
        "red": colours.bad,
        "orange": colours.warn,
        "violet": colours.series[4],
    }
    parts, end = [], 0
    for found in _MARKS.finditer(text):
        parts.append(html.escape(text[end : found.start()]))
        end = found.end()
        if found["escaped"]:
            parts.append(html.escape(found["escaped"]))
        elif found["style"]:
            style = f"color:{paints[found['style']]}" if found["style"] in paints else "font-size:0.82em"
            parts.append(f'<span style="{style}">{marked(found["styled"], colours)}</span>')
        elif found["code"]:
            parts.append(
                f'<code style="color:{colours.good};font-size:0.75em">{html.escape(found["code"])}</code>'
            )
        elif found["strong"]:
            parts.append(f"<b>{marked(found['strong'], colours)}</b>")
        else:
            parts.append(f"<i>{marked(found['stressed'], colours)}</i>")
    return "".join((*parts, html.escape(text[end:])))
