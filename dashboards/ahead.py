"""What the browser will need on other pages, fetched and compiled while a reader is still on the one before."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import streamlit as st

__all__ = ["load_ahead"]

# The parts of Streamlit's own front end that Overview does without: charts by Plotly, and tables that scroll.
_PARTS = ("PlotlyChart", "DataFrame")
# Once the page has been at rest so long, one part after the other: whoever is faster waits for them as ever.
_SCRIPT = """<script>
(() => {
  if (window.playheadAhead) return;
  window.playheadAhead = true;
  const main = document.querySelector('script[type="module"][src*="/static/js/"]');
  const idle = window.requestIdleCallback || ((run) => setTimeout(run, 200));
  const parts = [NAMES];
  const next = () => {
    const name = parts.shift();
    if (name && main) idle(() => import(new URL(name, main.src)).then(next, next));
  };
  setTimeout(next, 1500);
})();
</script>"""


def load_ahead() -> None:
    """Have the browser load them when it has nothing else to do; once a visit."""
    if script := _script():
        st.html(script, unsafe_allow_javascript=True)


@cache
def _script() -> str:
    folder = Path(st.__file__).parent / "static" / "static" / "js"
    files = [file.name for part in _PARTS for file in sorted(folder.glob(f"{part}.*.js"))]
    return _SCRIPT.replace("NAMES", ", ".join(f'"{name}"' for name in files)) if files else ""
