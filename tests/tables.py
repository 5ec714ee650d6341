"""A shard's table as the mill would write it, for tests: sentences of words in no order, all different."""

import random

import numpy as np
import pyarrow as pa

from phrasemill.engines.fake import lexicons
from phrasemill.planning import Shard
from phrasemill.prompts import PromptBook
from phrasemill.rows import SCHEMA, build_rows
from phrasemill.rules import text_hash
from phrasemill.spec import CorpusSpec

PARTS = ("PERSON_ADJECTIVES", "PERSONS", "ADVERBS", "VERBS", "OBJECT_ADJECTIVES", "OBJECTS", "PLACE_ADJECTIVES")
WORDS = {
    language: sorted({word for part in PARTS for word in getattr(lexicons, f"{language.upper()}_{part}")})
    for language in ("en", "ru")
}


def sentences(count: int, *, language: str = "en", words: int = 14, seed: int = 0) -> list[str]:
    """So many sentences of so many words, about seven letters each, that read as their language."""
    draw = random.Random(f"{language} {seed}")
    lexicon = [word for word in WORDS[language] if word.isalpha() and len(word) <= 9]
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
