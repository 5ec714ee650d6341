"""EnginesHook: the connection type `vllm`, a list of engines behind one connection."""

import asyncio
import re
from typing import Any

import aiohttp
from airflow.sdk import BaseHook

from phrasemill.engines.http import EngineFault, get_text
from phrasemill.errors import EngineRefused, PhrasemillError


class EnginesHook(BaseHook):
    """Reads engine URLs, model and API key from a connection; holds no connection open.

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
        self.urls = tuple(url for url in re.split(r"[,\s]+", str(extra.get("urls") or "")) if url)
        self.model: str | None = extra.get("model") or None
        self.api_key: str | None = self._connection.password or None

    def get_conn(self) -> tuple[str, ...]:
        """The engines' base URLs.

        Raises:
            EngineRefused: the connection names none.
        """
        if not self.urls:
            raise EngineRefused(f"connection {self.conn_id!r} names no engine; fill in its field 'Engine URLs'")
        return self.urls

    def test_connection(self) -> tuple[bool, str]:
        """Ask every engine for its models; what the UI's test button calls."""
        try:
            return True, asyncio.run(self._answers())
        except PhrasemillError as error:
            return False, str(error)

    async def _answers(self) -> str:
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        async with aiohttp.ClientSession(headers=headers) as session:
            urls = [url.rstrip("/").removesuffix("/v1") for url in self.get_conn()]
            pages: list[Any] = await asyncio.gather(
                *(get_text(session, f"{url}/v1/models") for url in urls), return_exceptions=True
            )
        if silent := [str(page) for page in pages if isinstance(page, Exception)]:
            raise EngineFault("; ".join(silent))
        return f"{len(urls)} engines answer"
