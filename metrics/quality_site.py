"""The verdict as pages for people: the validation library's own, made to open without a network, under one of ours.

The library's pages fetch scripts, styles and pictures from six hosts, and its index is drawn by one of these
scripts. A lake's site asks nobody.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

__all__ = ["index_page", "self_contained"]

_FOREIGN = re.compile(
    r"""<script\b[^>]*>.*?</script>|<link\b[^>]*>|<img\b[^>]*>|<a\b[^>]*greatexpectations\.io[^>]*>.*?</a>"""
    r"""|url\(['"]?https?:[^)]*\)""",
    re.DOTALL,
)
_STYLE = """<style>
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 72rem; padding: 0 1rem; color: #1c2733;
  overflow-wrap: anywhere }
table { border-collapse: collapse; margin: .5rem 0 1.5rem } td, th { border: 1px solid #d5dbe1; padding: .3rem .6rem }
th { background: #f2f5f8; text-align: left } td.number { text-align: right } a { color: #1b5fa8 }
.fails, .fa-times { color: #b3261e } .holds, .fa-check-circle { color: #1a7f37 }
.fa-check-circle::before { content: "holds" } .fa-times::before { content: "fails" }
footer, .modal, button, .btn-group { display: none }
</style></head>"""

_INDEX = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Data quality</title></head><body>
<h1>{{ v.expectations - v.failed }} of {{ v.expectations }} expectations hold;
{{ alarms or "no" }} alarm{{ "" if alarms == 1 else "s" }} of completeness and drift.</h1>
<p>On {{ "{:,}".format(v.rows_checked) }} rows. Lake version {{ v.lake_version }}.</p>
<h2>Every table against its contract</h2>
<table><tr><th>table</th><th>expectations</th><th>failed</th><th>rows</th><th>rows checked</th><th>sample</th></tr>
{% for t in v.tables %}<tr><td>{% if pages[t.table] %}<a href="{{ pages[t.table] }}">{{ t.table }}</a>
{% else %}{{ t.table }}{% endif %}</td><td class="number">{{ t.expectations }}</td>
<td class="number {{ "fails" if t.failed else "holds" }}">{{ t.failed }}</td>
<td class="number">{{ "{:,}".format(t.rows) }}</td><td class="number">{{ "{:,}".format(t.rows_checked) }}</td>
<td>{{ t.sample }}</td></tr>
{% endfor %}</table>
<h2>Is it all there, and as it was?</h2>
<table><tr><th>table</th><th>check</th><th>what was found</th><th></th></tr>
{% for f in v.findings %}<tr><td>{{ f.table }}</td><td>{{ f.check }}</td><td>{{ f.about }}</td>
{% if f.holds is none %}<td>told, not judged</td>
{% else %}<td class="{{ "holds" if f.holds else "fails" }}">{{ "holds" if f.holds else "fails" }}</td>{% endif %}</tr>
{% endfor %}</table>
</body></html>
"""


def self_contained(html: str) -> str:
    """A page of the library without what it would fetch, and with a style of its own."""
    return _FOREIGN.sub("", html).replace("</head>", _STYLE, 1)


def index_page(verdict: Mapping[str, Any], folder: Path) -> str:
    """The first page, of a verdict as it is in ``quality.json``; links to the pages of each table in ``folder``."""
    import jinja2

    environment = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined)
    pages = {
        table["table"]: next(
            (
                str(page.relative_to(folder))
                for page in folder.glob(f"validations/{table['table']}/**/*.html")
            ),
            None,
        )
        for table in verdict["tables"]
    }
    # What fails comes first, and what is only told last.
    findings = sorted(verdict["findings"], key=lambda f: {False: 0, True: 1, None: 2}[f["holds"]])
    alarms = sum(finding["holds"] is False for finding in findings)
    shown = {**verdict, "findings": findings}
    html = environment.from_string(_INDEX).render(v=shown, pages=pages, alarms=alarms)
    return html.replace("</head>", _STYLE, 1)
