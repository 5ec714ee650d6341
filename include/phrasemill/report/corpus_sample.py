"""Figures of a sample of a corpus's phrases: growth of its vocabulary, lexical diversity, likeness. Pure."""

import math
import random
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from phrasemill.gate.near_duplicates import near_duplicates
from phrasemill.gate.words import words_of
from phrasemill.report.corpus_figures import CorpusFigures, Duplicates, HeapsFit, Sampled, ZipfFit
from phrasemill.report.words import MAX_SHOWN_CHARS

SAMPLED_SHARDS = 16
PHRASES_OF_A_SHARD = 6_250
"""100,000 phrases at most, 16 shards of a usual corpus: about 1.7 million words."""
LEAST_WORDS = 1000
POINTS = 60
MTLD_PHRASES = 10_000
MTLD_THRESHOLD = 0.72
BLEU_PHRASES = 200
EXAMPLES = 8


def sample_figures(texts: Sequence[pa.Array], hashes: Sequence[npt.NDArray[np.uint64]], *, seed: int) -> CorpusFigures:
    """Figures of the sampled phrases.

    Args:
        texts: of each sampled shard, its sampled phrases.
        hashes: of the same phrases, the hash of their folded text.
        seed: the order in which phrases are read, and which of them are compared.
    """
    text = pa.concat_arrays(list(texts))
    order = np.random.default_rng(seed).permutation(len(text))
    text, folded_hash = text.take(pa.array(order)), np.concatenate(list(hashes))[order]
    words = words_of(text)
    codes = words.codes.astype(np.int64)
    enough = len(codes) >= LEAST_WORDS
    head = codes[: words.starts[min(len(text), MTLD_PHRASES)]].tolist()
    chosen = random.Random(seed).sample(text.to_pylist(), min(len(text), BLEU_PHRASES))  # noqa: S311
    near, pairs = near_duplicates(words, pairs=EXAMPLES)
    exact = len(folded_hash) - len(np.unique(folded_hash))
    return CorpusFigures(
        sampled=Sampled(shards=len(texts), phrases=len(text), words=len(codes)),
        heaps=heaps_fit(codes) if enough else None,
        zipf=zipf_fit(np.bincount(codes)) if enough else None,
        mtld=mtld(head),
        self_bleu=self_bleu(chosen),
        self_bleu_of=len(chosen),
        duplicates=Duplicates(
            exact=exact,
            exact_share=exact / len(text),
            near=near,
            near_share=near / len(text),
            examples=tuple((_head(text[pair.row]), _head(text[pair.earlier])) for pair in pairs),
        ),
    )


def _head(text: pa.StringScalar) -> str:
    return str(text.as_py())[:MAX_SHOWN_CHARS]


def heaps_fit(codes: npt.NDArray[np.integer]) -> HeapsFit:
    """Least squares of log V = log k + beta log n, at points spaced evenly in log n.

    Heaps, Information Retrieval: Computational and Theoretical Aspects (1978), section 7.5.
    """
    first_seen = np.zeros(len(codes), dtype=np.int64)
    first_seen[np.unique(codes, return_index=True)[1]] = 1
    vocabulary = np.cumsum(first_seen)
    read = np.unique(np.geomspace(100, len(codes), POINTS).astype(np.int64))
    different = vocabulary[read - 1]
    beta, log_k, r2 = _line(np.log(read), np.log(different))
    return HeapsFit(k=math.exp(log_k), beta=beta, r2=r2, points=_pairs(read, different))


def zipf_fit(counts: npt.NDArray[np.integer]) -> ZipfFit:
    """Least squares of log f = log c - s log r, at ranks spaced evenly in log r.

    Zipf, Human Behavior and the Principle of Least Effort (1949). Spacing by the logarithm keeps the many words
    that occur once from deciding the slope alone.
    """
    ordered = np.sort(counts[counts > 0])[::-1]
    ranks = np.unique(np.geomspace(1, len(ordered), POINTS).astype(np.int64))
    occurrences = ordered[ranks - 1]
    slope, log_c, r2 = _line(np.log(ranks), np.log(occurrences))
    return ZipfFit(c=math.exp(log_c), s=-slope, r2=r2, points=_pairs(ranks, occurrences))


def _line(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    """Slope, intercept and coefficient of determination of the least squares line."""
    if len(x) < 2:
        return 0.0, float(y[0]), 1.0
    design = np.column_stack([x, np.ones_like(x)])
    (slope, intercept), *_ = np.linalg.lstsq(design, y, rcond=None)
    spread = float(((y - y.mean()) ** 2).sum())
    left = float(((y - design @ (slope, intercept)) ** 2).sum())
    return float(slope), float(intercept), 1 - left / spread if spread else 1.0


def _pairs(x: npt.NDArray[np.int64], y: npt.NDArray[np.integer]) -> tuple[tuple[int, int], ...]:
    return tuple(zip(x.tolist(), y.tolist(), strict=True))


def mtld(words: Sequence[int]) -> float | None:
    """Measure of textual lexical diversity: mean words in a row whose type-token ratio stays above 0.72.

    The mean of a forward and a backward pass, the last incomplete factor counted in part: McCarthy and Jarvis,
    MTLD, vocd-D, and HD-D, Behavior Research Methods 42 (2010). None where neither pass loses any variety.
    """
    passes = [_factors(words), _factors(words[::-1])]
    if not words or not all(passes):
        return None
    return sum(len(words) / factors for factors in passes) / 2


def _factors(words: Sequence[int]) -> float:
    factors, seen, count = 0.0, set[int](), 0
    for word in words:
        seen.add(word)
        count += 1
        if len(seen) <= MTLD_THRESHOLD * count:
            factors, seen, count = factors + 1, set(), 0
    if count:
        factors += (1 - len(seen) / count) / (1 - MTLD_THRESHOLD)
    return factors


def self_bleu(texts: Sequence[str]) -> float | None:
    """Mean BLEU-4 (0 to 1) of each phrase against all others: Zhu et al., Texygen, SIGIR 2018; None for one phrase.

    sacrebleu's sentence score: case folded, 13a tokens, exponential smoothing.
    """
    if len(texts) < 2:
        return None
    from sacrebleu.metrics import BLEU  # type: ignore[attr-defined] # noqa: PLC0415

    bleu = BLEU(lowercase=True, effective_order=True)
    scores = [
        bleu.sentence_score(text, [*texts[:place], *texts[place + 1 :]]).score for place, text in enumerate(texts)
    ]
    return sum(scores) / len(scores) / 100
