"""The engines' Airflow connection, filled in by the machines that serve them."""

import random
import time
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from phrasemill.airflow_api import AirflowApi
from phrasemill.engines.finding import split_urls, without_secrets
from phrasemill.serving.errors import ServingError

CONN_TYPE = "vllm"
WRITES = 5
SETTLE_S = 1.0
"""Between writing and looking whether another machine, writing in the same moment, has undone it."""


class ConnectionUnfit(ServingError):
    """The Airflow connection is of another type or for another model, or will not keep what is written."""


class EnginesConnection:
    """One connection of type `vllm`, shared by all machines that serve the same model.

    Each machine owns the URLs of its own host in it and leaves those of other hosts alone. Airflow's API has no
    conditional write, so a machine looks again after it has written: of two that write at once both are in at the end.
    """

    def __init__(self, api: AirflowApi, conn_id: str, *, model: str) -> None:
        self.api = api
        self.conn_id = conn_id
        self.model = model

    def check(self, urls: Sequence[str]) -> None:
        """Find out before engines start whether their URLs may be written.

        Raises:
            ConnectionUnfit: it has another type, or other hosts serve another model in it.
            AirflowRefused: Airflow does not answer, or refuses.
        """
        self._fit(self.api.connection(self.conn_id), urls)

    def write(self, urls: Sequence[str], *, api_key: str | None, settle_s: float = SETTLE_S) -> list[str]:
        """Put the URLs, the model and the API key into the connection; returns all URLs that are in it then.

        Its other fields stay as they are; so does its API key when none is given.

        Raises:
            ConnectionUnfit: see `check`, or other machines undo it again and again.
            AirflowRefused: Airflow does not answer, or refuses.
        """
        for _ in range(WRITES):
            before = self.api.connection(self.conn_id)
            self._fit(before, urls)
            extra = before["extra"] if before else {}
            merged = merged_urls(_listed(before), urls)
            fields: dict[str, Any] = {"extra": extra | {"urls": ", ".join(merged), "model": self.model}}
            if api_key:
                fields["password"] = api_key
            self.api.set_connection(self.conn_id, CONN_TYPE, **fields)
            time.sleep(settle_s * random.uniform(1.0, 2.0))  # noqa: S311
            now = _listed(self.api.connection(self.conn_id))
            if set(urls) <= set(now):
                return now
        raise ConnectionUnfit(
            f"connection {self.conn_id!r} at {self.api.url} does not keep {', '.join(urls)}: something else writes it "
            "again and again; end that, or write the URLs by hand"
        )

    def _fit(self, fields: dict[str, Any] | None, urls: Sequence[str]) -> None:
        if fields is None:
            return
        where = f"connection {self.conn_id!r} at {self.api.url}"
        if fields["conn_type"] != CONN_TYPE:
            raise ConnectionUnfit(f"{where} is of type {fields['conn_type']!r}, not {CONN_TYPE!r}; name another one")
        model = fields["extra"].get("model")
        others = [url for url in _listed(fields) if _host(url) not in {_host(own) for own in urls}]
        if others and model and model != self.model:
            raise ConnectionUnfit(
                f"{where} is for model {model!r} at {', '.join(map(without_secrets, others))}, not for {self.model!r}; "
                "name another connection, or take those URLs out of it"
            )


def merged_urls(listed: Sequence[str], own: Sequence[str]) -> list[str]:
    """The URLs listed, with `own` in place of those of the same hosts; sorted, so that the order tells nothing."""
    hosts = {_host(url) for url in own}
    return sorted({*own, *(url for url in listed if _host(url) not in hosts)})


def _listed(fields: dict[str, Any] | None) -> list[str]:
    return list(split_urls(str((fields or {}).get("extra", {}).get("urls") or "")))


def _host(url: str) -> str | None:
    try:
        return urlsplit(url if "://" in url else f"//{url}").hostname
    except ValueError:
        return None  # what others wrote there may be no URL at all
