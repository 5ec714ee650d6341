"""The chat template, learnt from the server, so that no tokenizer is needed on Airflow's side.

A conversation with a mark in place of the user message is rendered by /tokenize and spelt out by /detokenize;
what stands before and after the mark is the template. Prompts then go as text to /v1/completions, which takes
lists: 2 to 2.6 times the phrases of one chat request each.
"""

import logging
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import aiohttp

from phrasemill.engines.http import BadPrompt, post_json
from phrasemill.errors import EngineRefused
from phrasemill.templates import Prompts

log = logging.getLogger(__name__)

MARK = "Marmalade lighthouse"  # plain words: templates neither trim nor change them
# What Qwen3, SmolLM3 and others know this switch by. Templates that know of none do not look at it.
NO_THINKING = {"enable_thinking": False}
# Templates that have no switch end inside the model's thinking, or before it chooses a channel. What follows here
# is how the model's own format says that it has thought.
OPEN_ENDS = (
    ("<think>", "\n\n</think>\n\n"),
    ("<|start|>assistant", "<|channel|>final<|message|>"),
)

Message = dict[str, str]


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """What stands before and after the user message in a finished prompt."""

    before: str
    after: str

    def render(self, message: str) -> str:
        """Put a user message into the template."""
        return f"{self.before}{message}{self.after}"


BARE = ChatTemplate("", "")
"""No template: the prompt is the message."""


def plain_template(prompts: Prompts) -> ChatTemplate:
    """The prompt of a base model: system text, then examples, each its request, its phrase and an empty line.

    The request stands at the end with a line end after it, so that the model goes on with a phrase.
    """
    if not prompts.system and not prompts.examples:
        return BARE
    system = f"{prompts.system}\n\n" if prompts.system else ""
    examples = "".join(f"{example.prompt}\n{example.phrase}\n\n" for example in prompts.examples)
    return ChatTemplate(f"{system}{examples}", "\n")


def messages_before(prompts: Prompts, *, system: bool) -> list[Message]:
    """The messages before the request: the system text, unless `system` is false, and examples as earlier turns."""
    messages = [{"role": "system", "content": prompts.system}] if system and prompts.system else []
    for example in prompts.examples:
        messages.append({"role": "user", "content": example.prompt})
        messages.append({"role": "assistant", "content": example.phrase})
    return messages


def folded(prompts: Prompts) -> ChatTemplate:
    """The system text in front of the user message, for models that take no system message."""
    return ChatTemplate(f"{prompts.system}\n\n", "") if prompts.system else BARE


async def learn_template(session: aiohttp.ClientSession, url: str, *, model: str, prompts: Prompts) -> ChatTemplate:
    """Learn the template of the model that a vLLM server serves, with system text and examples in it.

    The model's thinking is switched off. The system text goes into the first user message if the template refuses
    a system message, or leaves its text out.

    Raises:
        EngineRefused: the server cannot render it, or what it renders does not survive a round trip.
        EngineFault: the server does not answer properly now.
    """
    refusal: BadPrompt | None = None
    for messages, extra in _ways(prompts):
        try:
            prompt = await _rendered(session, url, model, {"messages": messages, **extra})
        except BadPrompt as error:
            refusal = refusal or error
            continue
        left_out = _left_out(prompts, prompt)
        has_role = messages[0]["role"] == "system"
        if left_out == prompts.system and has_role:
            continue
        if left_out:
            raise _cannot_learn(url, model, f"it leaves out {left_out[:60]!r}")
        if prompts.system and not has_role:
            log.info("the template of %r takes no system message: its text goes into the first user message", model)
        return _parted(url, model, prompt)
    raise _cannot_learn(url, model, f"the engine refuses: {refusal}") from refusal


def _ways(prompts: Prompts) -> Iterator[tuple[list[Message], dict[str, Any]]]:
    """What to ask in turn until a server takes it: conversations, and the rest of the request."""
    request = {"role": "user", "content": MARK}
    conversations = [[*messages_before(prompts, system=True), request]]
    if prompts.system:
        first, *rest = [*messages_before(prompts, system=False), request]
        conversations.append([{"role": "user", "content": folded(prompts).render(first["content"])}, *rest])
    # Servers with Mistral's own tokenizer refuse all arguments of the template.
    for extra in ({"chat_template_kwargs": NO_THINKING}, {}):
        for conversation in conversations:
            yield conversation, extra


async def _rendered(session: aiohttp.ClientSession, url: str, model: str, asked: dict[str, Any]) -> str:
    """A conversation as the server writes it, which gives the same tokens again. Raises BadPrompt."""
    asked = {"model": model, "add_generation_prompt": True, **asked}
    tokens = (await post_json(session, f"{url}/tokenize", asked)).get("tokens")
    spelt = await post_json(session, f"{url}/detokenize", {"model": model, "tokens": tokens})
    prompt = str(spelt.get("prompt", ""))
    plain = {"model": model, "prompt": prompt, "add_special_tokens": False}
    if not prompt or (await post_json(session, f"{url}/tokenize", plain)).get("tokens") != tokens:
        raise _cannot_learn(url, model, "its text does not give its tokens again")
    return prompt


def _left_out(prompts: Prompts, prompt: str) -> str:
    """The first of the corpus's texts that the template has left out, if any."""
    told = _spaced(prompt)
    texts = [prompts.system or "", *(text for one in prompts.examples for text in (one.prompt, one.phrase))]
    return next((text for text in texts if _spaced(text) not in told), "")


def _spaced(text: str) -> str:
    # Templates trim, and some tokenizers normalise.
    return " ".join(unicodedata.normalize("NFKC", text).split())


def _parted(url: str, model: str, prompt: str) -> ChatTemplate:
    if prompt.count(MARK) != 1:
        raise _cannot_learn(url, model, f"it writes a user message {prompt.count(MARK)} times")
    before, _, after = prompt.partition(MARK)
    for end, closed in OPEN_ENDS:
        if after.rstrip().endswith(end):
            log.info("the template of %r lets the model think first: %r is written after it", model, closed)
            after = f"{after.rstrip()}{closed}"
    return ChatTemplate(before, after)


def _cannot_learn(url: str, model: str, why: str) -> EngineRefused:
    return EngineRefused(
        f"{url}: the chat template of {model!r} cannot be learnt ({why}); "
        "if it is a base model, set model.chat to false in the corpus file"
    )
