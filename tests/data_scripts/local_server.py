"""A small HTTP server on 127.0.0.1 that misbehaves on demand, for the tests of data_scripts."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Served:
    """One path. `cuts` are body lengths after which the connection ends, one per request until they run out."""

    body: bytes
    status: int = 200
    kind: str = "application/octet-stream"
    etag: str | None = '"first"'
    ranges: bool = True
    length: bool = True
    shift: int = 0  # the answer to a range starts this many bytes later than asked
    cuts: list[int] = field(default_factory=list)
    fails: list[int] = field(default_factory=list)  # HTTP codes answered before anything else


class Server:
    """`files` maps a path to what is served; `requests` lists (path, Range header or None) in order."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.files: dict[str, Served] = {}
        self.requests: list[tuple[str, str | None]] = []

    def url(self, path: str) -> str:
        return f"{self.address}/{path}"


@contextmanager
def serving() -> Iterator[Server]:
    """A server on a free port of the loopback interface, for the length of the block."""
    http = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    http.daemon_threads = True
    server = http.told = Server(f"http://127.0.0.1:{http.server_address[1]}")
    thread = threading.Thread(target=http.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        http.shutdown()
        http.server_close()
        thread.join(timeout=5)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.0"  # one request per connection: an early end is an early end

    def do_GET(self) -> None:
        server: Server = self.server.told
        path = self.path.lstrip("/").split("?")[0]
        server.requests.append((path, self.headers.get("Range")))
        file = server.files.get(path)
        if file is None or file.fails or file.status != 200:
            return self.send_error(404 if file is None else file.fails.pop(0) if file.fails else file.status)
        asked = re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", ""))
        condition = self.headers.get("If-Range")
        start = int(asked[1]) if asked and file.ranges and condition in (None, file.etag) else 0
        if start and start >= len(file.body):
            return self.send_error(416)
        start += file.shift if start else 0
        self.send_response(206 if start else 200)
        self.send_header("Content-Type", file.kind)
        if file.etag:
            self.send_header("ETag", file.etag)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(file.body) - 1}/{len(file.body)}")
        if file.length:
            self.send_header("Content-Length", str(len(file.body) - start))
        self.end_headers()
        cut = file.cuts.pop(0) if file.cuts else len(file.body)
        with suppress(ConnectionError):  # a client may hang up
            self.wfile.write(file.body[start : start + cut])

    def log_message(self, *_: object) -> None:
        pass
