"""The site that is served: the application; beside it the library that draws its figures, and their data."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import plotly
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Route
from streamlit.starlette import App

from dashboards import downloads
from dashboards.figures import LIBRARY

__all__ = ["app"]

_FILE = Path(plotly.__file__).parent / "package_data" / "plotly.min.js"


async def _library(_request: Request) -> FileResponse:
    """Plotly's own script, as the package brings it; its version is in its name, so a browser keeps it for good."""
    return FileResponse(
        _FILE, media_type="text/javascript", headers={"Cache-Control": "public, max-age=31536000, immutable"}
    )


async def _data(request: Request) -> Response:
    """What a page offers to take away, as the file of that name."""
    secret, name = request.path_params["secret"], request.path_params["name"]
    text = await run_in_threadpool(downloads.found, secret, name)
    if text is None:
        return Response(
            "Nothing is offered here any more: open the page again.", 404, media_type="text/plain"
        )
    headers = {
        "Content-Disposition": f"attachment; filename*=UTF-8''{quote(name)}",
        "Cache-Control": "no-store",
    }
    return Response(text, media_type="text/csv", headers=headers)


app = App(
    Path(__file__).with_name("app.py"),
    routes=[Route(f"/{LIBRARY}", _library), Route(f"/{downloads.FOLDER}/{{secret}}/{{name}}", _data)],
)
