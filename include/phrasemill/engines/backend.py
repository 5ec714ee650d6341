"""Backend: how the engines of a corpus are asked, as `phrasemill.engines.probing` has found it out.

Two kinds. `vllm`: lists of finished prompts to /v1/completions, in a template that was learnt from the server, with
metrics that size the windows. `chat`: one prompt a request, to /v1/chat/completions, or to /v1/completions where the
model has no chat template; any OpenAI-compatible server has that.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from phrasemill.engines.chat_template import BARE, ChatTemplate
from phrasemill.engines.http import EngineFault, Filtered
from phrasemill.listing import LIST_START, list_tokens
from phrasemill.spec import CorpusSpec

COMPLETIONS, CHAT = "/v1/completions", "/v1/chat/completions"
ACCEPTED_FINISHES = frozenset({"stop", "length", "eos_token", "stop_sequence", "eos", "model_length"})
"""OpenAI's two, text-generation-inference's, Together's `eos`, Mistral's `model_length`."""
FILTERED = "content_filter"
CHAT_IN_FLIGHT = 64
"""Requests that a chat server has at once unless limits say otherwise; text-generation-inference takes 128."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request. `completion_tokens` is the most that its answers may take together."""

    path: str
    body: dict[str, Any]
    answers: int
    prompt_bytes: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Backend:
    """What was found out about the engines of one corpus.

    `fixed` is in the body of every request, `opening` stands before the user message in a chat, `template` is put
    round the user message (of kind chat: what must go into it, such as a system text that has no place of its own).
    `notes` say in words what was missing and what is done instead.
    """

    kind: Literal["vllm", "chat"]
    max_tokens: int
    server: str = ""
    template: ChatTemplate = BARE
    fixed: dict[str, Any] = field(default_factory=dict)
    opening: tuple[dict[str, str], ...] = ()
    path: str = COMPLETIONS
    list_size: int = 1
    takes_n: bool = True
    length_field: str = "max_tokens"
    max_model_len: int | None = None
    notes: tuple[str, ...] = ()

    @property
    def list_start(self) -> str:
        """How a numbered list's answer is begun for the model; a chat server lets nobody begin it."""
        return LIST_START if self.path == COMPLETIONS else ""

    def requests(self, prompts: Sequence[str], *, n: int = 1, entries: int = 1) -> list[Request]:
        """The requests that ask for n answers of each prompt, in the order of the answers.

        One for all of kind vllm. Of kind chat one a prompt, or one an answer where the server gives one at a time.
        """
        if self.kind == "vllm":
            return [self._request(list(prompts), prompts, n=n, entries=entries)]
        if self.takes_n:
            return [self._request(prompt, [prompt], n=n, entries=entries) for prompt in prompts]
        return [self._request(prompt, [prompt], n=1, entries=entries) for prompt in prompts for _ in range(n)]

    def _request(self, asked: str | list[str], prompts: Sequence[str], *, n: int, entries: int) -> Request:
        tokens = list_tokens(self.max_tokens, entries)
        body = self.fixed | {self.length_field: tokens}
        if self.path == CHAT:
            body["messages"] = [*self.opening, {"role": "user", "content": asked}]
        else:
            body["prompt"] = asked
        if n > 1:
            body["n"] = n
        opening = sum(len(message["content"].encode()) for message in self.opening)
        size = sum(len(prompt.encode()) + opening for prompt in prompts)
        answers = len(prompts) * n
        return Request(self.path, body, answers, prompt_bytes=size, completion_tokens=tokens * answers)

    def line(self) -> str:
        """What was found and what it costs, as one log line."""
        server = f"{self.server}: " if self.server else ""
        length = f", {self.max_model_len} tokens of context" if self.max_model_len else ""
        if self.kind == "vllm":
            found = f"lists of {self.list_size} prompts to {self.path}, the fast path"
        else:
            found = (
                f"one prompt a request to {self.path}, the slow path: on vLLM, lists have 2 to 2.6 times its phrases"
            )
        return "; ".join([f"{server}{found}{length}", *self.notes])


def fixed_fields(spec: CorpusSpec) -> dict[str, Any]:
    """What every request of a corpus says, whatever the server."""
    sampling = spec.sampling
    fields: dict[str, Any] = {"model": spec.model.served, "temperature": sampling.temperature}
    if sampling.top_p < 1:
        fields["top_p"] = sampling.top_p
    if sampling.stop:
        fields["stop"] = list(sampling.stop)
    return fields


def read_texts(url: str, answer: dict[str, Any], count: int) -> list[str | None]:
    """The texts of a reply, None where the engine gave no usable answer.

    Raises:
        EngineFault: it is malformed, or has not one answer.
        Filtered: the server's filter has taken away every answer.
    """
    texts: list[str | None] = [None] * count
    finishes = set()
    try:
        for choice in answer["choices"]:
            index, text = choice["index"] if count > 1 else choice.get("index", 0), _text_of(choice)
            if not isinstance(text, str) or not 0 <= index < count:
                raise EngineFault(f"{url}: the answer is malformed (choice {index!r} of {count}: {text!r:.60})")
            finishes.add(choice["finish_reason"])
            if choice["finish_reason"] in ACCEPTED_FINISHES:
                texts[index] = text
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise EngineFault(f"{url}: the answer is malformed ({type(error).__name__}: {error})") from error
    if finishes == {FILTERED}:
        raise Filtered(f"{url}: the server's content filter has taken the answer away")
    if all(text is None for text in texts):
        raise EngineFault(f"{url}: none of the {count} choices asked for is in the answer")
    return texts


def _text_of(choice: dict[str, Any]) -> object:
    """A choice's text. Where all is thinking, the thinking, marked as what it is: a rule rejects it by its name."""
    if "message" not in choice:
        return choice["text"]
    message = choice["message"]
    thinking = message.get("reasoning_content") or message.get("reasoning")
    if message.get("content") is None:
        return f"<think>{thinking}" if isinstance(thinking, str) else ""
    return message["content"]
