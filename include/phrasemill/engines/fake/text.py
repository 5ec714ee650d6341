"""What the fake engine writes: good sentences, and every kind of bad answer that real models give."""

import re
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from phrasemill.engines.fake import lexicons as words
from phrasemill.engines.fake import supply
from phrasemill.engines.fake.families import DEFAULT_FAMILY, families

HUGE_CHARS = 100_000
FEW = 8  # distinct texts of `duplicates`, distinct bases at a time of `near_duplicates`
NEAR = 50  # near-duplicates of one base
# Stand-ins for what no JSON encoder writes; `restore_broken` puts the real bytes in their place.
LONE_SURROGATE, INVALID_UTF8 = "\uf8f0", "\uf8f1"
BROKEN_BYTES = ((LONE_SURROGATE.encode(), b"\\ud800"), (INVALID_UTF8.encode(), b"\xff\xfe"))
LONGEST_LIST = 128
LIST_ASKED = re.compile(r"(?:list from 1 to|списком от 1 до) (\d+)")
GOLDEN = 2_654_435_769  # 2**32 times the golden ratio's fraction: its multiples spread evenly over 2**32

EN_REFUSALS = (
    "As an AI language model, I cannot write about {thing}.",
    "I'm sorry, but I can't assist with that request about {thing}.",
    "Sure, here is a vivid sentence about {thing} for you.",
    "I cannot create content that mentions {thing} in this way.",
    "As an AI, I do not have feelings about {thing} or opinions of it.",
)
RU_REFUSALS = (
    "Как языковая модель, я не могу написать про {thing}.",
    "Извините, но я не могу помочь с просьбой про {thing}.",
    "Конечно, вот предложение про {thing} для вас.",
    "К сожалению, я не могу написать текст, где есть {thing}.",
    "Как ИИ, я не имею мнения про {thing} и не могу судить.",
)


class Answer(NamedTuple):
    """One output: its text, and its finish reason if the mode decides it (then max_tokens does not cut it)."""

    text: str
    finish_reason: str | None = None


class TextMaker:
    """Texts by serial number, the same for the same (seed, mode, serial, prompt)."""

    def __init__(
        self,
        *,
        seed: int,
        text: str = "good",
        bad_modes: Sequence[str] = (),
        bad_share: float = 0.0,
        family: str = DEFAULT_FAMILY,
        sentences: Sequence[str] = (),
    ) -> None:
        self.sentences = sentences
        self.last_user_turn = families()[family].last_user_turn
        self.russian = text.endswith("_ru")
        self._good = supply.russian(seed) if self.russian else supply.english(seed)
        self._mode = text
        self._bad_modes = tuple(bad_modes)
        self._bad_share = bad_share
        self._other: supply.SentenceSupply | None = None
        self._seed = seed

    def answer(self, serial: int, prompt: str) -> Answer:
        """The output with this serial number to this prompt."""
        if self._bad_share and falls_in(serial, self._bad_share):
            return self.in_mode(self._bad_modes[serial % len(self._bad_modes)], serial, prompt=prompt)
        return self.in_mode(self._mode, serial, prompt=prompt)

    def in_mode(self, mode: str, serial: int, *, prompt: str) -> Answer:
        """The output with this serial number in a given mode."""
        return TEXT_MODES[mode](self, serial, prompt)

    def good(self, serial: int) -> str:
        """A good sentence of this maker's language."""
        return self._good.at(serial)

    def sentence(self, serial: int) -> str:
        """A line of the file of sentences, which is gone through in turn."""
        # Each round begins one line later, else a bad mode's turn (serial % modes) would always meet the same lines.
        return self.sentences[(serial + serial // len(self.sentences)) % len(self.sentences)]

    def good_in(self, serial: int, *, russian: bool) -> str:
        """A good sentence of either language, whatever this maker's own is."""
        if russian == self.russian:
            return self._good.at(serial)
        self._other = self._other or (supply.russian if russian else supply.english)(self._seed)
        return self._other.at(serial)

    def start(self, serial: int) -> tuple[str, str]:
        """The beginning and the middle of a good sentence of this maker's language."""
        return self._good.start_at(serial)

    def noun(self, serial: int) -> str:
        """A noun ('lantern'), another one each time for as long as they last."""
        nouns = words.RU_OBJECTS if self.russian else words.EN_OBJECTS
        return nouns[serial % len(nouns)]

    def thing(self, serial: int) -> str:
        """A noun with an adjective ('the copper lantern'); a few thousand of them."""
        adjectives = words.RU_OBJECT_ADJECTIVES if self.russian else words.EN_OBJECT_ADJECTIVES
        round_, k = divmod(serial, len(adjectives))
        return f"{'' if self.russian else 'the '}{adjectives[k]} {self.noun(round_ + k)}"


def falls_in(serial: int, share: float) -> bool:
    """Whether this serial number is one of a share of them all, evenly spread and always the same ones."""
    return serial * GOLDEN % 2**32 < share * 2**32


def restore_broken(body: bytes) -> bytes:
    """Put the bytes that JSON cannot hold in the place of their stand-ins in an encoded body."""
    for stand_in, broken in BROKEN_BYTES:
        body = body.replace(stand_in, broken)
    return body


def _repetitive(maker: TextMaker, serial: int, _prompt: str) -> Answer:
    beginning, middle = maker.start(serial)
    conjunction, drawn_out, again = (
        ("и", f"оч{'е' * 24}нь", "снова") if maker.russian else ("and", f"s{'o' * 24}", "again")
    )
    kinds = (
        f"{beginning}{middle} {conjunction}{middle} {again}.",
        f"{beginning} {drawn_out}{middle}.",
        f"{beginning}{middle}{(' ' + maker.noun(serial).rpartition('-')[2]) * 4}.",
    )
    return Answer(kinds[serial % len(kinds)])


def _wrong_language(maker: TextMaker, serial: int, _prompt: str) -> Answer:
    if serial % 2:
        return Answer(maker.good_in(serial, russian=not maker.russian))
    return Answer(supply.ukrainian(serial // 2) if maker.russian else supply.german(serial // 2))


def _refusals(maker: TextMaker, serial: int, _prompt: str) -> Answer:
    refusals = RU_REFUSALS if maker.russian else EN_REFUSALS
    return Answer(refusals[serial % len(refusals)].format(thing=maker.thing(serial)))


def _truncated(maker: TextMaker, serial: int, _prompt: str) -> Answer:
    text = maker.good(serial)
    return Answer(text[: len(text) * 2 // 3].rstrip(" ,"), "length")


def _near_duplicates(maker: TextMaker, serial: int, _prompt: str) -> Answer:
    # FEW bases, each with NEAR last words, make a cluster; the next cluster has new bases, so none repeats.
    base = maker.good(serial // (FEW * NEAR) * FEW + serial % FEW).removesuffix(".")
    like = "и тот самый" if maker.russian else "and that same"
    return Answer(f"{base} {like} {maker.noun(serial // FEW % NEAR)}.")


def _markdown(maker: TextMaker, serial: int, _prompt: str) -> Answer:
    text, more = maker.good(serial), maker.good(serial + 1)
    before, bold, after = text.split(" ", 2)
    kinds = (
        f"- {text}\n- {more}",
        f"{before} **{bold}** {after}",
        f"# {maker.noun(serial)}\n\n{text}",
        f"1. {text}\n2. {more}",
    )
    return Answer(kinds[serial % len(kinds)])


def _numbered(maker: TextMaker, serial: int, prompt: str, *, gap: bool = False) -> Answer:
    """As many sentences as the prompt asks for in a numbered list; one sentence to a prompt that asks for none."""
    asked = LIST_ASKED.search(maker.last_user_turn(prompt))
    if asked is None:
        return Answer(maker.good(serial * LONGEST_LIST))
    count = min(int(asked[1]), LONGEST_LIST - 1)
    numbers = [number for number in range(1, count + 1) if not (gap and number == 2)]
    return Answer("\n".join(f"{number}. {maker.good(serial * LONGEST_LIST + number)}" for number in numbers))


def _huge(maker: TextMaker, serial: int, _prompt: str) -> Answer:
    # Every other one never ends a sentence, so that taking the first sentence does not save it.
    text = maker.good(serial).rstrip("." if serial % 2 else " ") + " "
    return Answer((text * (HUGE_CHARS // len(text) + 1))[:HUGE_CHARS], "stop")


def _thinking(before: str, after: str) -> Callable[[TextMaker, int, str], Answer]:
    """A good sentence after a thought between two tags; every other thought is cut off before its end."""

    def mode(maker: TextMaker, serial: int, _prompt: str) -> Answer:
        thought = f"{before}{maker.good(2 * serial)} {maker.good(2 * serial + 1)}"
        return Answer(thought, "length") if serial % 2 else Answer(f"{thought}{after}{maker.good(2 * serial)}")

    return mode


def _continued(maker: TextMaker, serial: int, prompt: str) -> Answer:
    """What a base model writes: a sentence, and then the next example of its prompt's kind."""
    return Answer(f"{maker.good(2 * serial)}\n\n{maker.last_user_turn(prompt)}\n{maker.good(2 * serial + 1)}\n")


def _spoilt(stand_in: str) -> Callable[[TextMaker, int, str], Answer]:
    """A good sentence with something in its middle that no text should hold."""
    return lambda maker, serial, _prompt: Answer(maker.good(serial).replace(" ", f" {stand_in}", 2))


TEXT_MODES: dict[str, Callable[[TextMaker, int, str], Answer]] = {
    "good": lambda maker, serial, _prompt: Answer(maker.good_in(serial, russian=False)),
    "good_ru": lambda maker, serial, _prompt: Answer(maker.good_in(serial, russian=True)),
    "sentences": lambda maker, serial, _prompt: Answer(maker.sentence(serial)),
    "repetitive": _repetitive,
    "wrong_language": _wrong_language,
    "refusals": _refusals,
    "truncated": _truncated,
    "echo": lambda maker, _serial, prompt: Answer(maker.last_user_turn(prompt)),
    "near_duplicates": _near_duplicates,
    "duplicates": lambda maker, serial, _prompt: Answer(maker.good(serial % FEW)),
    "markdown": _markdown,
    "numbered": _numbered,
    "numbered_with_a_gap": partial(_numbered, gap=True),
    "thinking": _thinking("<think>\n", "\n</think>\n\n"),
    "thinking_in_brackets": _thinking("[THINK]", "[/THINK]"),
    "thinking_in_channels": _thinking("analysis", "assistantfinal"),
    "thinking_of_nothing": lambda maker, serial, _prompt: Answer(f"<think>\n\n</think>\n\n{maker.good(serial)}"),
    "continued": _continued,
    "empty": lambda _maker, _serial, _prompt: Answer(""),
    "whitespace": lambda _maker, serial, _prompt: Answer((" \n\t ", "\n\n", "\u00a0 \u2003")[serial % 3]),
    "huge": _huge,
    "nul": _spoilt("\x00"),
    "lone_surrogate": _spoilt(LONE_SURROGATE),
    "invalid_utf8": _spoilt(INVALID_UTF8),
}
"""Text modes by name. Bad ones speak Russian where the maker's own mode is `good_ru`, English otherwise."""
