"""Cutting: into how many pieces the work of a release is cut, so that memory holds those worked on at once. Pure."""

from collections.abc import Sequence

from phrasemill.manifest import Manifest
from phrasemill.release.plan import BANDS, Cuts
from phrasemill.release_settings import ReleaseSettings

DEFAULT_MEMORY = 4 * 2**30
SHARES = 4
"""Two tasks at a time get a quarter of the memory each: the other half is for Python, the gate and the report."""
SPAN_PHRASES = 500_000
SPAN_BYTES = 1_000
"""What a phrase of PHRASE_BYTES takes while it is sketched: 780 of 160 bytes of text each were measured."""
PHRASE_BYTES = 200
EXACT_BYTES, NEAR_BYTES = 40, 60
"""What a phrase takes while exact and near-duplicates are looked for."""
GROUPS_FROM = 1_000_000
"""Phrases from which on every band is a task: below, starting a task takes longer than its work."""
LINK_PHRASES = 4_000_000


def cuts_of(
    manifests: Sequence[Manifest], settings: ReleaseSettings, *, target: int, memory: int = DEFAULT_MEMORY
) -> Cuts:
    """Into how many pieces the work on these shards is cut. Pure."""
    share = max(1, memory // SHARES)
    phrases = sum(manifest.rows for manifest in manifests)
    if settings.near_duplicates is None:
        groups: tuple[tuple[int, ...], ...] = ()
    elif phrases < GROUPS_FROM:
        groups = (tuple(range(BANDS)),)
    else:
        groups = tuple((band,) for band in range(BANDS))
    weights = [max(manifest.rows, manifest.text_bytes // PHRASE_BYTES) for manifest in manifests]
    return Cuts(
        spans=_spans(weights, most=min(SPAN_PHRASES, share // SPAN_BYTES)),
        exact_parts=-(-phrases * EXACT_BYTES // share) or 1,
        near_groups=groups,
        near_parts=-(-phrases * NEAR_BYTES // share) or 1,
        link_ranges=-(-min(phrases, target) // LINK_PHRASES) or 1,
    )


def _spans(weights: Sequence[int], *, most: int) -> tuple[tuple[int, int], ...]:
    """Runs of consecutive shards that weigh at most `most` together, or are one shard."""
    spans, first, total = list[tuple[int, int]](), 0, 0
    for place, weight in enumerate(weights):
        if place > first and total + weight > most:
            spans.append((first, place))
            first, total = place, 0
        total += weight
    return (*spans, (first, len(weights)))
