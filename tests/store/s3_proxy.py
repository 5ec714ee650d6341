"""A proxy before the S3 server that loses, spoils or forges answers as a test tells it, and notes what it saw."""

import http.client
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOP_BY_HOP = {"connection", "expect", "keep-alive", "transfer-encoding", "content-length"}
UNANSWERED = {"drop", "lose", "reset"}


@dataclass
class Rule:
    """What to do to requests of a method whose path and query hold some words, `count` times (None: always)."""

    method: str
    words: str
    deed: str
    count: int | None = 1
    skip: int = 0
    """So many such requests are passed on first."""
    status: int = 503
    body: bytes = b""
    before: Callable[[], object] | None = None
    """Called when the request has come, before it is passed on."""
    after: Callable[[], object] | None = None
    """Called when the server has answered, before the answer is passed on."""


@dataclass
class S3Proxy:
    """Deeds: `drop` the request (the server never sees it), `lose` the answer, `reset` the connection, `forge` the
    answer, `truncate` or `spoil` its body, `strip` If-None-Match, `page` a listing by 7, `pass` it on.

    A method of `*` is any. While the server is down, connections break as they would without a proxy.
    """

    upstream: str
    rules: list[Rule] = field(default_factory=list)
    seen: list[tuple[str, str, int]] = field(default_factory=list)
    """Method, path without the query, and status (0 for a request dropped or an answer lost)."""
    url: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def on(self, method: str, words: str, deed: str, **how: object) -> None:
        self.rules.append(Rule(method, words, deed, **how))  # type: ignore[arg-type]

    def clear(self) -> None:
        with self._lock:
            self.rules.clear()

    def statuses(self, method: str, words: str = "") -> list[int]:
        return [status for verb, path, status in self.seen if verb == method and words in path]

    def take(self, method: str, path: str) -> Rule | None:
        with self._lock:
            for rule in self.rules:
                if rule.method in {method, "*"} and rule.words in path and rule.count != 0:
                    if rule.skip:
                        rule.skip -= 1
                        continue
                    if rule.count:
                        rule.count -= 1
                    return rule
        return None


@contextmanager
def s3_proxy(upstream: str) -> Iterator[S3Proxy]:
    proxy = S3Proxy(upstream)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True  # or every answer with a body takes 40 ms

        def handle_any(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            rule = proxy.take(self.command, self.path)
            deed = rule.deed if rule else "pass"
            if rule and rule.before:
                rule.before()
            answer = (0, b"", []) if deed in {"drop", "reset"} else self.answer(rule, content)
            if rule and rule.after:
                rule.after()
            status = 0 if deed in UNANSWERED else answer[0]
            proxy.seen.append((self.command, self.path.partition("?")[0], status))
            if deed == "reset":
                # Closing with unsent data and no linger is what makes a RST of it.
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self.connection.close()
            if status == 0:
                self.close_connection = True
                return
            self.pass_on(*answer, deed=deed)

        def answer(self, rule: Rule | None, content: bytes) -> tuple[int, bytes, list[tuple[str, str]]]:
            """Status, body and headers; status 0 if the server is down."""
            deed = rule.deed if rule else "pass"
            if rule and deed == "forge":
                return rule.status, rule.body, []
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
            if deed == "strip":
                headers.pop("If-None-Match", None)
            path = self.path + "&max-keys=7" * (deed == "page")
            try:
                return forward(proxy.upstream, self.command, path, content, headers)
            except (OSError, http.client.HTTPException):
                return 0, b"", []

        def pass_on(self, status: int, answer: bytes, fields: list[tuple[str, str]], *, deed: str) -> None:
            if deed == "spoil":
                answer = bytes([answer[0] ^ 1]) + answer[1:]
            self.send_response(status)
            for name, value in fields:
                if name.lower() not in HOP_BY_HOP:
                    self.send_header(name, value)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(answer[: len(answer) // 2] if deed == "truncate" else answer)
            if deed == "truncate":
                self.close_connection = True

        do_GET = do_PUT = do_DELETE = do_HEAD = do_POST = handle_any

        def log_message(self, *_: object) -> None:
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128

        def handle_error(self, request: object, client_address: object) -> None:
            """A client that was killed leaves a broken pipe: nothing to tell."""

    server = Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    proxy.url = f"http://127.0.0.1:{server.server_address[1]}"
    try:
        yield proxy
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def forward(
    upstream: str, method: str, path: str, content: bytes, headers: dict[str, str]
) -> tuple[int, bytes, list[tuple[str, str]]]:
    connection = http.client.HTTPConnection(upstream.removeprefix("http://"), timeout=10)
    try:
        connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.putheader("Content-Length", str(len(content)))
        connection.endheaders(content)
        response = connection.getresponse()
        return response.status, response.read(), response.getheaders()
    finally:
        connection.close()
