"""The text of a corpus file: its YAML, and the line and spelling of every field in it."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import yaml

from phrasemill.errors import SpecError
from phrasemill.mistakes import Place

SHOWN_CHARS = 60
QUOTES = {"'", '"'}  # PyYAML's names for the styles of quoted scalars
MERGE_KEY = "tag:yaml.org,2002:merge"
KINDS = {"bool": "true or false", "int": "a number", "float": "a number", "null": "null", "timestamp": "a date"}
TEXT = "tag:yaml.org,2002:str"


class Line(NamedTuple):
    """A mistake in a corpus file: where it is, and a line of words for the user."""

    number: int
    words: str


class CorpusText:
    """A corpus file's YAML, read once: what it says, and where it says it.

    Args:
        text: the YAML.
        source: the file's name for messages.

    Raises:
        SpecError: the text is not YAML, or not a mapping.
    """

    def __init__(self, text: str, source: str) -> None:
        self._text, self._source = text, source
        self._values: dict[Place, yaml.Node] = {}
        self._lines: dict[Place, int] = {}
        self._odd_keys: list[Line] = []
        loader = yaml.CSafeLoader(text)
        try:
            root = loader.get_single_node()
            trial = yaml.constructor.SafeConstructor()
            for scalar in self._visit(root, (), seen=set()):
                _keep_as_text_if_unreadable(trial, scalar)
            self.fields: dict[str, Any] = loader.construct_document(root) if root else {}
        except yaml.YAMLError as error:
            raise SpecError(self._not_yaml(error)) from error
        finally:
            loader.dispose()
        if not self.fields:
            raise SpecError(f"{source}: is empty; see include/corpora/demo.yaml for an example")
        if not isinstance(self.fields, dict):
            raise SpecError(f"{source}:1: must be a mapping of fields to values; see include/corpora/demo.yaml")

    @property
    def odd_keys(self) -> list[Line]:
        """Keys that are given twice, or that YAML reads as something else than text."""
        return list(self._odd_keys)

    def has(self, place: Place) -> bool:
        """Whether the file names this field."""
        return place in self._lines

    def value(self, place: Place) -> str:
        """The value of a field as it is spelt in the file, shortened; '' for a list, a mapping, or no field."""
        node = self._values.get(place)
        if not isinstance(node, yaml.ScalarNode):
            return ""
        spelt = self._text[node.start_mark.index : node.end_mark.index]
        if node.style not in QUOTES and node.tag == TEXT:
            spelt = f"'{node.value}'"
        one_line = " ".join(spelt.split())
        return one_line if len(one_line) <= SHOWN_CHARS else f"{one_line[:SHOWN_CHARS]}...{one_line[-1]}"

    def line(self, place: Place, words: str) -> Line:
        """A line about a field; a field that is not there is told at the line of the section it belongs to."""
        at = place
        while at and at not in self._lines:
            at = at[:-1]
        number = self._lines.get(at, 1)
        field = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).lstrip(".")
        return Line(number, f"{self._source}:{number}: {field}: {words}")

    def _visit(self, node: yaml.Node | None, place: Place, *, seen: set[int]) -> Iterator[yaml.ScalarNode]:
        """Note where every field is; yields the scalars. An anchor is visited where it stands, not at its aliases."""
        if node is None or id(node) in seen:
            return
        seen.add(id(node))
        self._values[place] = node
        self._lines.setdefault(place, node.start_mark.line + 1)
        if isinstance(node, yaml.ScalarNode):
            yield node
        elif isinstance(node, yaml.SequenceNode):
            for number, item in enumerate(node.value):
                yield from self._visit(item, (*place, number), seen=seen)
        elif isinstance(node, yaml.MappingNode):
            for key, value in node.value:
                if isinstance(key, yaml.ScalarNode):
                    below = (*place, key.value)
                    self._check_key(key, below)
                    self._lines[below] = key.start_mark.line + 1
                    self._values[below] = value
                    yield from self._visit(value, below, seen=seen)

    def _check_key(self, key: yaml.ScalarNode, place: Place) -> None:
        if first := self._lines.get(place):
            line = key.start_mark.line + 1
            self._lines[place] = line
            self._odd_keys.append(self.line(place, f"is given twice, first in line {first}; remove one"))
        elif key.tag not in {TEXT, MERGE_KEY}:
            self._lines[place] = key.start_mark.line + 1
            kind = KINDS.get(key.tag.rpartition(":")[2], "something else than text")
            self._odd_keys.append(self.line(place, f"is a name that YAML reads as {kind}; put it in quotes"))
            key.tag = TEXT

    def _not_yaml(self, error: yaml.YAMLError) -> str:
        if isinstance(error, yaml.reader.ReaderError):
            number = self._text.count("\n", 0, error.position) + 1
            return f"{self._source}:{number}: holds a character that YAML does not allow; remove it"
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        problem = " ".join(filter(None, (getattr(error, "context", None), getattr(error, "problem", None))))
        return (
            f"{self._source}{line}: is not valid YAML ({problem}); indent with spaces, pair quotes and brackets, "
            "and put text that holds ': ' or begins with a sign in quotes"
        )


def _keep_as_text_if_unreadable(trial: yaml.constructor.SafeConstructor, scalar: yaml.ScalarNode) -> None:
    """Some scalars look like a date or a number and are none, such as 2026-13-45; their field then says so."""
    try:
        trial.construct_object(scalar)
    except ValueError:
        scalar.tag = TEXT
