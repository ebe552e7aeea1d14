"""Tables and lines beside figures, of a page that was run as a script."""

from __future__ import annotations

import html
import json
import re

import pandas as pd
from streamlit.testing.v1 import AppTest

__all__ = ["captions", "listings", "tables"]


def listings(app: AppTest) -> list[pd.DataFrame]:
    """Tables to look through, in order, with the values that they are sorted by."""
    protos = [part.proto for part in app.get("bidi_component")]
    told = [json.loads(json.loads(one.json)["table"]) for one in protos if one.component_name == "listing"]
    return [pd.DataFrame({column["name"]: column["values"] for column in table["columns"]}) for table in told]


def tables(app: AppTest) -> list[pd.DataFrame]:
    """Tables as markup, in order, with the words of their cells."""
    found = [part.proto.body for part in app.get("html") if "<table" in part.proto.body]
    return [
        pd.DataFrame(
            [_texts(row, "td") for row in re.findall(r"<tr>(.*?)</tr>", markup, re.DOTALL)[1:]],
            columns=_texts(markup, "th"),
        )
        for markup in found
    ]


def captions(app: AppTest) -> list[str]:
    """What stands beside figures, in a line each."""
    bodies = [part.proto.body for part in app.get("html") if "data-png=" in part.proto.body]
    return [" ".join(_texts(body, "span")) for body in bodies]


def _texts(markup: str, tag: str) -> list[str]:
    cells = re.findall(rf"<{tag}\b[^>]*>(.*?)</{tag}>", markup, re.DOTALL)
    return [html.unescape(re.sub(r"<[^>]*>", "", cell)) for cell in cells]
