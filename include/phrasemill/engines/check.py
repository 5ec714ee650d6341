"""The engines' part of preflight: is anybody there, is it the right model, can its chat template be learnt."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

import aiohttp
import orjson

from phrasemill.engines.chat_template import BARE, ChatTemplate, learn_template
from phrasemill.engines.http import EngineFault, get_text
from phrasemill.errors import EngineRefused, EnginesDown
from phrasemill.spec import CorpusSpec

ANSWER_S = 10.0


@dataclass(frozen=True, slots=True)
class EngineCheck:
    """What preflight found: URLs that serve the model, URLs that do not answer and why, and the template."""

    serving: list[str]
    silent: dict[str, str]
    template: ChatTemplate


async def check_engines(
    urls: Sequence[str], spec: CorpusSpec, *, api_key: str | None = None, answer_s: float = ANSWER_S
) -> EngineCheck:
    """Ask every engine what it serves, and one for its template; each answer may take `answer_s` seconds.

    Raises:
        EngineRefused: no URL is given, a key is wrong, or an engine serves another model.
        EnginesDown: not one engine answers.
    """
    if not urls:
        raise EngineRefused("no engine URL is given; name one in the engines' connection or with --engines")
    urls = [url.rstrip("/").removesuffix("/v1") for url in urls]
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {api_key}"} if api_key else {})
    async with aiohttp.ClientSession(headers=headers) as session:
        found = await asyncio.gather(*(_served(session, url, spec, answer_s) for url in urls))
        silent = {url: why for url, why in zip(urls, found, strict=True) if why}
        serving = [url for url in urls if url not in silent]
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
