"""One page about a run, for this host's browser: live while the job runs, and afterwards.

It is served on the loopback interface only, below a path that nobody else can know. There are four things to get, and
no path leads anywhere else.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import secrets
import sys
import threading
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.resources import files
from pathlib import Path
from typing import Any

from ...common.errors import JobError
from ...common.left_files import NETWORK
from .stored import Run
from .story import Story
from .words import outcome, when

HOST = "127.0.0.1"
CURVES = 8  # processes in one plot: more colours cannot be told apart
EVENTS = 200
PATIENCE = 10.0  # seconds that a browser has for its request
SVG = "image/svg+xml"
HEADERS = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    # Nothing from elsewhere, and nothing of ours in somebody else's frame.
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; "
    "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
}

# A worker has made it: what it may hold besides a picture is not run.
IN_PICTURES = {"Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; sandbox"}


class Dashboard(ThreadingHTTPServer):
    """Serves the run in a folder. `url` has the secret; whoever has it can read the run, and do nothing else."""

    daemon_threads = True

    def __init__(self, folder: Path, port: int = 0) -> None:
        """Listen on a port, 0 for any. Raises JobError if that is taken, or if there is no run in the folder."""
        run = Run.load(folder)
        if run is None:
            raise JobError(f"there is no run in {folder}")
        self.token = secrets.token_urlsafe(16)
        self._story, self._lock = Story(run), threading.Lock()
        try:
            super().__init__((HOST, port), _Handler)
        except OSError as error:
            raise JobError(f"no dashboard on port {port}: {error.strerror}", remedy="Choose another port") from None

    @property
    def url(self) -> str:
        """Where the page is."""
        return f"http://{HOST}:{self.server_port}/{self.token}/"

    def answer(self, path: str) -> tuple[str, bytes] | None:
        """The type and the bytes of what is below the secret; None if there is no such thing."""
        if path == "":
            return "text/html; charset=utf-8", files(__package__).joinpath("dashboard.html").read_bytes()
        if path not in ("data", "metrics", NETWORK):
            return None
        if path == NETWORK:
            return self._picture()
        with self._lock:
            self._story.update()
            if path == "metrics":
                from .prometheus import exposition

                return "text/plain; version=0.0.4; charset=utf-8", exposition(self._story)
            return "application/json", json.dumps(_data(self._story)).encode()

    def _picture(self) -> tuple[str, bytes] | None:
        with contextlib.suppress(OSError):
            return SVG, (self._story.run.folder / NETWORK).read_bytes()
        return None

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Tell of an error, but not of a browser that has gone away."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


def _data(story: Story) -> dict[str, Any]:
    run, view = story.run, story.view()
    return {
        "id": run.id,
        "state": run.state,
        "outcome": outcome(run),
        "script": run.script,
        "began": when(run),
        "waiting": view.waiting,
        "rows": [vars(row) for row in view.rows],
        "curves": CURVES,
        "plots": story.plots.shown(CURVES),
        "events": list(story.events)[-EVENTS:],
        "network": _written(run.folder / NETWORK),
    }


def _written(path: Path) -> float | None:
    """When a file was, None if there is none."""
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return None


class _Handler(BaseHTTPRequestHandler):
    server: Dashboard
    timeout = PATIENCE
    server_version, sys_version = "pushgrad", ""

    def do_GET(self) -> None:
        """Answer, if the path begins with the secret and the request is for this host.

        A page of elsewhere whose name has been made to lead here (DNS rebinding) sends its own name.
        """
        start, slash, rest = self.path.partition("?")[0][1:].partition("/")
        known = slash and hmac.compare_digest(start.encode("utf-8", "replace"), self.server.token.encode())
        allowed = {f"{name}:{self.server.server_port}" for name in (HOST, "localhost")}
        found = self.server.answer(rest) if known and self.headers.get("Host") in allowed else None
        if found is None:
            self._send(HTTPStatus.NOT_FOUND, "text/plain", b"Not found\n")
        else:
            self._send(HTTPStatus.OK, *found)

    do_HEAD = do_GET

    def _send(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self.send_response(status)
        security = IN_PICTURES if content_type == SVG else {}
        sizes = {"Content-Type": content_type, "Content-Length": str(len(body))}
        for name, value in {**HEADERS, **security, **sizes}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Requests are not logged."""


@contextlib.contextmanager
def serving(folder: Path, port: int = 0) -> Iterator[str]:
    """Serve the run in a folder for as long as the context lasts; gives the URL. Raises what Dashboard does."""
    with Dashboard(folder, port) as dashboard:
        thread = threading.Thread(target=dashboard.serve_forever, name="launch-dashboard", daemon=True)
        thread.start()
        try:
            yield dashboard.url
        finally:
            dashboard.shutdown()
            thread.join()
