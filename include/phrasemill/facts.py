"""Run facts: what it took to write some phrases. They are kept with blocks, added up in manifests and reports."""

import datetime as dt
from collections import Counter
from typing import Self

from pydantic import BaseModel, ConfigDict, Field

REFUSED, ENGINE_ERROR, UNLISTED = "refused_by_engine", "engine_error", "unlisted"
ENGINE_REASONS = {
    REFUSED: "an engine refused the prompt",
    ENGINE_ERROR: "engines failed on the prompt again and again",
    UNLISTED: "of the numbered list that was asked for, this entry is missing",
}
"""Reject reasons beside those of the rules, with their meaning."""
EXAMPLES_KEPT = 20  # of each reject reason


class Facts(BaseModel):
    """Counts over a block, a shard or a night. Times are UTC; `seconds` is the time spent generating."""

    model_config = ConfigDict(extra="forbid")

    accepted: int = 0
    rejects: dict[str, int] = Field(default_factory=dict)
    """Outputs rejected, by reason."""
    examples: dict[str, list[str]] = Field(default_factory=dict)
    """Some rejected texts of each reason, at most EXAMPLES_KEPT."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    seconds: float = 0.0
    started_at: dt.datetime | None = None
    finished_at: dt.datetime | None = None
    engines: int = 0
    run_ids: list[str] = Field(default_factory=list)
    pace: list[tuple[float, float, int]] = Field(default_factory=list)
    """A shard's blocks in the order they were saved: when (seconds since 1970), after how long (s), phrases.

    About 25 bytes a block. Blocks have none of their own: it is made when they are added up.
    """

    @property
    def judged(self) -> int:
        """Outputs judged, accepted or not."""
        return self.accepted + sum(self.rejects.values())

    @property
    def reject_share(self) -> float:
        """Rejected outputs of all judged, 0 to 1."""
        return sum(self.rejects.values()) / self.judged if self.judged else 0.0

    def reject(self, reason: str, text: str) -> None:
        """Count one rejected output and keep it if examples of its reason are few."""
        self.rejects[reason] = self.rejects.get(reason, 0) + 1
        kept = self.examples.setdefault(reason, [])
        if len(kept) < EXAMPLES_KEPT:
            # Facts are kept as UTF-8 JSON, which has no place for the lone surrogates of a broken answer.
            kept.append(text[:200].encode("utf-8", "backslashreplace").decode())

    def histogram(self) -> str:
        """Reject reasons in words, most frequent first."""
        common = Counter(self.rejects).most_common()
        return ", ".join(f"{reason} {count}" for reason, count in common) or "no rejects"

    @classmethod
    def total(cls, parts: list[Self]) -> "Facts":
        """Add up. Times span from the first start to the last finish."""
        whole = Facts()
        rejects: Counter[str] = Counter()
        for part in parts:
            whole.accepted += part.accepted
            rejects.update(part.rejects)
            whole.prompt_tokens += part.prompt_tokens
            whole.completion_tokens += part.completion_tokens
            whole.seconds += part.seconds
            whole.engines = max(whole.engines, part.engines)
            for reason, texts in part.examples.items():
                kept = whole.examples.setdefault(reason, [])
                kept.extend(texts[: EXAMPLES_KEPT - len(kept)])
            whole.run_ids += [run for run in part.run_ids if run not in whole.run_ids]
            whole.pace += part.pace or part._saved()
        whole.rejects = dict(rejects.most_common())
        starts = [part.started_at for part in parts if part.started_at]
        ends = [part.finished_at for part in parts if part.finished_at]
        whole.started_at, whole.finished_at = min(starts, default=None), max(ends, default=None)
        whole.pace.sort()
        return whole

    def _saved(self) -> list[tuple[float, float, int]]:
        if self.finished_at is None or not self.seconds:
            return []
        return [(round(self.finished_at.timestamp(), 1), round(self.seconds, 1), self.accepted)]
