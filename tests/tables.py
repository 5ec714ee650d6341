"""A shard's table as the mill would write it, for tests: sentences of invented words, all different."""

import random

import numpy as np
import pyarrow as pa

from phrasemill.planning import Shard
from phrasemill.prompts import PromptBook
from phrasemill.rows import SCHEMA, build_rows
from phrasemill.rules import text_hash
from phrasemill.spec import CorpusSpec

LETTERS = {"en": ("bdfklmnrstvz", "aeiou"), "ru": ("бдзклмнрстфш", "аеиоу")}


def sentences(count: int, *, language: str = "en", words: int = 14, seed: int = 0) -> list[str]:
    """So many sentences of so many words, about six letters each."""
    draw = random.Random(f"{language} {seed}")
    consonants, vowels = LETTERS[language]

    def word() -> str:
        return "".join(draw.choice(consonants) + draw.choice(vowels) for _ in range(draw.choice((2, 3, 3, 4))))

    lexicon = [word() for _ in range(1000)]
    texts: dict[str, None] = {}
    while len(texts) < count:
        texts[" ".join(draw.choices(lexicon, k=words)).capitalize() + "."] = None
    return list(texts)


def make_rows(
    spec: CorpusSpec, shard: Shard, *, texts: list[str] | None = None, attempts: list[int] | None = None
) -> pa.Table:
    """The rows of a shard, with these texts and attempts or with good ones."""
    texts = texts or sentences(shard.rows, language=spec.language, seed=shard.number)
    return build_rows(
        PromptBook(spec),
        language=spec.language,
        first_id=shard.first_id,
        texts=texts,
        hashes=[text_hash(text) for text in texts],
        attempts=np.array(attempts or [0] * len(texts), dtype=np.int64),
    )


def with_column(rows: pa.Table, name: str, values: list[object]) -> pa.Table:
    """The same rows with one column replaced, its type kept."""
    field = SCHEMA.field(name)
    column = pa.array(values, field.type.value_type if pa.types.is_dictionary(field.type) else field.type)
    return rows.set_column(SCHEMA.get_field_index(name), field, column.cast(field.type))
