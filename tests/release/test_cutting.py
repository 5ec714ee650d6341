"""Into how many pieces the work of a release is cut."""

import datetime as dt

from phrasemill.facts import Facts
from phrasemill.manifest import Manifest
from phrasemill.release.cutting import cuts_of
from phrasemill.release.plan import BANDS, Cuts
from phrasemill.release_settings import ReleaseSettings

NOW = dt.datetime(2026, 12, 1, 8, 30, tzinfo=dt.UTC)
GIB = 2**30


def cuts_for(
    *rows: int, memory: int = 4 * GIB, near: float | None = 0.7, chars: int = 160, target: int = 10**12
) -> Cuts:
    first, manifests = 0, []
    for shard, count in enumerate(rows):
        manifests.append(
            Manifest(
                corpus="tiny",
                shard=shard,
                first_id=first,
                rows=count,
                fingerprint="f",
                data_key=f"key-{shard}",
                data_sha256="0" * 64,
                data_bytes=count * 60,
                chars=count * chars,
                text_bytes=count * chars,
                committed_at=NOW,
                run_id="run-1",
                facts=Facts(),
                verdict={},
            )
        )
        first += count
    return cuts_of(manifests, ReleaseSettings(near_duplicates=near), target=target, memory=memory)


def test_a_small_corpus_makes_few_tasks() -> None:
    cuts = cuts_for(60, 60, 60, 60)
    assert cuts.spans == ((0, 4),)
    assert (cuts.exact_parts, cuts.near_parts, cuts.link_ranges) == (1, 1, 1)
    assert cuts.near_groups == (tuple(range(BANDS)),)


def test_ten_million_phrases() -> None:
    cuts = cuts_for(*[25_000] * 400)
    assert cuts.spans == tuple((20 * span, 20 * span + 20) for span in range(20))
    assert (cuts.exact_parts, cuts.near_parts, cuts.link_ranges) == (1, 1, 3)
    assert cuts.near_groups == tuple((band,) for band in range(BANDS))


def test_links_are_cut_by_what_is_kept() -> None:
    assert cuts_for(*[25_000] * 400, target=4_000_000).link_ranges == 1


def test_less_memory_makes_more_and_smaller_pieces() -> None:
    cuts = cuts_for(*[25_000] * 400, memory=GIB)
    assert cuts.spans[0] == (0, 10)
    assert cuts.exact_parts == 2
    assert cuts.near_parts == 3


def test_a_billion_phrases_take_no_more_of_memory() -> None:
    cuts = cuts_for(*[250_000] * 4_000)
    assert cuts.spans == tuple((2 * span, 2 * span + 2) for span in range(2_000))
    assert (cuts.exact_parts, cuts.near_parts, cuts.link_ranges) == (38, 56, 250)


def test_a_large_shard_is_a_span_of_its_own() -> None:
    assert cuts_for(800_000, 800_000, 100_000, 100_000).spans == ((0, 1), (1, 2), (2, 4))


def test_long_phrases_make_shorter_spans() -> None:
    assert cuts_for(*[25_000] * 20, chars=1_000).spans == tuple((4 * span, 4 * span + 4) for span in range(5))


def test_without_near_duplicates_nobody_looks_for_them() -> None:
    assert cuts_for(60, near=None).near_groups == ()
