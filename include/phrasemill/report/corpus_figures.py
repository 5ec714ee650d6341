"""CorpusFigures: what only phrases of several shards together can tell, from a bounded sample of rows."""

from pydantic import Field

from phrasemill.report.parts import Part


class Sampled(Part):
    """Which rows were looked at."""

    shards: int
    phrases: int
    words: int


class HeapsFit(Part):
    """Heaps' law: a text of n words has `k` * n ** `beta` different words."""

    k: float
    beta: float
    r2: float = Field(description="Of the fit in logarithms")
    points: tuple[tuple[int, int], ...] = Field(description="Words read, different words among them")


class ZipfFit(Part):
    """Zipf's law: the word of rank r occurs about `c` * r ** -`s` times."""

    c: float
    s: float
    r2: float = Field(description="Of the fit in logarithms")
    points: tuple[tuple[int, int], ...] = Field(description="Rank, occurrences; ranks spaced by their logarithm")


class Duplicates(Part):
    """Phrases that the sample has more than once, all sampled shards together."""

    exact: int = Field(description="Phrases whose folded text an earlier phrase of the sample has")
    exact_share: float
    near: int = Field(description="Phrases that have at least 70 % of their words in common with an earlier one")
    near_share: float
    examples: tuple[tuple[str, str], ...]


class CorpusFigures(Part):
    """Figures of a sample."""

    sampled: Sampled
    heaps: HeapsFit | None = Field(description="None under 1,000 words")
    zipf: ZipfFit | None = Field(description="None under 1,000 words")
    mtld: float | None = Field(description="Measure of textual lexical diversity; None where no factor is full")
    self_bleu: float | None = Field(description="Mean BLEU-4 of a phrase against all others, of 1; lower is livelier")
    self_bleu_of: int = Field(description="Phrases that self-BLEU was taken over")
    duplicates: Duplicates
