"""An S3 server in a process of its own: moto's, with the manners of real buckets that it does not have.

A bucket whose name begins with ``public-`` is read without a signature, and only so; any other one only with one, in a
header or in the URL (moto looks whether it is there). One that begins with ``unlisted-`` refuses keys that are absent,
as buckets do that must not be listed. The rest is told to `/-/`:

- ``/-/log`` gives what was asked for, as JSON, and forgets it.
- ``/-/fail?key=K&times=N`` lets the next N reads of a key be answered with 503.
- ``/-/hold?key=K`` lets reads of a key wait until the client leaves; ``/-/gone`` waits until one has left.
"""

import json
import logging
import select
import socket
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs
from urllib.request import Request, urlopen

Start = Callable[[str, list[tuple[str, str]]], Any]
_SIGNED = "AWS4-HMAC-SHA256 Credential=a/20200101/us-east-1/s3/aws4_request, SignedHeaders=host, Signature=0"
# Nobody waits longer for something that should happen at once.
PATIENCE_S = 20.0


class S3Server:
    """The server, as a test sees it."""

    def __init__(self, url: str) -> None:
        self.url = url

    def put(self, path: str, body: bytes = b"") -> None:
        """Make a bucket, or a value in one."""
        headers = {"Authorization": _SIGNED, "Content-Type": "application/octet-stream"}
        if path.startswith("public-"):
            headers["x-amz-acl"] = "public-read"
        urlopen(Request(f"{self.url}/{path}", data=body, method="PUT", headers=headers)).close()

    def fill(self, bucket: str, tree: dict[str, bytes]) -> None:
        """Make a bucket with values."""
        self.put(bucket)
        for key, value in tree.items():
            self.put(f"{bucket}/{key}", value)
        self.log()

    def _tell(self, what: str) -> bytes:
        with urlopen(f"{self.url}/-/{what}") as answer:
            return bytes(answer.read())

    def log(self) -> list[dict[str, Any]]:
        """What was asked for since the last call."""
        found: list[dict[str, Any]] = json.loads(self._tell("log"))
        return found

    def reads(self) -> list[str]:
        """Paths that were read since the last call, in order; ``HEAD`` requests stand out."""
        return [row["path"] if row["method"] == "GET" else f"{row['method']} {row['path']}" for row in self.log()]

    def fail(self, key: str, times: int) -> None:
        """Answer the next reads of a key with 503."""
        self._tell(f"fail?key={key}&times={times}")

    def hold(self, key: str) -> None:
        """Let the reads of a key wait until the client leaves."""
        self._tell(f"hold?key={key}")

    def held(self) -> None:
        """Wait until a read is held."""
        assert self._tell("held") == b"yes"

    def gone(self) -> None:
        """Wait until a client has left a read that was held."""
        assert self._tell("gone") == b"yes"


@contextmanager
def running_s3() -> Iterator[S3Server]:
    """Start the server, and end it."""
    process = subprocess.Popen([sys.executable, __file__], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        port = int(process.stdout.readline())
        yield S3Server(f"http://127.0.0.1:{port}")
    finally:
        process.terminate()
        process.communicate()


class Manners:
    """What a real bucket does and moto does not."""

    def __init__(self, app: Callable[[dict[str, Any], Start], Iterable[bytes]]) -> None:
        self._app = app
        self._log: list[dict[str, Any]] = []
        self._failing: Counter[str] = Counter()
        self._held: set[str] = set()
        self._waits = threading.Semaphore(0)
        self._left = threading.Semaphore(0)

    def __call__(self, environ: dict[str, Any], start: Start) -> Iterable[bytes]:
        path, method = environ["PATH_INFO"], environ["REQUEST_METHOD"]
        if path.startswith("/-/"):
            return [self._control(path[3:], parse_qs(environ["QUERY_STRING"]), start)]
        signed = "HTTP_AUTHORIZATION" in environ or "Signature=" in environ["QUERY_STRING"]
        row = {"method": method, "path": path[1:], "signed": signed, "range": environ.get("HTTP_RANGE", "")}
        self._log.append(row)
        if method in ("GET", "HEAD") and path.startswith("/public-") and signed:
            return self._error(start, "403 Forbidden", "AccessDenied")
        if path[1:] in self._held:
            self._hold(environ["werkzeug.socket"])
        if self._failing[path[1:]] > 0:
            self._failing[path[1:]] -= 1
            return self._error(start, "503 Slow Down", "SlowDown")
        return self._answer(environ, start, path.startswith("/unlisted-") and method == "GET")

    def _answer(self, environ: dict[str, Any], start: Start, secretive: bool) -> Iterable[bytes]:
        given: list[Any] = []
        body = self._app(environ, lambda status, headers, *rest: given.append((status, headers)))
        body = list(body)
        status, headers = given[0]
        if status.startswith("404") and secretive:
            return self._error(start, "403 Forbidden", "AccessDenied")
        start(status, headers)
        return body

    def _error(self, start: Start, status: str, code: str) -> Iterable[bytes]:
        body = f"<Error><Code>{code}</Code><Message>{code}</Message></Error>".encode()
        start(status, [("Content-Type", "application/xml"), ("Content-Length", str(len(body)))])
        return [body]

    def _hold(self, client: socket.socket) -> None:
        self._waits.release()
        ready, _, _ = select.select([client], [], [], PATIENCE_S)
        if ready and client.recv(1, socket.MSG_PEEK) == b"":
            self._left.release()

    def _control(self, what: str, query: dict[str, list[str]], start: Start) -> bytes:
        key, body = query.get("key", [""])[0], b"yes"
        if what == "log":
            body, self._log = json.dumps(self._log).encode(), []
        elif what == "fail":
            self._failing[key] = int(query["times"][0])
        elif what == "hold":
            self._held.add(key)
        elif not {"held": self._waits, "gone": self._left}[what].acquire(timeout=PATIENCE_S):
            body = b"no"
        start("200 OK", [("Content-Length", str(len(body)))])
        return body


def serve() -> None:
    """Serve on a free port, whose number is printed first."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
    from werkzeug.serving import make_server

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    app = Manners(DomainDispatcherApplication(create_backend_app))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    sys.stdout.write(f"{server.server_port}\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    serve()
