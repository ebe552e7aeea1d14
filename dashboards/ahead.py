"""What the browser will need on other pages, fetched and compiled while a reader is still on the one before."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import polars as pl
import streamlit as st

from dashboards.figures import LIBRARY
from dashboards.listing import listing

__all__ = ["load_ahead"]

# What Overview does without: the library of charts, and of Streamlit's own front end what puts them on a page, what is
# chosen on other pages, and the type of commands.
_PARTS = ("BidiComponent", "Slider", "TextInput", "NumberInput", "LinkButton", "Spinner")
_TYPE = "SourceCodeVF-Upright"
# Once reader and page have been at rest so long, one part after the other: whoever is faster waits for them as ever.
_SCRIPT = """<style>.st-key-ahead { display: none; }</style><script>
(() => {
  if (window.playheadAhead) return;
  window.playheadAhead = true;
  const main = document.querySelector('script[type="module"][src*="/static/js/"]');
  const idle = window.requestIdleCallback || ((run) => setTimeout(run, 200));
  const parts = [NAMES];
  const fetched = (name) => {
    const address = new URL(name, main.src);
    if (name.endsWith(".woff2")) return fetch(address).then((answer) => answer.blob());
    return name.startsWith(".") ? tagged(name).then(tried) : import(address);
  };
  // A first figure, which nobody sees: what draws it is compiled then.
  const tried = () => window.Plotly && idle(() => {
    const place = document.body.appendChild(document.createElement("div"));
    place.style.cssText = "position:absolute;left:-999px;width:300px;height:200px";
    const done = () => { Plotly.purge(place); place.remove(); };
    Plotly.newPlot(place, [{ y: [1, 2] }, { type: "bar", x: [1, 2], y: ["a", "b"], orientation: "h", yaxis: "y2" }])
      .then(done, done);
  });
  const tagged = (name) => new Promise((done) => {
    if (window.Plotly || document.querySelector(`script[src$="${name.slice(5)}"]`)) return done();
    const script = document.createElement("script");
    script.onload = script.onerror = done;
    script.src = new URL(name, main.src);
    document.head.append(script);
  });
  const PAUSE = 1500;
  const OPEN = '[data-testid="stPopoverBody"], input:focus, textarea:focus'; // what would close
  let touched = performance.now();
  for (const kind of ["pointerdown", "keydown"]) addEventListener(kind, () => { touched = performance.now(); }, true);
  const next = () => {
    const rest = touched + PAUSE - performance.now();
    if (rest > 0) setTimeout(next, rest);
    else if (parts.length && main) idle(() => fetched(parts.shift()).then(next, next));
    else if (document.querySelector(OPEN)) setTimeout(next, PAUSE);
    else document.querySelector(".st-key-ahead-shown button")?.click();
  };
  setTimeout(next, PAUSE);
})();
</script>"""


@st.fragment
def load_ahead() -> None:
    """Have the browser load them when it has nothing else to do; once a visit.

    Then one of each is put where nobody sees it: React shows the first of a kind three tenths of a second late, however
    soon its code is there.
    """
    with st.container(key="ahead"):
        st.html(_script(), unsafe_allow_javascript=True)
        if st.button("ahead", key="ahead-shown"):
            st.slider("ahead", 0, 1)
            st.text_input("ahead")
            st.number_input("ahead")
            st.link_button("ahead", "explore")
            st.selectbox("ahead", ("ahead",))
            st.multiselect("ahead", ("ahead",))
            listing(pl.DataFrame({"ahead": [0]}), key="ahead-rows", alt="ahead")


@cache
def _script() -> str:
    folder = Path(st.__file__).parent / "static" / "static" / "js"
    files = [file.name for part in _PARTS for file in sorted(folder.glob(f"{part}.*.js"))]
    files += [f"../media/{file.name}" for file in sorted(folder.parent.glob(f"media/{_TYPE}*.woff2"))]
    return _SCRIPT.replace("NAMES", ", ".join(f'"{name}"' for name in (f"../../{LIBRARY}", *files)))
