"""A proxy before the S3 server that loses, spoils or forges answers as a test tells it, and notes what it saw."""

import http.client
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

HOP_BY_HOP = {"connection", "expect", "keep-alive", "transfer-encoding", "content-length"}


@dataclass
class Rule:
    """What to do to requests of a method whose path holds some words, `count` times (None: always)."""

    method: str
    words: str
    deed: str
    count: int | None = 1
    status: int = 503
    body: bytes = b""
    before: Callable[[], object] | None = None


@dataclass
class S3Proxy:
    """Deeds: `lose` the answer, `forge` it, `truncate` or `spoil` its body, `strip` If-None-Match, `page` a listing
    by 7, `pass` it on."""

    upstream: str
    rules: list[Rule] = field(default_factory=list)
    seen: list[tuple[str, str, int]] = field(default_factory=list)
    """Method, path without the query, and status (0 for a lost answer)."""
    url: str = ""
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def on(self, method: str, words: str, deed: str, **how: object) -> None:
        self.rules.append(Rule(method, words, deed, **how))  # type: ignore[arg-type]

    def statuses(self, method: str, words: str = "") -> list[int]:
        return [status for verb, path, status in self.seen if verb == method and words in path]

    def take(self, method: str, path: str) -> Rule | None:
        with self._lock:
            for rule in self.rules:
                if rule.method == method and rule.words in path and rule.count != 0:
                    if rule.count:
                        rule.count -= 1
                    return rule
        return None


@contextmanager
def s3_proxy(upstream: str) -> Iterator[S3Proxy]:
    proxy = S3Proxy(upstream)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def handle_any(self) -> None:
            content = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            rule = proxy.take(self.command, self.path)
            if rule and rule.before:
                rule.before()
            headers = {name: value for name, value in self.headers.items() if name.lower() not in HOP_BY_HOP}
            if rule and rule.deed == "strip":
                headers.pop("If-None-Match", None)
            if rule and rule.deed == "forge":
                status, answer, fields = rule.status, rule.body, []
            else:
                path = self.path + "&max-keys=7" * bool(rule and rule.deed == "page")
                status, answer, fields = forward(proxy.upstream, self.command, path, content, headers)
            deed = rule.deed if rule else "pass"
            proxy.seen.append((self.command, self.path.partition("?")[0], 0 if deed == "lose" else status))
            if deed == "lose":
                self.close_connection = True
                return
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

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
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
