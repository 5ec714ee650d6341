"""The chat template, learnt from the server, so that no tokenizer is needed on Airflow's side.

A conversation with a mark in place of the user message is rendered by /tokenize and spelt out by /detokenize;
what stands before and after the mark is the template. Prompts then go as text to /v1/completions, which takes
lists: 2 to 2.6 times the phrases of one chat request each.
"""

from dataclasses import dataclass

import aiohttp

from phrasemill.engines.http import BadPrompt, post_json
from phrasemill.errors import EngineRefused

MARK = "Marmalade lighthouse"  # plain words: templates neither trim nor change them


@dataclass(frozen=True, slots=True)
class ChatTemplate:
    """What stands before and after the user message in a finished prompt."""

    before: str
    after: str

    def render(self, message: str) -> str:
        """Put a user message into the template."""
        return f"{self.before}{message}{self.after}"


BARE = ChatTemplate("", "")
"""The template of base models: none."""


async def learn_template(session: aiohttp.ClientSession, url: str, *, model: str, system: str | None) -> ChatTemplate:
    """Learn the template of the model that a vLLM server serves.

    Raises:
        EngineRefused: the server cannot render it, or what it renders does not survive a round trip.
        EngineFault: the server does not answer properly now.
    """
    messages = [{"role": "system", "content": system}] if system else []
    messages.append({"role": "user", "content": MARK})
    asked = {"model": model, "messages": messages, "add_generation_prompt": True}
    try:
        tokens = (await post_json(session, f"{url}/tokenize", asked)).get("tokens")
        spelt = await post_json(session, f"{url}/detokenize", {"model": model, "tokens": tokens})
        prompt = str(spelt.get("prompt", ""))
        plain = {"model": model, "prompt": prompt, "add_special_tokens": False}
        faithful = prompt and (await post_json(session, f"{url}/tokenize", plain)).get("tokens") == tokens
    except BadPrompt as refusal:
        raise _cannot_learn(url, model, f"the engine refuses: {refusal}") from refusal
    before, _, after = prompt.partition(MARK)
    if prompt.count(MARK) != 1 or not faithful:
        raise _cannot_learn(url, model, "its text does not give its tokens again")
    return ChatTemplate(before, after)


def _cannot_learn(url: str, model: str, why: str) -> EngineRefused:
    return EngineRefused(
        f"{url}: the chat template of {model!r} cannot be learnt ({why}); "
        "set model.chat to false in the corpus file and write whole prompts in the templates"
    )
