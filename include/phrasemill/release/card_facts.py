"""CardFacts: what the card of a release tells beside its manifest, gathered from the shards' manifests and the gate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from phrasemill.facts import Facts
from phrasemill.gate_settings import ADJUSTABLE, Asked
from phrasemill.listing import list_request
from phrasemill.manifest import Manifest
from phrasemill.planning import format_shards, is_top_up
from phrasemill.release.contents import Footer
from phrasemill.release.errors import ReleaseError
from phrasemill.release.manifest import ReleaseManifest
from phrasemill.release.place import ReleasePlace
from phrasemill.release_settings import ReleaseSettings
from phrasemill.release_thresholds import ADJUSTABLE as OF_RELEASES
from phrasemill.report.summary import RejectLine
from phrasemill.report.work import rejects_of, seconds_of
from phrasemill.rules import meanings
from phrasemill.spec import CorpusSpec
from phrasemill.templates import lexeme_forms

FIGURES = {
    "heaps_exponent": "Heaps' law: different words grow as all words to this power; 1 would be no word twice",
    "zipf_slope": "Zipf's law: how fast words get rarer by rank; prose has about 1",
    "mtld": "words that run on, on average, before the share of different words falls to 0.72; more is livelier",
    "distinct_1": "different words, of all words, counted in runs of 500 phrases",
    "distinct_2": "different pairs of neighbouring words, of all, counted likewise",
    "distinct_3": "different triples of neighbouring words, of all, counted likewise",
    "self_bleu": "how much a phrase resembles the others (BLEU-4, of 1); less is livelier",
    "compression_ratio": "bytes of 500 phrases over what zstd makes of them; more means more repetition",
    "top_opening_share": "phrases that begin with the most common first three words",
    "exact_duplicates": "phrases of the release whose folded text another one has",
    "exact_duplicate_share": "phrases dropped as exact repeats, of all phrases of the shards",
    "near_duplicate_share": "phrases dropped as near-duplicates, of all phrases of the shards",
    "near_duplicates_left": "near-duplicates that are still there, of all phrases: reckoned from a sample",
    "template_coverage": "the least of: phrases of a template, of those that its weight asks for",
    "slot_coverage": "lexemes that some phrase has, of those that so many phrases can be expected to have",
    "language_share": "phrases that read as the language of the corpus, of those asked about",
    "sampled_phrases": "phrases that these figures were taken over",
    "words": "words of those phrases",
}
"""Figures of the corpus gate with their meaning, in the order of the card."""


@dataclass(frozen=True, slots=True)
class LexiconLine:
    """One lexicon."""

    name: str
    lexemes: int
    forms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CardFacts:
    """All that the card is drawn from."""

    spec: CorpusSpec
    settings: ReleaseSettings
    manifest: ReleaseManifest
    footers: Mapping[str, Footer]
    """Of each table, its files taken together."""
    shards: Sequence[Manifest]
    facts: Facts
    """Of all shards."""
    figures: Mapping[str, Any]
    """quality/figures.json."""
    templates: Mapping[str, int]
    """Phrases of the release by template."""

    @classmethod
    def gather(
        cls,
        place: ReleasePlace,
        manifest: ReleaseManifest,
        *,
        footers: Mapping[str, Footer],
        figures: Mapping[str, Any],
        templates: Mapping[str, int],
    ) -> Self:
        """Gather them; the manifests of the shards are read.

        Raises:
            ReleaseError: a shard is no longer what it was when the release was planned.
        """
        planned = {shard.shard: shard.data_sha256 for shard in place.plan.shards}
        shards = place.store.manifests(planned)
        standing = {one.shard: one.data_sha256 for one in shards}
        if changed := [number for number in planned if planned[number] != standing.get(number)]:
            raise ReleaseError(
                f"shards {format_shards(changed)} of {place.plan.corpus} are no longer those that release "
                f"{place.plan.version} was planned with; release under a new version"
            )
        facts = Facts.total([shard.facts for shard in shards])
        spec, settings = place.store.spec, place.plan.settings
        return cls(spec, settings, manifest, footers, shards, facts, figures, templates)

    @property
    def seconds(self) -> float:
        """Time in which at least one shard was being generated."""
        return seconds_of(self.shards)

    @property
    def nights(self) -> int:
        """Nights that own its shards; none owns a top-up shard."""
        own = (shard.shard for shard in self.shards if not is_top_up(self.spec, shard.shard))
        return len({number // self.spec.schedule.shards_per_night for number in own})

    @property
    def top_ups(self) -> int:
        """Shards beyond those that the corpus file asks for."""
        return sum(is_top_up(self.spec, shard.shard) for shard in self.shards)

    @property
    def beyond(self) -> int:
        """Phrases of the shards that are unique and come after the target is full."""
        told = self.manifest
        return told.committed - told.dropped_exact - told.dropped_near - told.phrases

    @property
    def list_request(self) -> str:
        """What stands before a template's text where several phrases are asked for in one answer."""
        return list_request(self.spec.language, self.spec.sampling.phrases_per_prompt).rstrip("\n")

    @property
    def rejects(self) -> tuple[RejectLine, ...]:
        """Why outputs were rejected, the most frequent reason first."""
        return rejects_of(self.facts, self.spec)

    @property
    def rules(self) -> dict[str, str]:
        """Rules in force, with what they reject."""
        told = meanings(self.spec)
        return {name: what for name, what in told.items() if name not in self.spec.rules.off}

    @property
    def lexicons(self) -> list[LexiconLine]:
        """The lexicons by name."""
        lexicons = self.spec.prompts.lexicons
        return [LexiconLine(name, len(lexicons[name]), lexeme_forms(lexicons[name][0])) for name in sorted(lexicons)]

    @property
    def gate(self) -> dict[str, str]:
        """Limits that each shard had to keep, by name."""
        limits = self.spec.gate.model_dump(exclude={"severity"}, exclude_none=True)
        named = {name.replace("_", " "): f"{limit:g}" for name, limit in limits.items()}
        return named | {f"severity of: {name}": asked for name, asked in sorted(self.spec.gate.severity.items())}

    @property
    def figure_lines(self) -> list[tuple[str, str, str]]:
        """Figures of the corpus gate: name, value, meaning; those that are known first."""
        known = [name for name in FIGURES if name in self.figures]
        names = known + sorted(self.figures.keys() - FIGURES.keys())
        values = {name: _number(self.figures[name]) for name in names}
        return [(name.replace("_", " "), value, FIGURES.get(name, "")) for name, value in values.items() if value]

    @property
    def accepted(self) -> list[Manifest]:
        """Shards that failed the gate and that somebody accepted."""
        return [shard for shard in self.shards if shard.accepted]

    @property
    def softened(self) -> dict[str, str]:
        """Critical expectations of the gate that this corpus only warns of, or does not ask."""
        return _softened(self.spec.gate.severity, ADJUSTABLE)

    @property
    def softened_here(self) -> dict[str, str]:
        """The same of the corpus gate."""
        return _softened(self.settings.gate.severity, OF_RELEASES)

    @property
    def language_share(self) -> float | None:
        """Phrases that read as the corpus's language, of those asked about; None where it was not found out."""
        value = self.figures.get("language_share")
        return float(value) if isinstance(value, int | float) else None

    @property
    def missing(self) -> int:
        """Phrases short of the target."""
        return max(0, self.manifest.target - self.manifest.phrases)


def _softened(severity: Mapping[str, Asked], adjustable: Mapping[str, str]) -> dict[str, str]:
    """Expectations that are critical unless a corpus says otherwise, and are less in this one."""
    less = {name: asked for name, asked in sorted(severity.items()) if asked != "critical"}
    return {name: asked for name, asked in less.items() if adjustable.get(name) == "critical"}


def _number(value: object) -> str:
    """A figure in words; nothing for what is no number."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return ""
    return f"{value:,.0f}" if value >= 1000 or value == round(value) else f"{value:.4g}"
