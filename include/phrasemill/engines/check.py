"""The engines' part of preflight: is anybody there, is it the right model, can its chat template be learnt."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp
import orjson

from phrasemill.engines.chat_template import BARE, ChatTemplate, learn_template
from phrasemill.engines.finding import NONE_GIVEN, LookUp, find_engines, look_up
from phrasemill.engines.http import EngineFault, get_text, open_session
from phrasemill.engines.sockets import allow_sockets
from phrasemill.errors import EngineRefused, EnginesDown
from phrasemill.spec import CorpusSpec

ANSWER_S = 10.0


@dataclass(frozen=True, slots=True)
class EngineCheck:
    """What preflight found: engines that serve the model, those that do not answer and why, and the template.

    A name that cannot be looked up is among those that do not answer.
    """

    serving: list[str]
    silent: dict[str, str]
    template: ChatTemplate


async def check_engines(
    urls: Sequence[str],
    spec: CorpusSpec,
    *,
    api_key: str | None = None,
    answer_s: float = ANSWER_S,
    look_up: LookUp = look_up,
) -> EngineCheck:
    """Ask every engine what it serves, and one for its template; each answer may take `answer_s` seconds.

    Raises:
        EngineRefused: no URL is given or one that is none, a key is wrong, or an engine serves another model.
        EnginesDown: not one engine answers.
    """
    if not urls:
        raise EngineRefused(NONE_GIVEN)
    engines = await find_engines(urls, look_up=look_up)
    allow_sockets(len(engines.urls))
    async with open_session(api_key) as session:
        found = await asyncio.gather(*(_served(session, url, spec, answer_s) for url in engines.urls))
        silent = engines.lost | {url: why for url, why in zip(engines.urls, found, strict=True) if why}
        serving = [url for url in engines.urls if url not in silent]
        if not serving:
            raise EnginesDown(f"no engine answers ({'; '.join(silent.values())}); start them, or correct the URLs")
        template = BARE
        if spec.model.chat:
            try:
                async with asyncio.timeout(answer_s):
                    template = await learn_template(
                        session, serving[0], model=spec.model.name, system=spec.prompts.system
                    )
            except (EngineFault, TimeoutError) as error:
                why = str(error) or f"{serving[0]} does not answer within {answer_s:g} s"
                raise EnginesDown(f"the chat template could not be learnt: {why}; retry") from error
    return EngineCheck(serving, silent, template)


async def _served(session: aiohttp.ClientSession, url: str, spec: CorpusSpec, answer_s: float) -> str:
    """Why the engine does not answer, or nothing if it serves the model."""
    try:
        page = await get_text(session, f"{url}/v1/models", timeout_s=answer_s)
        models = [str(model["id"]) for model in orjson.loads(page)["data"]]
    except EngineFault as fault:
        return str(fault)
    except (orjson.JSONDecodeError, KeyError, TypeError) as error:
        raise EngineRefused(f"{url}/v1/models: is no list of models; is this an OpenAI-compatible engine?") from error
    for name, what, field in (
        (spec.model.name, "model", "name"),
        (spec.model.adapter, "adapter", "adapter"),
    ):
        if name and name not in models:
            raise EngineRefused(
                f"{url}: serves {', '.join(models) or 'nothing'}, not the {what} {name!r} that corpus "
                f"{spec.name!r} names; start the engine with it, or correct model.{field}"
            )
    return ""
