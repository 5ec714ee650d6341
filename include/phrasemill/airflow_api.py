"""Airflow's public REST API (v2) from outside Airflow: logging in, connections and pools."""

import json
import os
from dataclasses import dataclass, field
from typing import Any, ClassVar, Self
from urllib.parse import quote

import httpx

from phrasemill.errors import PhrasemillError

TIMEOUT_S = 30.0  # a busy two-core machine answers in seconds at times
USERNAME, PASSWORD, TOKEN = (f"PHRASEMILL_AIRFLOW_{what}" for what in ("USERNAME", "PASSWORD", "TOKEN"))


class AirflowRefused(PhrasemillError):
    """Airflow's API answered with an error, or not at all."""


@dataclass(frozen=True, slots=True)
class Login:
    """A username with its password, or a token that Airflow made."""

    username: str = ""
    password: str = field(default="", repr=False)
    token: str = field(default="", repr=False)

    @classmethod
    def from_environment(cls) -> Self:
        """The login that the environment gives; a token wins.

        Raises:
            AirflowRefused: it gives none.
        """
        login = cls(*(os.environ.get(name, "") for name in (USERNAME, PASSWORD, TOKEN)))
        if not (login.token or (login.username and login.password)):
            raise AirflowRefused(f"there is no login for Airflow; set {TOKEN}, or {USERNAME} and {PASSWORD}")
        return login


class AirflowApi:
    """Airflow as one of its users sees it.

    Every method raises AirflowRefused, with Airflow's own words, when a call fails.
    """

    login_fix: ClassVar[str] = f"correct {USERNAME} and {PASSWORD}, or {TOKEN}"
    silence_fix: ClassVar[str] = "check the address, and that Airflow's API server runs"

    def __init__(self, url: str, login: Login, *, trust_env: bool = True) -> None:
        self.url = url.rstrip("/")
        self._login = login
        try:
            if httpx.URL(self.url).userinfo:
                raise AirflowRefused(f"the address of Airflow has a login in it; give it by {USERNAME} and {PASSWORD}")
            self._http = httpx.Client(base_url=self.url, timeout=TIMEOUT_S, trust_env=trust_env)
        except httpx.InvalidURL as error:
            raise AirflowRefused(f"{url!r} is no address of Airflow ({error}); give one such as https://HOST") from None
        self._log_in()

    def close(self) -> None:
        """Close what holds the HTTP connections."""
        self._http.close()

    def connection(self, conn_id: str) -> dict[str, Any] | None:
        """A connection's fields, or None; `extra` is a mapping and what is secret is written ***."""
        path = _connection_path(conn_id)
        if not self._exists(path):
            return None
        fields: dict[str, Any] = self._call("GET", path)
        try:
            extra = json.loads(fields.get("extra") or "{}")
        except ValueError:
            extra = {}
        return fields | {"extra": extra if isinstance(extra, dict) else {}}

    def set_connection(self, conn_id: str, conn_type: str, **fields: Any) -> None:  # noqa: ANN401
        """Make the connection, or give it these fields and leave it the others.

        `extra` is a mapping; a value *** in it leaves that value as it is.
        """
        if "extra" in fields:
            fields["extra"] = json.dumps(fields["extra"])
        body = {"connection_id": conn_id, "conn_type": conn_type} | fields
        path = _connection_path(conn_id)
        if self._exists(path) or not self._make("/connections", body):
            self._call("PATCH", path, json=body, params={"update_mask": ["conn_type", *fields]})

    def pool_slots(self, name: str) -> int | None:
        """The slots of a pool, -1 for no limit, or None if there is no such pool."""
        path = f"/pools/{quote(name, safe='')}"
        return int(self._call("GET", path)["slots"]) if self._exists(path) else None

    def set_pool(self, name: str, slots: int, description: str) -> None:
        """Make the pool, or give it these slots and leave it the rest."""
        path = f"/pools/{quote(name, safe='')}"
        made = {"name": name, "slots": slots, "description": description, "include_deferred": False}
        if self._exists(path) or not self._make("/pools", made):
            # The other fields are asked for although the mask leaves them as they are.
            body = {"pool": name, "slots": slots, "include_deferred": False}
            self._call("PATCH", path, json=body, params={"update_mask": ["slots"]})

    def _log_in(self) -> None:
        token = self._login.token
        if not token:
            who = {"username": self._login.username, "password": self._login.password}
            answer = self._send("POST", "/auth/token", json=who)
            token = _token_of(answer)
            if not token:
                raise AirflowRefused(f"Airflow at {self.url} refuses the login ({_words(answer)}); {self.login_fix}")
        self._http.headers["Authorization"] = f"Bearer {token}"

    def _exists(self, path: str) -> bool:
        answer = self._ask("GET", path)
        if answer.is_error and answer.status_code != httpx.codes.NOT_FOUND:
            raise self._refusal("GET", path, answer)
        return not answer.is_error

    def _make(self, path: str, body: dict[str, Any]) -> bool:
        """Make something; false if somebody else has made it since we looked."""
        answer = self._ask("POST", path, json=body)
        if answer.is_error and answer.status_code != httpx.codes.CONFLICT:
            raise self._refusal("POST", path, answer)
        return not answer.is_error

    def _call(self, method: str, path: str, **arguments: Any) -> Any:  # noqa: ANN401
        answer = self._ask(method, path, **arguments)
        if answer.is_error:
            raise self._refusal(method, path, answer)
        try:
            return answer.json() if answer.content else None
        except ValueError:
            raise AirflowRefused(f"{self.url} does not answer as Airflow's API does; {self.silence_fix}") from None

    def _ask(self, method: str, path: str, **arguments: Any) -> httpx.Response:  # noqa: ANN401
        answer = self._send(method, f"/api/v2{path}", **arguments)
        if answer.status_code == httpx.codes.UNAUTHORIZED and not self._login.token:
            self._log_in()  # a token is good for a day, and we may run for longer
            answer = self._send(method, f"/api/v2{path}", **arguments)
        return answer

    def _send(self, method: str, path: str, **arguments: Any) -> httpx.Response:  # noqa: ANN401
        try:
            return self._http.request(method, path, headers={"Accept": "application/json"}, **arguments)
        except httpx.HTTPError as error:
            raise AirflowRefused(f"Airflow at {self.url} does not answer ({error}); {self.silence_fix}") from error

    def _refusal(self, method: str, path: str, answer: httpx.Response) -> AirflowRefused:
        fix = ""
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            fix = f"; {self.login_fix}"
        elif answer.status_code == httpx.codes.FORBIDDEN:
            fix = f"; this login has no right to do so: give it one, or {self.login_fix}"
        return AirflowRefused(f"Airflow: {method} {path}: {_words(answer)}{fix}")


def _connection_path(conn_id: str) -> str:
    return f"/connections/{quote(conn_id, safe='')}"


def _token_of(answer: httpx.Response) -> str:
    if answer.is_error:
        return ""
    try:
        return str(answer.json()["access_token"])
    except (ValueError, KeyError, TypeError):
        return ""


def _words(answer: httpx.Response) -> str:
    try:
        said = answer.json()["detail"]
    except (ValueError, KeyError, TypeError):
        said = answer.text
    return f"{answer.status_code} {str(said)[:300]}"
