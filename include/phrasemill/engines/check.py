"""The engines' part of preflight: is anybody there, is it the right model, and how can it be asked."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeVar

import aiohttp
import orjson

from phrasemill.engines.backend import Backend
from phrasemill.engines.finding import NONE_GIVEN, LookUp, find_engines, look_up
from phrasemill.engines.http import EngineFault, KeyRefused, NotOffered, get_text, open_session
from phrasemill.engines.probing import find_backend
from phrasemill.engines.sockets import allow_sockets
from phrasemill.engines.throttle import Throttle
from phrasemill.errors import EngineRefused, EnginesDown
from phrasemill.spec import CorpusSpec

Found = TypeVar("Found")

MODELS_NAMED = 5
NO_LIST = "keeps no list of models that this key may see"
INTERNAL_ERROR = 500  # `transformers serve` answers so when there is no cache of models to list
ANSWER_S = 10.0
HOW_S = 300.0
"""To show how it can be asked, which takes a few short answers; a server may load the model for the first of them."""


@dataclass(frozen=True, slots=True)
class EngineCheck:
    """What preflight found: engines that serve the model, those that do not answer and why, and how they are asked.

    A name that cannot be looked up is among those that do not answer.
    """

    serving: list[str]
    silent: dict[str, str]
    backend: Backend


async def check_engines(
    urls: Sequence[str],
    spec: CorpusSpec,
    *,
    api_key: str | None = None,
    answer_s: float = ANSWER_S,
    look_up: LookUp = look_up,
    throttle: Throttle | None = None,
    how_s: float = HOW_S,
) -> EngineCheck:
    """Ask every engine what it serves, which may take `answer_s` seconds, and how it is asked, which may take `how_s`.

    Raises:
        EngineRefused: no URL is given or one that is none, a key is wrong, an engine serves another model, cannot be
            asked in any way, or in other ways than the others.
        EnginesDown: not one engine answers.
        QuotaSpent: the budget or the API's quota is used up.
    """
    if not urls:
        raise EngineRefused(NONE_GIVEN)
    engines = await find_engines(urls, look_up=look_up)
    allow_sockets(len(engines.urls))
    async with open_session(api_key) as session:
        listed = await asyncio.gather(
            *(_unlisted(session, url, spec, answer_s) for url in engines.urls), return_exceptions=True
        )
        unlisted, silent = _sorted_out(engines.urls, listed)
        silent = engines.lost | silent
        if not unlisted:
            raise EnginesDown(f"no engine answers ({'; '.join(silent.values())}); start them, or correct the URLs")
        looks = (_backend(session, url, spec, throttle, unlisted=unlisted[url], how_s=how_s) for url in unlisted)
        backends, unfit = _sorted_out(list(unlisted), await asyncio.gather(*looks, return_exceptions=True))
    if not backends:
        raise EnginesDown(f"no engine answers properly ({'; '.join(unfit.values())}); retry")
    return EngineCheck(list(backends), silent | unfit, _same(backends))


def _sorted_out(
    urls: Sequence[str], results: Sequence[Found | BaseException]
) -> tuple[dict[str, Found], dict[str, str]]:
    """By URL: what came of those that answer, and why the others do not. Raises what no retry mends."""
    found: dict[str, Found] = {}
    silent: dict[str, str] = {}
    for url, result in zip(urls, results, strict=True):
        if isinstance(result, EngineFault):
            silent[url] = str(result)
        elif isinstance(result, BaseException):
            raise result
        else:
            found[url] = result
    return found, silent


async def _unlisted(session: aiohttp.ClientSession, url: str, spec: CorpusSpec, answer_s: float) -> str:
    """What the server's list of models lacks, in words, or nothing. Lists need not be complete: see `_backend`.

    Raises EngineFault if nobody answers.
    """
    try:
        page = await get_text(session, f"{url}/v1/models", timeout_s=answer_s)
        listed = orjson.loads(page)
        # Together's list has nothing around it.
        models = [str(model["id"]) for model in (listed if isinstance(listed, list) and listed else listed["data"])]
    except (NotOffered, KeyRefused):  # OpenAI's restricted keys may ask a model and not list them
        return f"{url}: {NO_LIST}"
    except EngineFault as fault:
        if fault.status != INTERNAL_ERROR or not await _is_well(session, url, answer_s):
            raise
        return f"{url}: {NO_LIST}"
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise EngineRefused(f"{url}/v1/models: is no list of models; is this an OpenAI-compatible engine?") from error
    for name, what, field in (
        (spec.model.name, "model", "name"),
        (spec.model.adapter, "adapter", "adapter"),
    ):
        if name and name not in models:
            serves = ", ".join(models[:MODELS_NAMED]) + ", ..." * (len(models) > MODELS_NAMED) or "nothing"
            return (
                f"{url}: serves {serves}, not the {what} {name!r} that corpus {spec.name!r} names; start the engine "
                f"with it, or correct model.{field}"
            )
    return ""


async def _is_well(session: aiohttp.ClientSession, url: str, answer_s: float) -> bool:
    try:
        await get_text(session, f"{url}/health", timeout_s=answer_s)
    except (EngineFault, EngineRefused):
        return False
    return True


async def _backend(
    session: aiohttp.ClientSession,
    url: str,
    spec: CorpusSpec,
    throttle: Throttle | None,
    *,
    unlisted: str,
    how_s: float,
) -> Backend:
    """How the server is asked. A model that its list lacks is there if it is answered for, and not if it is refused."""
    try:
        # A throttle's turn may be minutes away.
        async with asyncio.timeout(None if throttle else how_s):
            backend = await find_backend(session, url, spec, throttle=throttle, prove=bool(unlisted))
    except TimeoutError as error:
        raise EngineFault(f"{url}: has not shown within {how_s:g} s how it can be asked") from error
    except KeyRefused:
        raise
    except EngineRefused as refusal:
        raise EngineRefused(str(refusal) if unlisted.endswith(NO_LIST) else unlisted or str(refusal)) from refusal
    if unlisted:
        lacks = NO_LIST if unlisted.endswith(NO_LIST) else f"has a list of models without {spec.model.served!r}"
        note = f"it {lacks}, but answers for {spec.model.served!r}"
        return replace(backend, notes=(*backend.notes, note))
    return backend


def _way(backend: Backend) -> tuple[object, ...]:
    return backend.kind, backend.template, backend.fixed, backend.takes_n, backend.length_field


def _same(backends: dict[str, Backend]) -> Backend:
    """The one way in which all are asked. Raises EngineRefused if they differ."""
    (first, backend), *others = backends.items()
    for url, other in others:
        if _way(other) != _way(backend):
            raise EngineRefused(
                f"{first} and {url} cannot be asked in the same way ({backend.line()} / {other.line()}); give each "
                "kind a connection of its own"
            )
    return backend
