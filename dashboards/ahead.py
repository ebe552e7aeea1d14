"""What the browser will need on other pages, fetched and compiled while a reader is still on the one before."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import streamlit as st

from dashboards.figures import LIBRARY

__all__ = ["load_ahead"]

# What Overview does without: the library of charts, and of Streamlit's own front end what puts them on a page, and
# tables that scroll.
_PARTS = ("BidiComponent", "DataFrame")
# Once reader and page have been at rest so long, one part after the other: whoever is faster waits for them as ever.
_SCRIPT = """<script>
(() => {
  if (window.playheadAhead) return;
  window.playheadAhead = true;
  const main = document.querySelector('script[type="module"][src*="/static/js/"]');
  const idle = window.requestIdleCallback || ((run) => setTimeout(run, 200));
  const parts = [NAMES];
  const fetched = (name) => name.startsWith(".") ? tagged(name) : import(new URL(name, main.src));
  const tagged = (name) => new Promise((done) => {
    if (window.Plotly || document.querySelector(`script[src$="${name.slice(5)}"]`)) return done();
    const script = document.createElement("script");
    script.onload = script.onerror = done;
    script.src = new URL(name, main.src);
    document.head.append(script);
  });
  const PAUSE = 1500;
  let touched = performance.now();
  for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, () => { touched = performance.now(); }, true);
  const next = () => {
    const rest = touched + PAUSE - performance.now();
    if (rest > 0) setTimeout(next, rest);
    else if (parts.length && main) idle(() => fetched(parts.shift()).then(next, next));
  };
  setTimeout(next, PAUSE);
})();
</script>"""


def load_ahead() -> None:
    """Have the browser load them when it has nothing else to do; once a visit."""
    st.html(_script(), unsafe_allow_javascript=True)


@cache
def _script() -> str:
    folder = Path(st.__file__).parent / "static" / "static" / "js"
    files = [file.name for part in _PARTS for file in sorted(folder.glob(f"{part}.*.js"))]
    return _SCRIPT.replace("NAMES", ", ".join(f'"{name}"' for name in (f"../../{LIBRARY}", *files)))
