"""A part of Debian's archive in the cache, and a server that gives it to a test's own network.

What is in the cache is what one mmdebstrap asked for, byte for byte: the signed indexes and the
packages of the guests that tests boot. So a template is tried with Debian's own signatures, and
with no network but the test's. Filling the cache is the one moment that anything is downloaded.
"""

from __future__ import annotations

import functools
import shutil
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

PATIENCE_S = 60


@functools.cache
def upstream() -> str:
    """The mirror that this host's own apt asks, without ``/debian``."""
    asked = ["apt-get", "indextargets", "--format", "$(SITE)", "Created-By: Packages"]
    sites = subprocess.run(asked, check=True, capture_output=True, text=True).stdout.split()
    return next(site.removesuffix("/debian") for site in sites if site.endswith("/debian"))


class _Recorder(BaseHTTPRequestHandler):
    """Answers from ``folder``, and puts there what it had to ask upstream for."""

    protocol_version = "HTTP/1.1"
    folder: Path

    def do_GET(self) -> None:
        kept = self.folder / unquote(self.path).lstrip("/")
        if not kept.is_file():
            try:
                with urllib.request.urlopen(upstream() + self.path, timeout=PATIENCE_S) as answer:
                    data = answer.read()
            except urllib.error.HTTPError as error:
                self.send_error(error.code)
                return
            except OSError as error:
                self.send_error(502, str(error))
                return
            kept.parent.mkdir(parents=True, exist_ok=True)
            part = kept.with_name(f"{kept.name}.{threading.get_ident()}")
            part.write_bytes(data)
            part.rename(kept)
        self.send_response(200)
        self.send_header("Content-Length", str(kept.stat().st_size))
        self.end_headers()
        with kept.open("rb") as file:
            shutil.copyfileobj(file, self.wfile)

    def log_message(self, format: str, *args: object) -> None:
        pass


@contextmanager
def recorder(folder: Path) -> Iterator[str]:
    """The URL of a mirror whose answers are kept in ``folder``."""
    handler = type("Recorder", (_Recorder,), {"folder": folder})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_port}/debian"
        finally:
            server.shutdown()


class _Quiet(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        pass


def serve(folder: str, address: str, port: int) -> None:
    """Gives out ``folder`` and nothing else, for ever; says ``ready`` once it listens."""
    handler = functools.partial(_Quiet, directory=folder)
    with ThreadingHTTPServer((address, port), handler) as server:
        print("ready", flush=True)
        server.serve_forever()


if __name__ == "__main__":
    serve(sys.argv[1], sys.argv[2], int(sys.argv[3]))
