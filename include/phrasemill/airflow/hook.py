"""EnginesHook: the connection type `vllm`, a list of engines behind one connection."""

import asyncio
from typing import Any

from airflow.sdk import BaseHook

from phrasemill.airflow.limits import read_limits
from phrasemill.engines.finding import find_engines, read_urls, split_urls
from phrasemill.engines.http import EngineFault, get_text, open_session
from phrasemill.engines.sockets import allow_sockets
from phrasemill.errors import EngineRefused, PhrasemillError
from phrasemill.limit_settings import ApiLimits


class EnginesHook(BaseHook):
    """Reads engine URLs, model, limits and API key from a connection; holds no connection open.

    Args:
        conn_id: the Airflow connection.
    """

    conn_name_attr = "conn_id"
    default_conn_name = "phrasemill_engines"
    conn_type = "vllm"
    hook_name = "vLLM engines"

    def __init__(self, conn_id: str = default_conn_name) -> None:
        super().__init__()
        self.conn_id = conn_id
        self._connection = self.get_connection(conn_id)
        extra = self._connection.extra_dejson
        self.urls = split_urls(str(extra.get("urls") or ""))
        self.model: str | None = extra.get("model") or None
        self.api_key: str | None = self._connection.password or None

    def limits(self) -> ApiLimits | None:
        """The account's limits, from extra `limits`: an object, or its JSON as text; None without any.

        Raises:
            EngineRefused: they are no limits; one line says what is wrong and how to mend it.
        """
        given = self._connection.extra_dejson.get("limits")
        return read_limits(given, where=f"connection {self.conn_id!r}, field 'Limits'") if given else None

    def get_conn(self) -> tuple[str, ...]:
        """The engines' base URLs, as the connection has them: names are not looked up yet.

        Raises:
            EngineRefused: the connection names none, or something that is no URL of an engine.
        """
        if not self.urls:
            raise EngineRefused(f"connection {self.conn_id!r} names no engine; fill in its field 'Engine URLs'")
        return read_urls(" ".join(self.urls), where=f"connection {self.conn_id!r}")

    def test_connection(self) -> tuple[bool, str]:
        """Ask every engine for its models; what the UI's test button calls."""
        try:
            self.limits()
            return True, asyncio.run(self._answers())
        except PhrasemillError as error:
            return False, str(error)

    async def _answers(self) -> str:
        found = await find_engines(self.get_conn())
        allow_sockets(len(found.urls))
        async with open_session(self.api_key) as session:
            pages: list[Any] = await asyncio.gather(
                *(get_text(session, f"{url}/v1/models") for url in found.urls), return_exceptions=True
            )
        silent = [*found.lost.values(), *(str(page) for page in pages if isinstance(page, Exception))]
        if silent:
            raise EngineFault("; ".join(silent))
        return "1 engine answers" if len(found.urls) == 1 else f"{len(found.urls)} engines answer"
