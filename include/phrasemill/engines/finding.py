"""Where the engines are: URLs as people give them, turned into the URLs of the engines that are there now.

`http://HOST:PORT` is one engine. `dns+http://NAME:PORT` is an engine at every address that NAME has when it is looked
up: a headless Kubernetes service, or a name with several A or AAAA records. Only over http: the certificates of https
name hosts, not addresses.
"""

import asyncio
import contextlib
import re
import socket
import threading
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Self
from urllib.parse import SplitResult, urlsplit

from phrasemill.errors import EngineRefused

ONE_ENGINE, SEVERAL = ("http", "https"), "dns+http"
LOOK_UP_S = 10.0  # a name server that is away keeps the C library for 10 to 30 s
NONE_GIVEN = "no engine URL is given; name one in the engines' connection or with --engines"

LookUp = Callable[[str, int], Awaitable[Sequence[str]]]
"""From a name and a port to the name's addresses. Raises OSError when it cannot tell."""


class EngineUrlWrong(EngineRefused):
    """What was given as the URL of an engine is none."""


async def look_up(name: str, port: int) -> Sequence[str]:
    """The addresses of a name, as this machine's resolver tells them.

    In a thread of its own: asyncio.run waits for those of the loop's executor, however long the resolver hangs.
    """
    loop = asyncio.get_running_loop()
    told: asyncio.Future[list[str]] = loop.create_future()

    def tell(addresses: list[str], error: Exception | None) -> None:
        if told.done():
            return  # given up meanwhile
        if error:
            told.set_exception(error)
        else:
            told.set_result(addresses)

    def ask() -> None:
        addresses: list[str] = []
        fault: Exception | None = None
        try:
            found = socket.getaddrinfo(name, port, type=socket.SOCK_STREAM)
            addresses = [str(place[0]) for *_, place in found]
        except (OSError, UnicodeError) as error:
            fault = error
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(tell, addresses, fault)

    threading.Thread(target=ask, name=f"look-up of {name}", daemon=True).start()
    return await told


def split_urls(text: str) -> tuple[str, ...]:
    """What stands between commas, spaces or line ends."""
    return tuple(url for url in re.split(r"[,\s]+", text) if url)


def read_urls(text: str, *, where: str) -> tuple[str, ...]:
    """The URLs of a text, as they are written there; `where` says in an error where that is.

    Raises:
        EngineUrlWrong: one of them is no URL of an engine.
    """
    urls = split_urls(text)
    for url in urls:
        Source.of(url, where=where)
    return urls


def without_secrets(url: str) -> str:
    """What was given as a URL, to be shown: without a login, nor what stands behind a question mark."""
    return re.sub(r"[?#].*", "?***", re.sub(r"^(\w[\w+]*://)?.*@", r"\1***@", url))


@dataclass(frozen=True, slots=True)
class Source:
    """One URL as it was given: of one engine, or of a name that several engines have."""

    given: str
    parts: SplitResult
    port: int | None

    @classmethod
    def of(cls, url: str, *, where: str = "") -> Self:
        """Read a URL, with or without /v1 at its end.

        Raises:
            EngineUrlWrong: it is none of an engine, or has credentials in it.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            why = "its port is no number up to 65535, or its brackets do not close around an IPv6 address"
            raise _wrong(url, why, where) from None
        if why := _mistake(parts, port):
            raise _wrong(url, why, where)
        path = parts.path.rstrip("/").removesuffix("/v1").rstrip("/")
        return cls(url, parts._replace(netloc=parts.netloc.lower(), path=path), port)

    @property
    def name(self) -> str | None:
        """What is to be looked up; None for the URL of one engine."""
        return self.parts.hostname if self.parts.scheme == SEVERAL else None

    def urls(self, addresses: Sequence[str]) -> list[str]:
        """The engines' base URLs: one for every address in the order of their numbers, or the URL itself."""
        if self.name is None:
            return [self.parts.geturl()]
        numbers = sorted({ip_address(address) for address in addresses}, key=lambda one: (one.version, int(one)))
        hosts = [f"[{one}]" if one.version == 6 else str(one) for one in numbers]
        return [f"http://{host}:{self.port}{self.parts.path}" for host in hosts]


@dataclass(frozen=True, slots=True)
class Found:
    """The engines there are now, each once, in an order that is the same wherever the same URLs are given."""

    urls: list[str]
    lost: dict[str, str]
    """URLs whose name could not be looked up, and why."""


@dataclass(slots=True)
class EngineFinder:
    """Finds engines by their URLs again and again; a name that cannot be looked up keeps the addresses it had.

    Raises EngineUrlWrong when it is made of something that is no URL of an engine.
    """

    given: Sequence[str]
    look_up: LookUp = look_up
    _sources: list[Source] = field(init=False)
    _known: dict[str, Sequence[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._sources = [Source.of(url) for url in self.given]

    @property
    def has_names(self) -> bool:
        """Whether there is anything to look up."""
        return any(source.name for source in self._sources)

    async def find(self) -> Found:
        """The engines now; takes LOOK_UP_S at most."""
        faults = await asyncio.gather(*(self._look_up(source) for source in self._sources))
        lost = {source.given: why for source, why in zip(self._sources, faults, strict=True) if why}
        urls = (url for source in self._sources for url in source.urls(self._known.get(source.given, ())))
        return Found(list(dict.fromkeys(urls)), lost)

    async def _look_up(self, source: Source) -> str:
        """Why the source's name cannot be looked up, or nothing once its addresses are known."""
        if source.name is None:
            return ""
        try:
            async with asyncio.timeout(LOOK_UP_S):
                self._known[source.given] = await self.look_up(source.name, source.port or 0)
        except TimeoutError:
            why = f"no answer within {LOOK_UP_S:g} s"
        except (OSError, UnicodeError) as error:  # UnicodeError: a label longer than 63 letters
            why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        else:
            return ""
        return f"{source.given}: the name {source.name} cannot be looked up ({why})"


async def find_engines(urls: Sequence[str], *, look_up: LookUp = look_up) -> Found:
    """The engines behind these URLs now.

    Raises:
        EngineUrlWrong: something is no URL of an engine.
    """
    return await EngineFinder(urls, look_up).find()


def _mistake(parts: SplitResult, port: int | None) -> str:
    """What is wrong with the URL, in words, or nothing."""
    known = parts.scheme in {*ONE_ENGINE, SEVERAL}
    mistakes = {
        "it has no scheme": not known and not parts.netloc,  # of localhost:8000, localhost passes for the scheme
        "names are looked up for http alone, since certificates do not match addresses": parts.scheme == "dns+https",
        f"no engine speaks {parts.scheme}": not known,
        "it has a login in it; an API key goes into the connection, or PHRASEMILL_API_KEY": "@" in parts.netloc,
        "it has no host": not parts.hostname,
        "it has no port": port == 0 or (port is None and parts.scheme == SEVERAL),
        "it goes on behind its path": bool(parts.query or parts.fragment),
    }
    return next((why for why, so in mistakes.items() if so), "")


def _wrong(url: str, why: str, where: str) -> EngineUrlWrong:
    place = f"{where}: " if where else ""
    return EngineUrlWrong(
        f"{place}{without_secrets(url)}: is no URL of an engine; write for example http://gpu-1:8000, or "
        f"dns+http://NAME:8000 for every address of a name ({why})"
    )
