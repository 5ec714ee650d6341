"""Settings of a side: `field=value` words that change a corpus file for one side, as a command line has them."""

import copy
import re
import shlex
from pathlib import Path
from typing import Any

import yaml

from phrasemill.comparison.errors import ComparisonError
from phrasemill.corpus_file import dump_document, load_corpus, parse_corpus
from phrasemill.corpus_text import CorpusText
from phrasemill.errors import SpecError
from phrasemill.spec import CorpusSpec

FIELD = re.compile(r"[a-z_]+(\.[a-z_]+)*")
SIZES = ("target_phrases", "shard_phrases", "block_phrases")

Settings = dict[str, Any]
"""By dotted field of the corpus file, such as sampling.n, the value that takes the place of the file's."""


def read_words(text: str, *, where: str) -> dict[str, str]:
    """The `field=value` words of a text by their field; values with spaces stand in quotes.

    Raises:
        ComparisonError: a word is none, or a field is given twice.
    """
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ComparisonError(f"{where}: a quotation mark is not closed; close it") from error
    found: dict[str, str] = {}
    for word in words:
        field, equals, value = word.partition("=")
        if not equals or not FIELD.fullmatch(field):
            raise ComparisonError(
                f"{where}: {field!r} is no setting; write field=value, such as sampling.n=4, with spaces between two"
            )
        if field in found:
            raise ComparisonError(f"{where}: {field} is given twice; remove one")
        found[field] = value
    return found


def read_value(text: str, *, field: str, where: str) -> Any:  # noqa: ANN401 - whatever YAML reads it as
    """A setting's value as a corpus file would read it.

    Raises:
        ComparisonError: it is not YAML.
    """
    try:
        return yaml.safe_load(text)
    except (yaml.YAMLError, ValueError) as error:
        raise ComparisonError(f"{where}: the value of {field} is not YAML; quote it once more") from error


def spec_with(path: Path, settings: Settings, *, phrases: int, who: str) -> CorpusSpec:
    """A corpus file with some settings changed, and one shard of one block: `phrases`, rounded up to whole prompts.

    Args:
        path: of the corpus file.
        settings: what takes the place of its own.
        phrases: to grind.
        who: the side, as errors are to name it.

    Raises:
        SpecError: a mistake a line, of the file itself or of the settings.
        ComparisonError: a field lies in something that has no fields.
    """
    load_corpus(path)  # the file's own mistakes are told with its lines
    fields = copy.deepcopy(CorpusText(path.read_text(encoding="utf-8-sig"), str(path)).fields)
    for name, value in settings.items():
        _put(fields, name, value, where=f"{who}: {name}")
    rows = _whole_prompts(fields, phrases)
    fields |= dict.fromkeys(SIZES, rows) | {"oversample": 0.0}
    source = f"{who} ({path})"
    try:
        return parse_corpus(dump_document(fields), source=source)
    except SpecError as error:
        # The lines are those of a text that nobody has seen.
        lines = re.sub(rf"^{re.escape(source)}:\d+:", lambda _: f"{source}:", str(error), flags=re.MULTILINE)
        raise SpecError(lines) from error


def _put(fields: dict[str, Any], name: str, value: Any, *, where: str) -> None:  # noqa: ANN401
    *sections, last = name.split(".")
    for section in sections:
        below = fields.get(section)
        if below is None:
            below = fields[section] = {}
        if not isinstance(below, dict):
            raise ComparisonError(f"{where}: {section} has no fields of its own; set it as a whole, or change the file")
        fields = below
    fields[last] = value


def _whole_prompts(fields: dict[str, Any], phrases: int) -> int:
    """Phrases rounded up, so that samples of a prompt lie in one block whatever the sizes of the corpus."""
    sampling = fields.get("sampling")
    asked = sampling if isinstance(sampling, dict) else {}
    counts = [asked.get(name, 1) for name in ("n", "phrases_per_prompt")]
    if not all(type(count) is int and 0 < count <= phrases for count in counts):
        return phrases  # the mistake is told by the spec
    group: int = counts[0] * counts[1]
    return -(-phrases // group) * group
