"""Figures of a whole release, from what packing left in the bucket: the finished files are not read again.

| figure | meaning |
|---|---|
| phrases, text_bytes | of all files, and the UTF-8 bytes of the texts |
| uneven_files | files whose Parquet form, text form and hashes have not the same number of rows |
| misplaced_ids | places where ids do not rise as they should, and ids that should not be there |
| wrong_hashes | sampled phrases whose hash is not that of their text |
| exact_duplicates | phrases whose text hash an earlier phrase has: all hashes counted anew |
| exact_duplicate_share, near_duplicate_share | phrases dropped as such, of those committed |
| near_duplicates_left | phrases with an earlier near-duplicate, of all: reckoned from those of the sample |
| template_coverage, slot_coverage | see `phrasemill.release.vocabulary` |
| language_share | phrases that read as the corpus's language, of 5,000 asked about |
| distinct_1, distinct_2, distinct_3 | different word n-grams of all, every 500 phrases of the sample counted apart |
| compression_ratio, top_opening_share | as `phrasemill.gate.metrics` has them, of the sample |
| heaps_exponent, zipf_slope, mtld, self_bleu | as `phrasemill.report.corpus_sample` has them |
| sampled_phrases, words | of the sample, which `pack` draws evenly from all files |

A pair of near-duplicates is seen where both are in the sample. In an even sample of a share f of all phrases that is
so for a share f of the sampled phrases that have one, so the share found is divided by f.
"""

import itertools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from phrasemill.gate.languages import Languages, languages_of
from phrasemill.gate.near_duplicates import THRESHOLD, near_duplicates
from phrasemill.gate.words import Words, common_openings, compression_ratio, distinct, words_of
from phrasemill.release.kept import KEPT, KeptRows
from phrasemill.release.packed import Packed, read_packed
from phrasemill.release.place import ReleasePlace
from phrasemill.release.plan import ReleasePlan
from phrasemill.release.vocabulary import Vocabulary, vocabulary_of
from phrasemill.release.wholeness import misplaced_ids, read_sample, repeated_hashes, uneven_files
from phrasemill.report.corpus_figures import CorpusFigures
from phrasemill.report.corpus_sample import LEAST_WORDS, sample_figures
from phrasemill.rules import text_hash
from phrasemill.spec import CorpusSpec

DIGITS = 6
"""Significant digits kept: the last ones of a least squares fit differ from one kind of processor to another."""
SEED = 0
OF_TEXT = (
    "heaps_exponent",
    "zipf_slope",
    "mtld",
    "distinct_1",
    "distinct_2",
    "distinct_3",
    "self_bleu",
    "compression_ratio",
    "top_opening_share",
    "exact_duplicates",
    "exact_duplicate_share",
    "near_duplicate_share",
    "near_duplicates_left",
    "template_coverage",
    "slot_coverage",
    "language_share",
    "sampled_phrases",
    "words",
)
"""Figures that tell what the texts are like. The others tell whether the release is whole."""
COUNTS = ("exact_duplicates", "sampled_phrases", "words")


@dataclass(frozen=True, slots=True)
class ReleaseFigures:
    """Figures of one release."""

    known: dict[str, float]
    unknown: dict[str, str]
    """Figures that cannot be had, with the reason."""
    corpus: CorpusFigures
    """Of the sample, for the report."""
    languages: Languages
    vocabulary: Vocabulary
    sample: pa.Table
    """The sampled phrases by their ids: columns phrase_id, text, text_hash, template, scene."""

    @property
    def published(self) -> dict[str, float | None]:
        """Figures of the texts, None where one cannot be had; counts are whole numbers."""
        found = {name: self.known.get(name) for name in OF_TEXT}
        return found | {name: int(self.known[name]) for name in COUNTS}

    @property
    def share_sampled(self) -> float:
        """Phrases in the sample, of all."""
        return self.known["sampled_phrases"] / max(1.0, self.known["phrases"])


def measure_release(place: ReleasePlace) -> ReleaseFigures:
    """Figures of a release whose files are all packed.

    Raises:
        WorkMissing: an earlier step has not been done.
    """
    plan, spec = place.plan, place.store.spec
    files, kept, told = read_packed(place), KeptRows.read(place), place.json(KEPT)
    drawn = read_sample(place, files=len(files))
    ids = drawn.column("phrase_id").to_numpy()
    sample = drawn.take(pa.array(np.argsort(ids, kind="stable"))).combine_chunks()
    texts = sample.column("text").combine_chunks()
    corpus, words = _corpus_figures(plan, sample), words_of(texts)
    languages = languages_of(texts, expected=spec.language, strangers=0)
    vocabulary = _vocabulary(files, spec)
    phrases = sum(file.rows for file in files)
    figures: dict[str, float | None] = {
        "phrases": phrases,
        "text_bytes": sum(file.text_bytes for file in files),
        "uneven_files": uneven_files(place, files),
        "misplaced_ids": misplaced_ids(kept, files, ids, in_order=plan.settings.order == "id"),
        "wrong_hashes": _wrong_hashes(sample),
        "exact_duplicates": repeated_hashes(place, files=len(files)),
        "exact_duplicate_share": told["exact"] / plan.phrases,
        "near_duplicate_share": None if plan.settings.near_duplicates is None else told["near"] / plan.phrases,
        "near_duplicates_left": _near_left(plan, words, phrases=phrases),
        "template_coverage": vocabulary.templates,
        "slot_coverage": vocabulary.slots,
        "language_share": languages.share(spec.language),
        **_of_texts(texts, words, corpus),
    }
    known = {name: float(value) for name, value in figures.items() if value is not None}
    return ReleaseFigures(
        known=rounded(known),
        unknown={name: _why_unknown(name, words) for name, value in figures.items() if value is None},
        corpus=CorpusFigures.model_validate(rounded(corpus.model_dump())),
        languages=languages,
        vocabulary=vocabulary,
        sample=sample,
    )


def _vocabulary(files: Sequence[Packed], spec: CorpusSpec) -> Vocabulary:
    templates = Counter[str]()
    lexemes = {name: Counter[str]() for name in spec.prompts.lexicons}
    for file in files:
        templates.update(file.templates)
        for name, counts in file.lexemes.items():
            lexemes.setdefault(name, Counter()).update(counts)
    return vocabulary_of(templates, lexemes, spec=spec)


def rounded(value: Any) -> Any:  # noqa: ANN401
    """The same JSON value, its numbers with DIGITS significant digits; whole numbers stay as they are."""
    match value:
        case float() if not value.is_integer():
            return float(f"{value:.{DIGITS}g}")
        case dict():
            return {name: rounded(held) for name, held in value.items()}
        case list() | tuple():
            return [rounded(held) for held in value]
    return value


def _corpus_figures(plan: ReleasePlan, sample: pa.Table) -> CorpusFigures:
    """Figures of the sample, which is in the order of ids, shard by shard."""
    edges = [shard.first_id for shard in plan.shards] + [plan.last_id + 1]
    places = np.searchsorted(sample.column("phrase_id").to_numpy(), edges).tolist()
    pieces = [sample.slice(first, last - first) for first, last in itertools.pairwise(places) if last > first]
    return sample_figures(
        [piece.column("text").combine_chunks() for piece in pieces],
        [piece.column("text_hash").to_numpy() for piece in pieces],
        seed=SEED,
    )


def _near_left(plan: ReleasePlan, words: Words, *, phrases: int) -> float | None:
    """Of all phrases, those with an earlier near-duplicate; None where the corpus does not drop near-duplicates.

    What MinHash finds is counted only where the words themselves agree so far: of 100,000 sentences of one vocabulary
    it takes 11 for near-duplicates, and 2 are.
    """
    threshold, sampled = plan.settings.near_duplicates, len(words.starts) - 1
    if threshold is None:
        return None
    # An index for 0.5 takes 80 s for 100,000 phrases of one vocabulary, one for 0.7 takes 2 s.
    _, pairs = near_duplicates(words, pairs=sampled, threshold=max(threshold, THRESHOLD))
    return min(1.0, sum(pair.similarity >= threshold for pair in pairs) * phrases / sampled**2)


def _of_texts(texts: pa.Array, words: Words, corpus: CorpusFigures) -> dict[str, float | None]:
    openings = common_openings(words, 1)
    return {
        "heaps_exponent": corpus.heaps.beta if corpus.heaps else None,
        "zipf_slope": corpus.zipf.s if corpus.zipf else None,
        "mtld": corpus.mtld if words.count >= LEAST_WORDS else None,
        "self_bleu": corpus.self_bleu,
        **{f"distinct_{n}": distinct(words, n) for n in (1, 2, 3)},
        "compression_ratio": compression_ratio(texts),
        "top_opening_share": max(openings.values(), default=0) / len(texts),
        "sampled_phrases": len(texts),
        "words": words.count,
    }


def _why_unknown(name: str, words: Words) -> str:
    if name in {"near_duplicate_share", "near_duplicates_left"}:
        return "the corpus keeps near-duplicates"
    if words.count < LEAST_WORDS:
        return f"the sample has {words.count} words, and {LEAST_WORDS:,} are needed"
    return "the sample loses no variety, however long it is read" if name == "mtld" else "one phrase has no like"


def _wrong_hashes(sample: pa.Table) -> int:
    true = np.fromiter(map(text_hash, sample.column("text").to_pylist()), np.uint64, sample.num_rows)
    return int(np.count_nonzero(true != sample.column("text_hash").to_numpy()))
