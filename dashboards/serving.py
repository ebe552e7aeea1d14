"""The site that is served: the application, and beside it the library that draws its figures in the browser."""

from __future__ import annotations

from pathlib import Path

import plotly
from starlette.requests import Request
from starlette.responses import FileResponse
from starlette.routing import Route
from streamlit.starlette import App

from dashboards.figures import LIBRARY

__all__ = ["app"]

_FILE = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"


async def _library(_request: Request) -> FileResponse:
    """Plotly's own script, as the package brings it; its version is in its name, so a browser keeps it for good."""
    return FileResponse(
        _FILE, media_type="text/javascript", headers={"Cache-Control": "public, max-age=31536000, immutable"}
    )


app = App(Path(__file__).with_name("app.py"), routes=[Route(f"/{LIBRARY}", _library)])
