"""Sides: what is compared. Corpus files, engines, named sides and varied fields, all of them times each other."""

import itertools
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from phrasemill.comparison.errors import ComparisonError
from phrasemill.comparison.settings import Settings, read_value, read_words, spec_with
from phrasemill.corpus_file import find_corpus
from phrasemill.engines.finding import read_urls
from phrasemill.serving.api_key import VARIABLE
from phrasemill.spec import CorpusSpec

MOST_SIDES = 48
NAMED_URLS = re.compile(r"(?:(?P<name>[^=:/,]+)=)?(?P<urls>(?:dns\+)?https?://.*)")
KEY_VARIABLE = re.compile(r"[A-Z_][A-Z0-9_]*")
KEY, CORPUS, ENGINES = "key", "corpus", "engines"


@dataclass(frozen=True, slots=True)
class Side:
    """One column of the table: a corpus as it is ground for it, and the engines that are asked."""

    name: str
    spec: CorpusSpec
    urls: tuple[str, ...]
    path: Path
    settings: Settings
    """What differs from the file."""
    key_variable: str = VARIABLE
    """The environment variable that holds the API key; '' sends none."""

    def api_key(self) -> str | None:
        """The key of its engines.

        Raises:
            ComparisonError: the variable that the side names is not set.
        """
        if not self.key_variable:
            return None
        key = os.environ.get(self.key_variable)
        if not key and self.key_variable != VARIABLE:
            raise ComparisonError(f"side {self.name!r}: the variable that its key= names is not set; set it")
        return key or None


@dataclass(frozen=True, slots=True)
class Change:
    """One choice on one axis: its name, and what it changes."""

    name: str
    settings: Settings = field(default_factory=dict)
    urls: tuple[str, ...] = ()
    key_variable: str | None = None
    only_corpus: str | None = None
    only_engines: str | None = None


def read_engines(text: str) -> Change:
    """`[NAME=]URL,URL [field=value ...] [key=VARIABLE]`.

    Raises:
        ComparisonError, EngineUrlWrong: it is not.
    """
    first, _, rest = text.strip().partition(" ")
    match = NAMED_URLS.fullmatch(first)
    if not match:
        raise ComparisonError(
            "--engines: begins with no URL; write URL,URL or NAME=URL,URL, and settings of these engines behind a space"
        )
    urls = read_urls(match["urls"], where="--engines")
    name = match["name"] or re.sub(r"^\S+?://", "", urls[0])
    where = f"--engines {name}"
    words = read_words(rest, where=where)
    return Change(name, urls=urls, key_variable=_key(words, where), settings=_values(words, where))


def read_side(text: str) -> Change:
    """`NAME: field=value ...`, with `corpus=NAME` and `engines=NAME` to go with one of several, and `key=VARIABLE`.

    Raises:
        ComparisonError: it is not.
    """
    name, _, rest = text.partition(":")
    name = " ".join(name.split())
    if not name or "=" in name:
        raise ComparisonError(f"--side {text!r}: has no name; write 'NAME: field=value', such as 'n4: sampling.n=4'")
    where = f"--side {name}"
    words = read_words(rest, where=where)
    return Change(
        name,
        key_variable=_key(words, where),
        only_corpus=words.pop(CORPUS, None),
        only_engines=words.pop(ENGINES, None),
        settings=_values(words, where),
    )


def read_axis(text: str) -> list[Change]:
    """`field=value,value`: a choice for each value.

    Raises:
        ComparisonError: it is not.
    """
    where = "--vary"
    words = read_words(text, where=where)
    if len(words) != 1:
        raise ComparisonError(f"{where}: takes one field, such as sampling.n=1,4,8; give --vary again for another one")
    ((name, listed),) = words.items()
    values = [read_value(value, field=name, where=f"{where} {name}") for value in listed.split(",")]
    return [Change(f"{name.rpartition('.')[2]} {value}", settings={name: value}) for value in values]


def sides_of(
    corpora: Sequence[str],
    *,
    engines: Sequence[Change],
    named: Sequence[Change] = (),
    axes: Sequence[Sequence[Change]] = (),
    phrases: int,
) -> list[Side]:
    """Every corpus with all engines, all named sides and every value of each axis.

    Raises:
        ComparisonError: they are too many, two of them have one name, or one goes with something that is not there.
        SpecError: a corpus or a setting is wrong.
    """
    paths = {path.stem: path for path in (find_corpus(name) for name in corpora)}
    if len(paths) < len(corpora):
        raise ComparisonError("two of the corpora have the same name; give each once, and call others by other names")
    if not engines:
        raise ComparisonError("no engine URL is given; name one with --engines or in PHRASEMILL_ENGINES")
    _refuse_unknown(named, corpora=list(paths), engines=[one.name for one in engines])
    choices = [[Change(name) for name in paths], engines, named or [Change("")], *axes]
    telling = [len(choices[0]) > 1, len(engines) > 1, bool(named), *(True for _ in axes)]
    chosen = [combination for combination in itertools.product(*choices) if _go_together(*combination[:3])]
    if len(chosen) > MOST_SIDES:
        raise ComparisonError(f"that is {len(chosen)} sides; {MOST_SIDES} are the most: vary fewer fields at a time")
    sides = [_side(combination, paths, telling, phrases=phrases) for combination in chosen]
    if not sides:
        raise ComparisonError("no side is left: no --side goes with a corpus and engines that are given")
    names = [side.name for side in sides]
    if twice := [name for name in names if names.count(name) > 1]:
        raise ComparisonError(f"two sides are called {twice[0]!r}; give each --side and each --engines its own name")
    return sides


def _side(combination: Sequence[Change], paths: Mapping[str, Path], telling: Sequence[bool], *, phrases: int) -> Side:
    corpus, engines = combination[:2]
    told = [change.name for change, tell in zip(combination, telling, strict=True) if tell and change.name]
    name = ", ".join(told) or corpus.name
    settings: Settings = {}
    for change in combination:
        settings |= change.settings
    keys = [change.key_variable for change in combination if change.key_variable is not None]
    path = paths[corpus.name]
    return Side(
        name=name,
        spec=spec_with(path, settings, phrases=phrases, who=f"side {name!r}"),
        urls=engines.urls,
        path=path,
        settings=settings,
        key_variable=keys[-1] if keys else VARIABLE,
    )


def _go_together(corpus: Change, engines: Change, named: Change) -> bool:
    return named.only_corpus in {None, corpus.name} and named.only_engines in {None, engines.name}


def _refuse_unknown(named: Sequence[Change], *, corpora: list[str], engines: list[str]) -> None:
    for side in named:
        for what, wanted, known in ((CORPUS, side.only_corpus, corpora), (ENGINES, side.only_engines, engines)):
            if wanted is not None and wanted not in known:
                raise ComparisonError(f"--side {side.name}: there is no {what}={wanted}; there is {', '.join(known)}")


def _key(words: dict[str, str], where: str) -> str | None:
    """Takes `key` out of the words. What stands there is never shown: it may be a key after all."""
    key = words.pop(KEY, None)
    if key and not KEY_VARIABLE.fullmatch(key):
        raise ComparisonError(
            f"{where}: key= takes the name of an environment variable, such as key=HOSTED_API_KEY, and never the key "
            "itself: others could read it here"
        )
    return key


def _values(words: Mapping[str, str], where: str) -> Settings:
    return {name: read_value(text, field=name, where=where) for name, text in words.items()}
