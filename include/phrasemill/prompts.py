"""PromptBook: (phrase id, attempt) -> prompt and coordinates. Pure, and the same on every machine.

Templates are interleaved by weight in a fixed pattern, so that any run of ids has them in proportion.
Within a template, ids count up an ordinal, and the ordinal walks all slot combinations through a full-cycle
permutation: no combination repeats before all are used. A re-ask jumps to another segment of the same
cycle, so that it too meets a combination that no other phrase has, as long as the cycle is SEGMENTS times
longer than the corpus.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import xxhash

from phrasemill.listing import list_request
from phrasemill.permutation import Permutation
from phrasemill.spec import CorpusSpec
from phrasemill.templates import SLOT, Template, lexeme_base

SEGMENTS = 64  # re-asks a phrase can have before segments of the cycle are met again

Ids = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Prompt:
    """One prompt with its coordinates; `slots` maps each lexicon to the base form of its lexeme."""

    text: str
    template: str
    scene: int
    slots: dict[str, str]


@dataclass(frozen=True, slots=True)
class _Draw:
    """The part of a batch that belongs to one template: where it stands, and its lexemes."""

    positions: npt.NDArray[np.intp]
    scenes: Ids
    digits: list[npt.NDArray[np.int64]]  # for each slot, indices into its lexicon


class PromptBook:
    """All prompts of a corpus."""

    def __init__(self, spec: CorpusSpec) -> None:
        self._group = spec.sampling.group
        self._list_request = list_request(spec.language, spec.sampling.phrases_per_prompt)
        self._scene_phrases = spec.prompts.scene_phrases
        self._pages = [_Page(template, spec) for template in spec.prompts.templates]
        self._pattern = _interleave([template.weight for template in spec.prompts.templates])
        self._rank = np.zeros_like(self._pattern)
        for number in range(len(self._pages)):
            mine = self._pattern == number
            self._rank[mine] = np.arange(mine.sum())

    @property
    def templates(self) -> list[str]:
        """Template names in the order of the corpus file."""
        return [page.name for page in self._pages]

    @property
    def cycles(self) -> dict[str, int]:
        """Slot combinations of each template."""
        return {page.name: page.permutation.size for page in self._pages}

    def prompt(self, phrase_id: int, attempt: int = 0) -> Prompt:
        """The prompt of one id at one attempt."""
        ids, attempts = np.array([phrase_id]), np.array([attempt])
        table = self.coordinates(ids, attempts)
        slots = dict(table.column("slots")[0].as_py())
        return Prompt(
            text=self.texts(ids, attempts)[0],
            template=table.column("template")[0].as_py(),
            scene=table.column("scene")[0].as_py(),
            slots=slots,
        )

    def texts(self, ids: Ids, attempts: Ids) -> list[str]:
        """User messages for ids and attempts (1-d, equal length), in their order."""
        texts: list[str] = [""] * len(ids)
        for page, draw in self._draws(ids, attempts):
            for position, text in zip(draw.positions.tolist(), page.render(draw), strict=True):
                texts[position] = text
        if self._list_request:  # re-asks ask for one phrase each
            return [text if again else self._list_request + text for text, again in zip(texts, attempts, strict=True)]
        return texts

    def coordinates(self, ids: Ids, attempts: Ids) -> pa.Table:
        """Columns template (dictionary), scene (int64) and slots (map of string to string), a row an id."""
        tables, positions = [], []
        for page, draw in self._draws(ids, attempts):
            tables.append(page.columns(draw, self.templates))
            positions.append(draw.positions)
        order = np.argsort(np.concatenate(positions), kind="stable")
        table = pa.concat_tables(tables).combine_chunks().take(pa.array(order))
        return table.combine_chunks()

    def _draws(self, ids: Ids, attempts: Ids) -> list[tuple["_Page", _Draw]]:
        group, offset = np.divmod(ids, self._group)
        turn, place = np.divmod(group, len(self._pattern))
        number = self._pattern[place]
        scenes = scene_numbers(ids, group=self._group, scene_phrases=self._scene_phrases)
        draws = []
        for index, page in enumerate(self._pages):
            positions = np.flatnonzero(number == index)
            if positions.size:
                ordinals = turn[positions] * page.weight + self._rank[place[positions]]
                again = attempts[positions]
                # A group shares its first prompt; its re-asks part ways.
                ordinals = np.where(again > 0, ordinals * self._group + offset[positions], ordinals)
                draws.append((page, _Draw(positions, scenes[positions], page.digits(ordinals, again))))
        return draws


def scene_numbers(ids: Ids, *, group: int, scene_phrases: int) -> Ids:
    """Scenes of phrases: they hang on the id alone, whatever the attempt, and never fall as ids rise.

    Args:
        ids: of phrases.
        group: consecutive phrases that share a prompt, `Sampling.group`.
        scene_phrases: of the corpus file; a group is never cut.
    """
    return ids // group * group // scene_phrases + 1


class _Page:
    """One template with its lexicons and its permutation."""

    def __init__(self, template: Template, spec: CorpusSpec) -> None:
        self.name, self.weight = template.name, template.weight
        self.permutation = Permutation(spec.prompts.cycle(template), xxhash.xxh3_64_intdigest(template.name.encode()))
        self._segment = max(1, self.permutation.size // SEGMENTS)
        self._lexicons = [slot.partition(".")[0] for slot in template.slots]
        lexemes = [spec.prompts.lexicons[name] for name in self._lexicons]
        self._bases = [[lexeme_base(lexeme) for lexeme in lexicon] for lexicon in lexemes]
        forms = [
            [lexeme if isinstance(lexeme, str) else lexeme[slot.partition(".")[2]] for lexeme in lexicon]
            for slot, lexicon in zip(template.slots, lexemes, strict=True)
        ]
        self._forms = dict(zip(template.slots, forms, strict=True))
        self._format, self._order = _format_of(template)

    def digits(self, ordinals: Ids, attempts: Ids) -> list[npt.NDArray[np.int64]]:
        """For each slot the index of its lexeme, by ordinal and attempt."""
        size = np.uint64(self.permutation.size)
        jump = attempts.astype(np.uint64) % np.uint64(SEGMENTS) * np.uint64(self._segment)
        # Past the last segment attempts go round again, one combination further on.
        laps = attempts.astype(np.uint64) // np.uint64(SEGMENTS)
        number = self.permutation((ordinals.astype(np.uint64) % size + jump + laps) % size)
        digits = []
        for bases in self._bases:
            number, digit = np.divmod(number, np.uint64(len(bases)))
            digits.append(digit.astype(np.int64))
        return digits

    def render(self, draw: _Draw) -> list[str]:
        """User messages of a draw."""
        columns: dict[str, Sequence[str | int]] = {"i": draw.scenes.tolist()}
        for (slot, forms), digit in zip(self._forms.items(), draw.digits, strict=True):
            columns[slot] = [forms[index] for index in digit.tolist()]
        return [self._format % row for row in zip(*(columns[slot] for slot in self._order), strict=True)]

    def columns(self, draw: _Draw, templates: list[str]) -> pa.Table:
        """Template, scene and slots of a draw."""
        count, width = len(draw.positions), len(self._lexicons)
        lexemes, keys = self._flat
        flat = np.stack(draw.digits, axis=1) + self._starts
        slots = pa.MapArray.from_arrays(
            pa.array(np.arange(count + 1, dtype=np.int32) * width),
            keys.take(pa.array(np.tile(np.arange(width), count))),
            lexemes.take(pa.array(flat.ravel())),
        )
        number = np.full(count, templates.index(self.name), dtype=np.int32)
        return pa.table(
            {
                "template": pa.DictionaryArray.from_arrays(pa.array(number), pa.array(templates)),
                "scene": pa.array(draw.scenes, pa.int64()),
                "slots": slots,
            }
        )

    @cached_property
    def _flat(self) -> tuple[pa.Array, pa.Array]:
        """All lexemes of all slots in one array, and the slots' names."""
        return pa.array([base for bases in self._bases for base in bases]), pa.array(self._lexicons)

    @cached_property
    def _starts(self) -> npt.NDArray[np.int64]:
        """Where each slot's lexemes begin in the flat array."""
        return np.cumsum([0, *(len(bases) for bases in self._bases[:-1])], dtype=np.int64)


def _interleave(weights: Sequence[int]) -> npt.NDArray[np.int64]:
    """Template numbers for one turn of sum(weights) phrases, each spread as evenly as it goes."""
    slots = [((k + 0.5) / weight, number) for number, weight in enumerate(weights) for k in range(weight)]
    return np.array([number for _, number in sorted(slots)], dtype=np.int64)


def _format_of(template: Template) -> tuple[str, list[str]]:
    """The template as a %-format, and the slots it takes, `i` among them."""
    literals = SLOT.split(template.text.replace("%", "%%"))
    return "%s".join(literals[::2]), literals[1::2]
