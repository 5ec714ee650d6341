"""Chat templates by family of models, as data: what each writes round a conversation, and what it refuses."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

import yaml

TEXT = "{text}"
DEFAULT_FAMILY = "chatml"
NO_TEMPLATE = "base"


class TemplateRefused(ValueError):
    """The template of a family raises its exception, or there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """How a family of models writes a conversation; families.yaml says what each field means."""

    name: str
    user: str
    assistant: str
    opening: str
    begin: str = ""
    system: str = ""
    system_goes: Literal["own", "refused", "dropped", "first_user", "last_user"] = "own"
    default: str | None = None
    thinking_off: str = ""
    refusal: str = ""
    arguments: bool = True

    def prompt(self, messages: Sequence[tuple[str, str]], *, opened: bool = True, thinking: bool = True) -> str:
        """Messages (role, content) as the family writes them. `opened` is vLLM's add_generation_prompt.

        Raises TemplateRefused.
        """
        if self.name == NO_TEMPLATE:
            raise TemplateRefused(self.refusal)
        given = messages[0][1] if messages[0][0] == "system" else None
        if given is not None and self.system_goes == "refused":
            raise TemplateRefused(self.refusal)
        turns = list(messages[given is not None :])
        system = self.default if given is None else given
        begin = self.begin
        if system is not None and self.system_goes == "own":
            begin += self.system.replace(TEXT, system)
        elif system and turns and self.system_goes in {"first_user", "last_user"}:
            place = 0 if self.system_goes == "first_user" else -1
            turns[place] = (turns[place][0], f"{system}\n\n{turns[place][1]}")
        opening = f"{self.opening}{'' if thinking else self.thinking_off}" if opened else ""
        return begin + "".join(self._turn(role, content) for role, content in turns) + opening

    def last_user_turn(self, prompt: str) -> str:
        """What the user said last in a prompt; the whole prompt if it has no user turn."""
        if self.name == NO_TEMPLATE:
            return prompt.rstrip("\n").rpartition("\n\n")[2]
        begin, _, end = self.user.partition(TEXT)
        _, found, rest = prompt.rpartition(begin)
        return rest.partition(end or self.assistant.partition(TEXT)[0])[0] if found else prompt

    def _turn(self, role: str, content: str) -> str:
        written = {"user": self.user, "assistant": self.assistant, "system": self.system}.get(role, "")
        if not written:
            raise TemplateRefused(f"the template knows no role {role!r} here")
        return written.replace(TEXT, content)


@cache
def families() -> dict[str, Family]:
    """All families by name."""
    text = files("phrasemill.engines.fake").joinpath("families.yaml").read_text(encoding="utf-8")
    return {name: Family(name=name, **pieces) for name, pieces in yaml.safe_load(text)["families"].items()}
