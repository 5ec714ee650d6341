"""What a client asks: JSON bodies checked the way vLLM checks them. Values in, values out."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

import orjson

from phrasemill.engines.fake import tokens
from phrasemill.engines.fake.families import Family, TemplateRefused

MAX_PROMPTS = 1024  # VLLM_MAX_COMPLETION_PROMPTS
MAX_SEQUENCES = 16_384  # VLLM_MAX_N_SEQUENCES
DEFAULT_MAX_TOKENS = 16
# Settings whose effect a client would look for in the answer, and that the fake does not have.
UNSUPPORTED = ("stream", "echo", "logprobs", "prompt_logprobs", "suffix", "prompt_embeds", "use_beam_search")


ERROR_TYPES = {
    400: "BadRequestError",
    401: "AuthenticationError",
    403: "PermissionDeniedError",
    404: "NotFoundError",
    429: "RateLimitError",
    503: "ServiceUnavailableError",
}


class RequestRefused(Exception):
    """The request is answered with an HTTP error."""

    def __init__(self, message: str, *, status: int = 400, param: str | None = None, code: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.param = param
        self.code = code  # for APIs that name the reason in a word, as vLLM does not

    def to_json(self) -> dict[str, Any]:
        """The error body, as vLLM writes it."""
        kind = ERROR_TYPES.get(self.status, "InternalServerError")
        error = {"message": self.message, "type": kind, "param": self.param, "code": self.status}
        return {"error": error}


@dataclass(slots=True)
class Ask:
    """A checked request for text: prompts as text, with their token counts and how much to write to each."""

    model: str
    prompts: list[str]
    prompt_tokens: list[int]
    max_tokens: list[int]
    n: int
    stop: tuple[str, ...]
    keep_stop: bool
    ignore_eos: bool

    @property
    def most_tokens(self) -> int:
        """Tokens of all prompts and of the longest answers to them."""
        return sum(self.prompt_tokens) + self.n * sum(self.max_tokens)


@dataclass(slots=True)
class Served:
    """What decides whether a request is answerable: the names served, own name first, context, chat template."""

    names: Collection[str]
    max_model_len: int
    family: Family


def read_json(raw: bytes) -> dict[str, Any]:
    """The JSON object of a body. Raises RequestRefused."""
    try:
        body = orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        raise RequestRefused(f"JSON decode error: {error}") from None
    if not isinstance(body, dict):
        raise RequestRefused("Input should be a valid dictionary or object to extract fields from")
    return body


def read_completion(body: dict[str, Any], served: Served) -> Ask:
    """A /v1/completions body as an Ask. Raises RequestRefused."""
    prompts, counts = _prompts(body)
    asked = body.get("max_tokens")
    limit = DEFAULT_MAX_TOKENS if asked is None else asked
    if not isinstance(limit, int) or isinstance(limit, bool):
        raise RequestRefused("Input should be a valid integer", param="max_tokens")
    return _ask(body, served, prompts=prompts, counts=counts, limits=[limit] * len(prompts))


def read_chat(body: dict[str, Any], served: Served) -> Ask:
    """A /v1/chat/completions body as an Ask of one templated prompt. Raises RequestRefused."""
    prompt = _chat_prompt(body, served.family)
    counted = tokens.count(prompt)
    asked = body.get("max_completion_tokens", body.get("max_tokens"))
    limit = max(1, served.max_model_len - counted) if asked is None else asked
    if not isinstance(limit, int) or isinstance(limit, bool):
        raise RequestRefused("Input should be a valid integer", param="max_tokens")
    return _ask(body, served, prompts=[prompt], counts=[counted], limits=[limit])


def read_tokenize(body: dict[str, Any], served: Served) -> list[int]:
    """The token ids that a /tokenize body asks for, of `prompt` or of `messages`. Raises RequestRefused."""
    if "messages" in body:
        prompt = _chat_prompt(body, served.family)
        return tokens.encode(prompt, add_special_tokens=_flag(body, "add_special_tokens", default=False))
    text = body.get("prompt")
    if not isinstance(text, str):
        raise RequestRefused("Field required: prompt (a string) or messages", param="prompt")
    return tokens.encode(text, add_special_tokens=_flag(body, "add_special_tokens"))


def read_detokenize(body: dict[str, Any]) -> str:
    """The text of a /detokenize body's `tokens`. Raises RequestRefused."""
    ids = body.get("tokens")
    if not isinstance(ids, list) or not all(isinstance(token, int) for token in ids):
        raise RequestRefused("Input should be a valid list of integers", param="tokens")
    return _decode(ids)


def check_model(body: dict[str, Any], served: Served) -> str:
    """The model asked for; a body that names none gets the engine's own. Raises RequestRefused (404)."""
    model = body.get("model")
    if model is None:
        return next(iter(served.names))
    if model not in served.names:
        raise RequestRefused(f"The model `{model}` does not exist.", status=404, param="model", code="model_not_found")
    return str(model)


def read_messages(body: dict[str, Any]) -> list[tuple[str, str]]:
    """Role and text of the `messages` of a body. Raises RequestRefused."""
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        raise RequestRefused("Field required: messages, a list that is not empty", param="messages")
    return [_message(message) for message in messages]


def _chat_prompt(body: dict[str, Any], family: Family) -> str:
    arguments = body.get("chat_template_kwargs") or {}
    if not isinstance(arguments, dict):
        raise RequestRefused("Input should be a valid dictionary", param="chat_template_kwargs")
    if arguments and not family.arguments:
        raise RequestRefused("chat_template is not supported for Mistral tokenizers.")
    thinking = arguments.get("enable_thinking") is not False
    try:
        return family.prompt(read_messages(body), opened=_flag(body, "add_generation_prompt"), thinking=thinking)
    except TemplateRefused as error:
        raise RequestRefused(str(error)) from None


def _message(message: object) -> tuple[str, str]:
    if isinstance(message, dict) and isinstance(message.get("role"), str):
        content = message.get("content")
        if isinstance(content, str):
            return message["role"], content
        if isinstance(content, list) and all(isinstance(part, dict) for part in content):
            texts = [part.get("text") for part in content if part.get("type") == "text"]
            if len(texts) == len(content) and all(isinstance(text, str) for text in texts):
                return message["role"], "\n".join(texts)
    raise RequestRefused("a message needs a role and a content of text", param="messages")


def _prompts(body: dict[str, Any]) -> tuple[list[str], list[int]]:
    prompt = body.get("prompt")
    if prompt is None or prompt in ("", []):
        raise RequestRefused("Either prompt or prompt_embeds must be provided and non-empty.", param="prompt")
    if isinstance(prompt, str) or (isinstance(prompt, list) and isinstance(prompt[0], int)):
        prompt = [prompt]
    if not isinstance(prompt, list):
        raise RequestRefused("prompt is a string, a list of token ids, or a list of either", param="prompt")
    if len(prompt) > MAX_PROMPTS:
        raise RequestRefused(
            f"prompt list length {len(prompt)} exceeds the maximum allowed count of {MAX_PROMPTS}. To "
            "increase this limit, set the VLLM_MAX_COMPLETION_PROMPTS environment variable.",
            param="prompt",
        )
    if all(isinstance(one, str) for one in prompt):
        begin = _flag(body, "add_special_tokens")
        return prompt, [count + begin for count in map(tokens.count, prompt)]
    if all(isinstance(one, list) and all(isinstance(token, int) for token in one) for one in prompt):
        return [_decode(one) for one in prompt], [len(one) for one in prompt]
    raise RequestRefused("prompt is a string, a list of token ids, or a list of either", param="prompt")


def _decode(ids: list[int]) -> str:
    try:
        return tokens.decode(ids)
    except tokens.UnknownToken as error:
        raise RequestRefused(str(error)) from None


def _ask(body: dict[str, Any], served: Served, *, prompts: list[str], counts: list[int], limits: list[int]) -> Ask:
    model = check_model(body, served)
    for name in UNSUPPORTED:
        if body.get(name):
            raise RequestRefused(f"{name} is not supported by the fake engine", param=name)
    n = body.get("n", 1)
    n = 1 if n is None else n
    temperature = body.get("temperature")
    _require(isinstance(n, int) and 1 <= n <= MAX_SEQUENCES, f"n must be at least 1, got {n}.", param="n")
    _require(min(limits) >= 1, f"max_tokens must be at least 1, got {min(limits)}.", param="max_tokens")
    _require(
        temperature is None or (isinstance(temperature, int | float) and temperature >= 0),
        f"temperature must be non-negative, got {temperature}.",
        param="temperature",
    )
    _require(n == 1 or temperature != 0, f"n must be 1 when using greedy sampling, got {n}.", param="n")
    _check_context(counts, limits, served.max_model_len)
    stop = body.get("stop") or ()
    return Ask(
        model=model,
        prompts=prompts,
        prompt_tokens=counts,
        max_tokens=limits,
        n=n,
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        keep_stop=_flag(body, "include_stop_str_in_output", default=False),
        ignore_eos=_flag(body, "ignore_eos", default=False),
    )


def _check_context(counts: list[int], limits: list[int], max_model_len: int) -> None:
    for counted, limit in zip(counts, limits, strict=True):
        if counted + limit > max_model_len:
            raise RequestRefused(
                f"You passed {counted} input tokens and requested {limit} output tokens. However, the "
                f"model's context length is only {max_model_len} tokens, resulting in a maximum input length of "
                f"{max_model_len - limit} tokens. Please reduce the length of the input prompt.",
                param="input_tokens",
                code="context_length_exceeded",
            )


def _require(kept: bool, message: str, *, param: str) -> None:
    if not kept:
        raise RequestRefused(message, param=param)


def _flag(body: dict[str, Any], name: str, *, default: bool = True) -> bool:
    given = body.get(name)
    if given is not None and not isinstance(given, bool):
        raise RequestRefused("Input should be a valid boolean", param=name)
    return default if given is None else given
