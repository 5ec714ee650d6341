"""ReleaseSettings: how the finished data set of a corpus is made, as its file says it. It decides no phrase."""

from typing import Literal

from pydantic import Field

from phrasemill.fields import StrictModel, Text
from phrasemill.release_thresholds import ReleaseThresholds

MEBI = 2**20


class ReleaseSettings(StrictModel):
    """What a release keeps, and how it is laid out."""

    near_duplicates: float | None = Field(default=0.7, ge=0.5, lt=1)
    """A phrase is dropped where it shares so much of its words with an earlier one: words in both, of words in
    either. Null: only exact duplicates are dropped."""
    order: Literal["id", "shuffled"] = "id"
    """Consecutive ids have lexemes far apart already; shuffled scatters scenes too, at the price of slower look-ups."""
    seed: int = Field(default=0, ge=0, lt=2**32)
    """Of the shuffled order."""
    file_bytes: int = Field(default=128 * MEBI, ge=2**16, le=2**32)
    """About how large a Parquet file of phrases gets."""
    rare_lexeme_share: float = Field(default=0.02, gt=0, le=1)
    """Phrases are linked by a lexeme that at most this share of them has, or at most 20 phrases. Where lexicons have
    fewer than 1 / share lexemes, raise it: none would be rare enough."""
    licence: Text | None = None
    """Of the phrases: an identifier that Hugging Face knows, such as cc-by-4.0, or a name of its own."""
    model_licence: Text | None = None
    """Of the model that wrote them."""
    gate: ReleaseThresholds = ReleaseThresholds()
