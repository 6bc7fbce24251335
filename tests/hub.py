"""A local hub: a real server that speaks as much of the hub's API as its client needs for a pull.

Large files are served as on the hub: a HEAD names their hash and size, and a redirect leads to
another host, from where parts of them can be asked for.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import re
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

LFS = (".safetensors", ".bin")
COMMIT = "1234567890abcdef1234567890abcdef12345678"


class Hub:
    """What the server holds, and how it misbehaves.

    Attributes:
        files: Of the only model, by name.
        listed: Sizes that it lists in place of the true ones, by name.
        sent: What it sends in place of a file, by name.
        cuts: After how many bytes it cuts the connection, for one answer each, by name.
        denied: Status and error code with which it refuses all files; None if it refuses none.
        pause_s: How long it rests after each piece of a file.
        asked: All that was asked of it: method, path, range and token.
    """

    model = "acme/tiny"

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files
        self.commit = COMMIT
        self.listed: dict[str, int] = {}
        self.sent: dict[str, bytes] = {}
        self.cuts: dict[str, list[int]] = {}
        self.denied: tuple[int, str] | None = None
        self.pause_s = 0.0
        self.asked: list[tuple[str, str, str | None, str | None]] = []
        self.url = ""

    def downloads(self) -> list[str]:
        """Names of the files whose content was asked for, in order."""
        return [path.rsplit("/", 1)[-1] for method, path, _, _ in self.asked if method == "GET"][1:]

    def listing(self) -> dict[str, Any]:
        """What ``GET /api/models/NAME/revision/REVISION?blobs=true`` answers."""
        siblings = []
        for name, data in self.files.items():
            size = self.listed.get(name, len(data))
            sibling: dict[str, Any] = {"rfilename": name, "size": size, "blobId": git_hash(data)}
            if name.endswith(LFS):
                sha256 = hashlib.sha256(data).hexdigest()
                sibling["lfs"] = {"sha256": sha256, "size": size, "pointerSize": 134}
            siblings.append(sibling)
        return {"id": self.model, "modelId": self.model, "sha": self.commit, "siblings": siblings}


def git_hash(data: bytes) -> str:
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


@contextlib.contextmanager
def serve(files: dict[str, bytes]) -> Iterator[Hub]:
    """Run a hub as long as the block runs."""
    hub = Hub(files)

    class Handler(_Handler):
        held = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    held: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_args: object) -> None:
        """Keep silent."""

    def do_HEAD(self) -> None:
        self._answer()

    def do_GET(self) -> None:
        self._answer()

    def _answer(self) -> None:
        hub = self.held
        path = unquote(urlsplit(self.path).path)
        token = self.headers.get("Authorization")
        hub.asked.append((self.command, path, self.headers.get("Range"), token))
        api = re.fullmatch(r"/api/models/([^/]+/[^/]+)/revision/([^/]+)", path)
        file = re.fullmatch(r"/([^/]+/[^/]+)/resolve/([^/]+)/(.+)", path)
        stored = re.fullmatch(r"/cdn/(.+)", path)
        if stored:
            self._send_file(stored[1])
        elif (found := api or file) is None or found[1] != hub.model:
            self._refuse(401, "RepoNotFound")
        elif found[2] not in {"main", "v1", hub.commit}:
            self._refuse(404, "RevisionNotFound")
        elif api:
            self._send(
                200, json.dumps(hub.listing()).encode(), {"Content-Type": "application/json"}
            )
        elif hub.denied:
            self._refuse(*hub.denied)
        elif found[3] not in hub.files:
            self._refuse(404, "EntryNotFound")
        else:
            self._resolve(found[3])

    def _resolve(self, name: str) -> None:
        data = self.held.files[name]
        headers = {"X-Repo-Commit": self.held.commit}
        if name.endswith(LFS):
            headers["X-Linked-Etag"] = f'"{hashlib.sha256(data).hexdigest()}"'
            headers["X-Linked-Size"] = str(len(data))
            elsewhere = self.held.url.replace("127.0.0.1", "localhost")
            headers["Location"] = f"{elsewhere}/cdn/{name}"
            self._send(302, b"", headers)
        else:
            headers["ETag"] = f'"{git_hash(data)}"'
            self._send_file(name, headers)

    def _send_file(self, name: str, headers: dict[str, str] | None = None) -> None:
        data = self.held.sent.get(name, self.held.files[name])
        status, headers = 200, {"Accept-Ranges": "bytes", **(headers or {})}
        if asked := re.fullmatch(r"bytes=(\d+)-", self.headers.get("Range", "")):
            start = int(asked[1])
            headers["Content-Range"] = f"bytes {start}-{len(data) - 1}/{len(data)}"
            status, data = 206, data[start:]
        cut = self.held.cuts[name].pop(0) if self.held.cuts.get(name) else None
        self._send(status, data, headers, None if self.command == "HEAD" else cut)

    def _refuse(self, status: int, code: str) -> None:
        self._send(status, b"{}", {"X-Error-Code": code})

    def _send(
        self, status: int, body: bytes, headers: dict[str, str], cut: int | None = None
    ) -> None:
        self.send_response(status)
        for name, value in {**headers, "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command == "HEAD":
            return
        sent = memoryview(body)[:cut]
        with contextlib.suppress(ConnectionError):
            for start in range(0, len(sent), 16_384):
                self.wfile.write(sent[start : start + 16_384])
                self.wfile.flush()
                time.sleep(self.held.pause_s)
        if cut is not None:
            self.close_connection = True
