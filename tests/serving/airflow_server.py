"""The part of Airflow's REST API for connections and pools, as Airflow 3.3 answers it: secrets masked, *** kept."""

import json
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

USERNAME, PASSWORD, TOKEN = "night-worker", "correct horse", "token-of-the-day"
MASK = "***"
TAKEN = (409, {"detail": {"reason": "Unique constraint violation"}})


class AirflowServer:
    """`connections` and `pools` hold what Airflow's database would; `on_write` is called after every write.

    `forbidden` has the methods that the login has no right to on pools.
    """

    def __init__(self) -> None:
        self.connections: dict[str, dict[str, Any]] = {}
        self.pools: dict[str, dict[str, Any]] = {}
        self.forbidden: set[str] = set()
        self.on_write: Callable[[], None] = lambda: None
        self.logins = 0
        server = self

        class Handler(BaseHTTPRequestHandler):
            def _handle(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                authorised = self.headers.get("Authorization") == f"Bearer {TOKEN}"
                status, answer = server.answer(self.command, self.path, json.loads(body or b"{}"), authorised)
                content = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PATCH = _handle

            def log_message(self, *_: object) -> None:
                pass

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._http.server_address[1]}"

    def answer(self, method: str, target: str, body: dict[str, Any], authorised: bool) -> tuple[int, Any]:
        path = urlsplit(target).path
        if path == "/auth/token":
            self.logins += 1
            right = (body["username"], body["password"]) == (USERNAME, PASSWORD)
            return (201, {"access_token": TOKEN}) if right else (401, {"detail": "Invalid credentials"})
        if not authorised:
            return 401, {"detail": "Invalid JWT token"}
        if path.startswith("/api/v2/pools"):
            return self._pool(method, target, body)
        conn_id = path.removeprefix("/api/v2/connections").strip("/") or body["connection_id"]
        held = self.connections.get(conn_id)
        if (method == "POST") == (held is not None):
            return TAKEN if held else (404, {"detail": f"The Connection with connection_id: `{conn_id}` was not found"})
        if held is None:
            self.connections[conn_id] = {"conn_type": "", "password": None, "extra": "{}"} | body
        elif method == "PATCH":
            mask = parse_qs(urlsplit(target).query)["update_mask"]
            self._patch(held, {name: value for name, value in body.items() if name in mask})
        else:
            extra = {name: MASK if "token" in name else value for name, value in json.loads(held["extra"]).items()}
            return 200, held | {"password": held["password"] and MASK, "extra": json.dumps(extra)}
        self.on_write()
        return 200, {}

    def _pool(self, method: str, target: str, body: dict[str, Any]) -> tuple[int, Any]:
        name = urlsplit(target).path.removeprefix("/api/v2/pools").strip("/") or body["name"]
        if method in self.forbidden:
            return 403, {"detail": "Forbidden"}
        if method == "POST":
            if name in self.pools:
                return TAKEN
            self.pools[name] = body
        elif name not in self.pools:
            return 404, {"detail": f"The Pool with name: `{name}` was not found"}
        elif method == "PATCH":
            mask = parse_qs(urlsplit(target).query)["update_mask"]
            if not {"pool", "slots", "include_deferred"} <= body.keys():
                return 422, {"detail": "Field required"}
            self.pools[name] |= {field: body[field] for field in mask}
        else:
            return 200, self.pools[name]
        self.on_write()
        return 200, {}

    def _patch(self, held: dict[str, Any], fields: dict[str, Any]) -> None:
        if "extra" in fields:
            old, new = json.loads(held["extra"]), json.loads(fields["extra"])
            kept = {name: old.get(name, value) if value == MASK else value for name, value in new.items()}
            fields["extra"] = json.dumps(kept)
        held.update(fields)

    def extra(self, conn_id: str) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.connections[conn_id]["extra"])
        return found

    def __enter__(self) -> Self:
        threading.Thread(target=self._http.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._http.server_close()
