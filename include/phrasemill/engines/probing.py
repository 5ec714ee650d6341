"""Finds out how a server can be asked, by asking it: lists, several answers of a prompt, a system message, fields.

No setting says what a server is: what it refuses is left out, in the order in which servers differ. A server that
spells out its chat template and takes lists is asked as vLLM is, every other one prompt by prompt. Only of vLLM itself,
which alone has its /version, lists are not tried: preflight then writes nothing on engines that are at work.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import aiohttp
import orjson

from phrasemill.engines.backend import CHAT, COMPLETIONS, Backend, fixed_fields, read_texts
from phrasemill.engines.chat_template import (
    BARE,
    MARK,
    NO_THINKING,
    ChatTemplate,
    folded,
    learn_template,
    messages_before,
    plain_template,
)
from phrasemill.engines.http import BadPrompt, EngineFault, KeyRefused, get_text, post_json
from phrasemill.engines.throttle import Throttle
from phrasemill.errors import EngineRefused, PhrasemillError
from phrasemill.spec import CorpusSpec

PROBE_TOKENS = 16  # reasoning models refuse to answer in one
PROBE_S = 240.0  # servers that load or compile on their first request: 39 s on idle cores, minutes on busy ones
SAMPLES = 2
REFUSALS_TOLD = 4
INTERNAL_ERROR = 500
LENGTH_FIELDS = ("max_tokens", "max_completion_tokens")


async def find_backend(
    session: aiohttp.ClientSession,
    url: str,
    spec: CorpusSpec,
    *,
    throttle: Throttle | None = None,
    names: bool = True,
    prove: bool = False,
) -> Backend:
    """Find out how the server at `url` can be asked for the corpus.

    Args:
        session: with the API key.
        url: of the server.
        spec: of the corpus.
        throttle: gives leave for requests that write something.
        prove: ask for a list of vLLM too, which shows whether the corpus's model is there.
        names: also ask what it calls itself, and how long its context is.

    Raises:
        EngineRefused: it has no way to be asked, or wants another key.
        EngineFault: it does not answer properly now.
        QuotaSpent: of the throttle, or the server's own.
    """
    probe = _Probe(session, url, spec, throttle)
    vllm = (await _told(session, f"{url}/version")).get("version")
    server, length = await _names(session, url, vllm=vllm) if names else ("", None)
    try:
        template = await _template(session, url, spec)
        if prove or not vllm:  # a proxy's refusal of vLLM's lists is met by halving them
            await probe.lists(template)
    except KeyRefused:
        raise
    except (EngineRefused, BadPrompt) as refusal:
        return await probe.chat(server=server, max_model_len=length, why=_shortened(str(refusal)))
    return in_lists(spec, template, server=server, max_model_len=length)


def in_lists(
    spec: CorpusSpec, template: ChatTemplate, *, server: str = "", max_model_len: int | None = None
) -> Backend:
    """The backend of a server that takes lists of prompts in this template."""
    return Backend(
        kind="vllm",
        max_tokens=spec.sampling.max_tokens,
        server=server,
        template=template,
        fixed=_list_fields(spec),
        list_size=spec.engines.list_size,
        max_model_len=max_model_len,
    )


async def _template(session: aiohttp.ClientSession, url: str, spec: CorpusSpec) -> ChatTemplate:
    if not spec.model.chat:
        return plain_template(spec.prompts)
    return await learn_template(session, url, model=spec.model.name, prompts=spec.prompts)


def _list_fields(spec: CorpusSpec) -> dict[str, Any]:
    # A chat template brings its own special tokens; a base model's prompt needs the tokenizer's.
    return fixed_fields(spec) | {"add_special_tokens": not spec.model.chat}


class _Probe:
    """Tries requests on one server."""

    def __init__(self, session: aiohttp.ClientSession, url: str, spec: CorpusSpec, throttle: Throttle | None) -> None:
        self._session = session
        self._url = url
        self._spec = spec
        self._throttle = throttle
        self._tokens = min(PROBE_TOKENS, spec.sampling.max_tokens)
        self._samples = min(SAMPLES, spec.sampling.n)

    async def lists(self, template: ChatTemplate) -> None:
        """Ask for a list as long as the mill's will be, a token of each prompt.

        Raises BadPrompt or EngineRefused if it takes none: text-generation-inference takes four prompts.
        """
        size = max(2, self._spec.engines.list_size // self._samples)
        body = _list_fields(self._spec) | {"prompt": [template.render(MARK)] * size, "max_tokens": 1}
        if self._samples > 1:
            body["n"] = self._samples
        answers = size * self._samples
        answer = await self._post(COMPLETIONS, body, tokens=answers)
        choices = answer.get("choices")
        if not isinstance(choices, list) or len(choices) != answers:
            raise BadPrompt(f"{self._url}{COMPLETIONS}: does not answer a list of prompts one by one")
        if 0 < _written(answer) < answers:
            raise BadPrompt(f"{self._url}{COMPLETIONS}: counts the tokens of the first answer of a list only")

    async def chat(self, *, server: str, max_model_len: int | None, why: str) -> Backend:
        """The first way of asking that the server takes; `why` it is not asked in lists."""
        refusals: list[PhrasemillError] = []
        failure: EngineFault | None = None
        for backend in self._ways(server, max_model_len, why):
            has_system = any(message["role"] == "system" for message in backend.opening)
            if failure and has_system:
                continue
            request = backend.requests([MARK], n=self._samples)[0]
            body = request.body | {backend.length_field: self._tokens}
            try:
                answer = await self._post_surely(request.path, body, tokens=self._tokens * request.answers)
                texts = read_texts(f"{self._url}{request.path}", answer, request.answers)
            except BadPrompt as refusal:
                refusals.append(refusal)
                continue
            except EngineFault as fault:
                # llama.cpp and `transformers serve` answer 500 where a chat template raises an error of its own.
                if fault.status != INTERNAL_ERROR or not has_system:
                    raise failure or fault from fault
                failure = fault
                refusals.append(fault)
                continue
            if None in texts:
                refusals.append(BadPrompt(f"{self._url}: gives one answer where {self._samples} are asked for"))
                continue
            finishes = {choice.get("finish_reason") for choice in answer["choices"]}
            if finishes == {"length"} and 0 < _written(answer) <= self._tokens * (request.answers - 1):
                refusals.append(BadPrompt(f"{self._url}: counts the tokens of one answer where several are asked for"))
                continue
            return backend
        mend = "; for a base model set model.chat to false in the corpus file" if self._spec.model.chat else ""
        raise EngineRefused(
            f"{self._url}: refuses every way of asking that is known{mend}. As a list: {why}. One by one: "
            f"{_told_apart(refusals)}"
        )

    def _ways(self, server: str, max_model_len: int | None, why: str) -> Iterator[Backend]:
        """Ways of asking in turn, from what most servers take to the barest."""
        prompts, chat = self._spec.prompts, self._spec.model.chat
        switches: tuple[dict[str, Any], ...] = ({"chat_template_kwargs": NO_THINKING}, {}) if chat else ({},)
        roles = (True, False) if chat and prompts.system else (True,)
        for system in roles:
            for length in LENGTH_FIELDS:
                for takes_n in (True, False) if self._samples > 1 else (True,):
                    for switch in switches:
                        yield self._way(
                            server, max_model_len, why, system=system, length=length, takes_n=takes_n, switch=switch
                        )

    def _way(
        self,
        server: str,
        max_model_len: int | None,
        why: str,
        *,
        system: bool,
        length: str,
        takes_n: bool,
        switch: dict[str, Any],
    ) -> Backend:
        chat, prompts = self._spec.model.chat, self._spec.prompts
        notes = [f"no lists, since {why}"]
        if chat and not switch:
            notes.append("it has no switch for thinking: what it thinks is paid for and cut off")
        if not takes_n:
            notes.append(f"n is not to be had: {self._spec.sampling.n} samples of a prompt are as many requests")
        if not system:
            notes.append("a system message is refused: its text goes before the user message")
        template = BARE if chat and system else folded(prompts) if chat else plain_template(prompts)
        return Backend(
            kind="chat",
            max_tokens=self._spec.sampling.max_tokens,
            server=server,
            template=template,
            fixed=fixed_fields(self._spec) | switch,
            opening=tuple(messages_before(prompts, system=system)) if chat else (),
            path=CHAT if chat else COMPLETIONS,
            takes_n=takes_n,
            length_field=length,
            max_model_len=max_model_len,
            notes=tuple(notes),
        )

    async def _post_surely(self, path: str, body: dict[str, Any], *, tokens: int) -> dict[str, Any]:
        """As `_post`; what is answered by 500 is asked once more, since that may have been chance."""
        try:
            return await self._post(path, body, tokens=tokens)
        except EngineFault as fault:
            if fault.status != INTERNAL_ERROR:
                raise
        return await self._post(path, body, tokens=tokens)

    async def _post(self, path: str, body: dict[str, Any], *, tokens: int) -> dict[str, Any]:
        url = f"{self._url}{path}"
        if self._throttle is None:
            return await post_json(self._session, url, body, timeout_s=PROBE_S)
        turn = await self._throttle.turn(prompt_bytes=len(orjson.dumps(body)), completion_tokens=tokens)
        billed = True
        try:
            answer = await post_json(self._session, url, body, timeout_s=PROBE_S)
        except PhrasemillError as error:
            billed = isinstance(error, EngineFault) and error.reached and not error.says_wait
            raise
        finally:
            turn.unanswered(billed=billed)  # a few tokens: what was set aside for them is near enough
        return answer


async def _names(session: aiohttp.ClientSession, url: str, *, vllm: object) -> tuple[str, int | None]:
    """What the server calls itself, and its context in tokens, as far as it tells; `vllm` is its version if it is."""
    if vllm:
        return f"vLLM {str(vllm)[:40]}", await _model_length(session, url)
    for path, name, version, length in (
        ("/info", "text-generation-inference", "version", "max_total_tokens"),
        ("/props", "llama.cpp", "build_info", ""),
    ):
        told = await _told(session, f"{url}{path}")
        if version in told:
            words = f"{name} {str(told[version])[:40]}"
            return words, _number(told.get(length)) or await _model_length(session, url)
    return "", await _model_length(session, url)


async def _model_length(session: aiohttp.ClientSession, url: str) -> int | None:
    models = (await _told(session, f"{url}/v1/models")).get("data")
    if isinstance(models, list) and models and isinstance(models[0], dict):
        meta = models[0].get("meta")
        return _number(models[0].get("max_model_len") or (isinstance(meta, dict) and meta.get("n_ctx")))
    return None


def _written(answer: dict[str, Any]) -> int:
    usage = answer.get("usage")
    return _number(usage.get("completion_tokens")) or 0 if isinstance(usage, dict) else 0


async def _told(session: aiohttp.ClientSession, url: str) -> dict[str, Any]:
    """The JSON object at a URL, {} where there is none."""
    try:
        told = orjson.loads(await get_text(session, url))
    except (EngineRefused, EngineFault, orjson.JSONDecodeError):
        return {}
    return told if isinstance(told, dict) else {}


def _shortened(text: str) -> str:
    return text if len(text) <= 160 else f"{text[:157]}..."


def _told_apart(refusals: Sequence[PhrasemillError]) -> str:
    # The first is often about a field that is left out later, and the last about one that only other servers know.
    said = dict.fromkeys(_shortened(str(refusal)) for refusal in refusals)
    return "; ".join(list(said)[:REFUSALS_TOLD])


def _number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
