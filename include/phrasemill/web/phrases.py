"""Random phrases of a corpus for its page: from a few committed shards, of one template or with one lexeme.

Of a shard's rows only the columns that are shown are decoded (6 ms for 25,000 rows; all of them take 31 ms), and the
most recent tables are kept. `Another ten` draws from the same shards DRAWS_OF_SHARDS times before it goes on to others.
"""

import random
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from phrasemill.errors import PhrasemillError, StoreError
from phrasemill.report.words import visible
from phrasemill.spec import CorpusSpec
from phrasemill.store.corpus_store import CorpusStore, in_parallel
from phrasemill.store.shard_index import ShardEntry
from phrasemill.templates import lexeme_base

SHARDS_READ = 3
DRAWS_OF_SHARDS = 10
DRAWN = 10
MAX_SEED = 2**31
COLUMNS = ["phrase_id", "text", "template", "scene", "slots"]
KEPT_BYTES = 64_000_000
"""Of decoded tables: 25,000 phrases of 100 characters take about 4.4 MB."""


class FilterMistake(PhrasemillError):
    """Phrases were asked for by a template, a slot or a lexeme that the corpus does not have."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which phrases are wanted; empty means any. A slot alone asks for phrases that have it, whatever its lexeme."""

    template: str = ""
    slot: str = ""
    lexeme: str = ""

    @property
    def in_words(self) -> str:
        """Such as 'template seen, place “the pier”'; empty where all are wanted."""
        words = [f"template {self.template}"] if self.template else []
        if self.slot:
            words.append(f"{self.slot} “{self.lexeme}”" if self.lexeme else f"slot {self.slot}")
        return ", ".join(words)


@dataclass(frozen=True, slots=True)
class Drawn:
    """Phrases drawn at random, with where they came from."""

    phrases: tuple[dict[str, Any], ...]
    """Rows with COLUMNS; `slots` is a list of pairs of slot and lexeme."""
    shards: tuple[int, ...]
    fitting: int
    """Phrases of these shards that fit the filter."""
    next_seed: int
    """Draws others: from the same shards while they have more."""


def check_filter(spec: CorpusSpec, wanted: Filter) -> None:
    """Refuse a filter that nothing can fit.

    Raises:
        FilterMistake: in one line, with what there is.
    """
    templates = {template.name: template for template in spec.prompts.templates}
    if wanted.template and wanted.template not in templates:
        raise _unknown("template", wanted.template, known=list(templates))
    if wanted.lexeme and not wanted.slot:
        raise FilterMistake(f"Lexeme {_quoted(wanted.lexeme)} is given without a slot; choose its slot too.")
    if not wanted.slot:
        return
    lexicon = spec.prompts.lexicons.get(wanted.slot)
    if lexicon is None:
        raise _unknown("slot", wanted.slot, known=list(spec.prompts.lexicons))
    if wanted.lexeme and wanted.lexeme not in (lexemes := [lexeme_base(lexeme) for lexeme in lexicon]):
        raise _unknown(f"lexeme in slot {wanted.slot}", wanted.lexeme, known=lexemes)
    if wanted.template:
        slots = [slot.partition(".")[0] for slot in templates[wanted.template].slots]
        if wanted.slot not in slots:
            raise FilterMistake(
                f"Template {_quoted(wanted.template)} has no slot {_quoted(wanted.slot)}; "
                f"it has {visible(', '.join(slots))}."
            )


def draw(store: CorpusStore, committed: Mapping[int, ShardEntry], wanted: Filter, *, seed: int) -> Drawn:
    """At most DRAWN phrases of SHARDS_READ committed shards; the same seed draws the same.

    Raises:
        StoreError: a shard's data is gone, damaged, or cannot be read.
    """
    turn = seed // DRAWS_OF_SHARDS
    chooser = random.Random(turn)  # noqa: S311
    shards = sorted(chooser.sample(sorted(committed), min(len(committed), SHARDS_READ)))
    tables = in_parallel(lambda shard: TABLES.table(store, committed[shard].data_key), shards)
    fitting = [(number, row) for number, table in enumerate(tables) for row in _fitting(table, wanted)]
    chosen = random.Random(seed).sample(fitting, min(len(fitting), DRAWN))  # noqa: S311
    rows = [tables[number].slice(row, 1).to_pylist()[0] for number, row in sorted(chosen)]
    more = len(fitting) > DRAWN
    return Drawn(
        phrases=tuple(rows),
        shards=tuple(shards),
        fitting=len(fitting),
        next_seed=(seed + 1 if more else (turn + 1) * DRAWS_OF_SHARDS) % MAX_SEED,
    )


def _fitting(table: pa.Table, wanted: Filter) -> Sequence[int]:
    """Row numbers of the phrases that fit."""
    conditions = []
    if wanted.template:
        conditions.append(pc.equal(table.column("template").cast(pa.string()), wanted.template))
    if wanted.slot:
        lexemes = pc.map_lookup(table.column("slots"), pa.scalar(wanted.slot), "first")
        conditions.append(pc.equal(lexemes, wanted.lexeme) if wanted.lexeme else pc.is_valid(lexemes))
    if not conditions:
        return range(table.num_rows)
    fits = conditions[0] if len(conditions) == 1 else pc.and_kleene(*conditions)
    rows: list[int] = pc.indices_nonzero(pc.fill_null(fits, False)).to_pylist()
    return rows


class Tables:
    """The most recently used tables, up to a size; a data key names its content, so none of them ever grows old."""

    def __init__(self, kept_bytes: int) -> None:
        self._kept_bytes = kept_bytes
        self._tables: OrderedDict[str, pa.Table] = OrderedDict()
        self._lock = threading.Lock()

    def table(self, store: CorpusStore, data_key: str) -> pa.Table:
        """The shown columns of a shard's rows.

        Raises:
            StoreError: they are gone, damaged, or cannot be read.
        """
        address = store.url(data_key)
        with self._lock:
            if address in self._tables:
                self._tables.move_to_end(address)
                return self._tables[address]
        table = _read(store, data_key)
        with self._lock:
            self._tables[address] = table
            while self.nbytes > self._kept_bytes and len(self._tables) > 1:
                self._tables.popitem(last=False)
        return table

    @property
    def nbytes(self) -> int:
        """Bytes of all tables that are kept."""
        return sum(int(table.nbytes) for table in self._tables.values())


TABLES = Tables(KEPT_BYTES)


def _read(store: CorpusStore, data_key: str) -> pa.Table:
    content = store.bucket.get(data_key)
    if content is None:
        raise StoreError(f"{store.url(data_key)}: the data of a committed shard is gone; restore it")
    try:
        return pq.read_table(pa.BufferReader(content), columns=COLUMNS, page_checksum_verification=True)
    except (pa.ArrowException, OSError) as error:
        raise StoreError(f"{store.url(data_key)}: is damaged ({error}); run phrasemill verify") from error


def _unknown(what: str, name: str, *, known: Sequence[str]) -> FilterMistake:
    shown = ", ".join(visible(one) for one in known[:8]) + (f" and {len(known) - 8} more" if len(known) > 8 else "")
    return FilterMistake(f"There is no {what} called {_quoted(name)}; there are {shown}.")


def _quoted(name: str) -> str:
    return f"“{visible(name[:80])}”"
