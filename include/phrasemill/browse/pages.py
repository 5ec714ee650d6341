"""The pages of a release: what they show and where they lead, for whichever server frames them.

A page is drawn as the content of a frame: `phrasemill browse` and the plugin in Airflow each put their own around it.
Every text is escaped, and spelled out where it could deceive.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import urlencode

from jinja2 import Environment
from markupsafe import Markup

from phrasemill.browse.asked import Asked
from phrasemill.browse.errors import NotInRelease
from phrasemill.browse.found import Lexeme, Link, Phrase
from phrasemill.browse.mentions import Piece, pieces_of
from phrasemill.browse.phrase_rows import MAX_ID
from phrasemill.browse.reader import ReleaseReader
from phrasemill.report.environment import environment_of
from phrasemill.report.words import visible

SEEDS = 2**31
LEXEMES_SHOWN = 30

View = tuple[str, str, dict[str, Any]]
"""Template, title, and what the template is drawn from."""


@dataclass(frozen=True, slots=True)
class Shown:
    """The content of a page."""

    title: str
    content: Markup
    status: int = 200


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """An answer that leads on to another page."""

    address: str


@dataclass(frozen=True, slots=True)
class LedTo:
    """A phrase that a link leads to; None where the release does not have it."""

    link: Link
    phrase: Phrase | None


class Hypertext:
    """All pages of one release.

    Args:
        reader: of the release.
        base: the address of its first page, without a slash at its end.
        version: carried along in every address, where somebody has chosen it.
    """

    def __init__(self, reader: ReleaseReader, *, base: str, version: str = "") -> None:
        self._reader = reader
        self._base = base
        self._version = version
        self._views: dict[str, Callable[[Asked], View | Elsewhere]] = {
            "": self._start,
            "phrase": self._phrase,
            "scene": self._scene,
            "lexeme": self._lexeme,
            "word": self._word,
            "walk": self._walk,
            "random": self._random,
        }

    def answer(self, name: str, asked: Asked) -> Shown | Elsewhere:
        """A page by its name, empty for the first one; of what the release does not have, a note and 404.

        Raises:
            StoreError: the release cannot be read.
        """
        try:
            view = self._views[name](asked)
        except NotInRelease as error:
            near = self._reader.near_words(asked.q) if name == "word" else []
            said = f"{str(error)[:1].upper()}{str(error)[1:]}."
            view, status = ("note.html.j2", "Not in this release", {"said": said, "near": near}), 404
        else:
            status = 200
        if isinstance(view, Elsewhere):
            return view
        template, title, values = view
        frame = {"at": self.at, "release": self._reader.manifest, "q": asked.q if name == "word" else ""}
        frame |= {"version": self._version, "pieces": _pieces}
        content = _environment().get_template(template).render(**frame, title=title, **values)
        return Shown(title, Markup(content), status)  # noqa: S704 - drawn by a template that escapes

    def at(self, name: str = "", **query: object) -> str:
        """The address of a page."""
        asked = {key: value for key, value in query.items() if value != ""}
        if self._version:
            asked["version"] = self._version
        return self._base + (f"/{name}" if name else "") + (f"?{urlencode(asked)}" if asked else "")

    def _start(self, asked: Asked) -> View:
        seed = _seed(asked)
        phrase = self._reader.random_phrase(seed) if self._reader.manifest.phrases else None
        values = {"phrase": phrase, "counts": self._reader.counts}
        return "start.html.j2", "Hypertext", values | {"lexemes": self._reader.most_linked(LEXEMES_SHOWN)}

    def _phrase(self, asked: Asked) -> View:
        number = _whole(asked.id, "phrase")
        links = self._reader.links_from(number)
        # One look-up for the phrase and all that it leads to.
        found = {phrase.phrase_id: phrase for phrase in self._reader.phrases([number, *(li.to_id for li in links)])}
        phrase = found.get(number) or self._reader.phrase(number)
        values = {
            "phrase": phrase,
            "links": [LedTo(link, found.get(link.to_id)) for link in links],
            "lexemes": self._lexemes(phrase),
            "scene": self._reader.scene_of(phrase),
        }
        return "phrase.html.j2", f"Phrase {number:,}", values

    def _lexemes(self, phrase: Phrase) -> list[Lexeme]:
        """All lexemes of a phrase; 0 phrases where the index does not know one."""
        known = {(lexeme.slot, lexeme.lexeme): lexeme for lexeme in self._reader.lexemes_of(phrase.slots)}
        return [known.get(pair) or Lexeme(*pair, 0, linked=False) for pair in phrase.slots.items()]

    def _scene(self, asked: Asked) -> View:
        number = _whole(asked.scene, "scene")
        values = {"number": number, "last": self._reader.last_scene, "scene": self._reader.scene(number)}
        return "scene.html.j2", f"Scene {number:,}", values

    def _lexeme(self, asked: Asked) -> View:
        found = self._reader.lexeme(asked.slot, asked.lexeme, _page(asked))
        return "lexeme.html.j2", found.lexeme.lexeme, {"found": found}

    def _word(self, asked: Asked) -> View:
        found = self._reader.word(asked.q, _page(asked))
        return "word.html.j2", " ".join(found.words), {"found": found}

    def _walk(self, asked: Asked) -> View:
        number, seed = _whole(asked.id, "phrase"), _seed(asked)
        steps = self._reader.random_walk(number, seed=seed)
        return "walk.html.j2", f"A walk from phrase {number:,}", {"steps": steps, "start": number, "seed": seed}

    def _random(self, asked: Asked) -> Elsewhere:
        return Elsewhere(self.at("phrase", id=self._reader.random_phrase(_seed(asked)).phrase_id))


def _pieces(phrase: Phrase) -> list[Piece]:
    """The text of a phrase as it is shown, cut where it names its lexemes."""
    return pieces_of(visible(phrase.text), phrase.slots, language=phrase.language)


def _whole(text: str, what: str) -> int:
    """A number out of an address.

    Raises:
        NotInRelease: it is none.
    """
    plain = text.strip()
    if not (plain.isascii() and plain.isdigit() and int(plain) <= MAX_ID):
        raise NotInRelease(f"a {what} has a whole number, and “{visible(text)}” is none")
    return int(plain)


def _page(asked: Asked) -> int:
    return _whole(asked.n, "page") if asked.n else 1


def _seed(asked: Asked) -> int:
    return _whole(asked.seed, "draw") if asked.seed else secrets.randbelow(SEEDS)


@cache
def _environment() -> Environment:
    return environment_of("phrasemill.browse")
