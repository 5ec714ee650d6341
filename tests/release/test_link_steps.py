import datetime as dt
import io
import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from phrasemill.planning import Shard
from phrasemill.release import link_steps, rings
from phrasemill.release.drops import SCHEMA as DROPPED
from phrasemill.release.errors import WorkMissing
from phrasemill.release.link_rows import MAX_LINKS
from phrasemill.release.link_steps import LEXEMES, WORDS, index, lexicons_of, link_file, ring
from phrasemill.release.place import ReleasePlace
from phrasemill.release.plan import Cuts, ReleasePlan, ReleaseShard
from phrasemill.release.slots import slots_by_lexicon
from phrasemill.release.tokens import tokens_of
from phrasemill.release.word_samples import word_samples
from phrasemill.spec import CorpusSpec
from tests.release.committing import memory_store, objects_of
from tests.specs import make_spec
from tests.tables import make_rows

SHARDS = (0, 1, 3)
"""Of four: what is missing between them is no phrase of the release."""
LAST_ID = 232
"""The target is reached before the end of the last shard."""
SCENE = 7
RARE = 0.3
"""Of about 150 kept phrases: places have about 28 each, objects 15, trades 5."""

Row = tuple[int, int, str, float]
Table = dict[str, list[object]]


@dataclass(frozen=True)
class Release:
    """A release up to `pack`, and what must come out of it."""

    place: ReleasePlace
    rows: pa.Table
    """Of its shards, all columns."""
    kept: list[int]

    def coordinates(self) -> dict[int, tuple[int, dict[str, str]]]:
        """Scene and slots of each kept phrase."""
        kept = set(self.kept)
        return {
            row["phrase_id"]: (row["scene"], dict(row["slots"]))
            for row in self.rows.to_pylist()
            if row["phrase_id"] in kept
        }

    def phrases(self) -> dict[tuple[str, str], list[int]]:
        """Kept phrases of each slot and lexeme."""
        found: dict[tuple[str, str], list[int]] = defaultdict(list)
        for phrase, (_, slots) in self.coordinates().items():
            for slot in slots.items():
                found[slot].append(phrase)
        return found


def corpus(**overrides: object) -> CorpusSpec:
    return make_spec(**({"prompts": {"scene_phrases": SCENE}, "release": {"rare_lexeme_share": RARE}} | overrides))


def packed(*, files: int = 3, shuffled: bool = False, ranges: int = 3, spec: CorpusSpec | None = None) -> Release:
    """What the steps before leave: a scene is dropped whole, another up to its last phrase, and every ninth phrase."""
    spec = spec or corpus()
    tables = {number: make_rows(spec, Shard(number, number * 60, 60)) for number in SHARDS}
    rows = pa.concat_tables(tables.values()).unify_dictionaries().combine_chunks()
    place = ReleasePlace(memory_store(spec), plan(spec, ranges=ranges))
    ids = rows.column("phrase_id").to_numpy()
    dropped = ids[(ids % 9 == 4) | (ids // SCENE == 5) | ((ids // SCENE == 10) & (ids % SCENE < SCENE - 1))]
    is_kept = ~np.isin(ids, dropped) & (ids <= LAST_ID)
    put_dropped(place, dropped)
    kept = rows.filter(pa.array(is_kept))
    counts = {"unique": len(ids) - len(dropped), "kept": kept.num_rows, "last_id": LAST_ID, "committed": len(ids)}
    place.put_json("kept.json", counts | {"exact": len(dropped), "near": 0})
    put_files(place, shuffle(kept) if shuffled else kept, files=files)
    for span, number in enumerate(SHARDS):
        texts = tables[number].column("text").combine_chunks()
        sample = word_samples(tokens_of(texts), tables[number].column("phrase_id").to_numpy())
        place.put_table(f"sketch/span-{span:05d}/words.parquet", sample)
    return Release(place, rows, kept.column("phrase_id").to_pylist())


def plan(spec: CorpusSpec, *, ranges: int) -> ReleasePlan:
    shards = [
        ReleaseShard(shard=number, first_id=number * 60, rows=60, data_key="-", data_sha256="-", data_bytes=1)
        for number in SHARDS
    ]
    spans = tuple((number, number + 1) for number in range(len(SHARDS)))
    return ReleasePlan(
        corpus=spec.name,
        version="v1",
        partial=True,
        created_at=dt.datetime(2026, 11, 23, tzinfo=dt.UTC),
        fingerprint="-",
        target=240,
        shards=tuple(shards),
        settings=spec.release,
        cuts=Cuts(spans=spans, exact_parts=1, near_groups=(), near_parts=1, link_ranges=ranges),
    )


def put_dropped(place: ReleasePlace, ids: np.ndarray) -> None:
    columns = [ids, np.zeros(len(ids), np.int64), ["exact"] * len(ids), np.ones(len(ids), np.float32)]
    table = pa.table([pa.array(column, field.type) for column, field in zip(columns, DROPPED, strict=True)], DROPPED)
    sink = pa.BufferOutputStream()
    pq.write_table(table, sink)
    place.put_file("dropped.parquet", sink.getvalue().to_pybytes(), rows=table.num_rows)


def shuffle(rows: pa.Table) -> pa.Table:
    return rows.take(pa.array(np.random.default_rng(0).permutation(rows.num_rows)))


def put_files(place: ReleasePlace, kept: pa.Table, *, files: int) -> None:
    bounds = [number * kept.num_rows // files for number in range(files + 1)]
    for number, (low, high) in enumerate(pairwise(bounds)):
        lexemes = {}
        for lexicon, table in slots_by_lexicon(kept.slice(low, high - low)).items():
            place.put_table(f"slots/{lexicon}/file-{number:05d}.parquet", table)
            lexemes[lexicon] = Counter(table.column("lexeme").to_pylist())
        place.put_json(f"packed/file-{number:05d}.json", {"rows": high - low, "lexemes": lexemes})


def finish(release: Release) -> Release:
    """Do the steps of this module."""
    place = release.place
    for lexicon in lexicons_of(place):
        ring(place, lexicon)
    for number in range(place.plan.cuts.link_ranges):
        link_file(place, number)
    index(place)
    return release


def content(release: Release, path: str) -> bytes:
    return objects_of(release.place.store)[release.place.keys.file(path)]


def link_paths(release: Release) -> list[str]:
    return [entry.path for entry in release.place.files() if entry.path.startswith("links")]


def links_of(release: Release) -> list[Row]:
    tables = [pq.read_table(io.BytesIO(content(release, path))) for path in link_paths(release)]
    return list(zip(*(column.to_pylist() for column in pa.concat_tables(tables).columns), strict=True))


def rows_of(release: Release, path: str) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = pq.read_table(io.BytesIO(content(release, path))).to_pylist()
    return rows


def reached(start: int, following: dict[int, int]) -> list[int]:
    """Phrases that a chain leads to from `start`, itself included; a ring is walked once."""
    seen = [start]
    while (phrase := following.get(seen[-1])) is not None and phrase != start:
        assert phrase not in seen
        seen.append(phrase)
    return seen


def by_reason(links: Iterable[Row]) -> dict[str, dict[int, int]]:
    found: dict[str, dict[int, int]] = defaultdict(dict)
    for phrase, following, why, _ in links:
        assert phrase not in found[why]
        found[why][phrase] = following
    return found


@pytest.fixture(scope="module")
def release() -> Release:
    return finish(packed())


class TestScenes:
    @pytest.mark.parametrize("shuffled", [False, True])
    def test_every_kept_phrase_of_a_scene_is_reached_from_its_first(self, *, shuffled: bool) -> None:
        release = finish(packed(shuffled=shuffled, files=5, ranges=4))
        following = by_reason(links_of(release))["scene"]
        scenes: dict[int, list[int]] = defaultdict(list)
        for phrase, (scene, _) in release.coordinates().items():
            scenes[scene].append(phrase)
        assert any(phrases[0] < bound <= phrases[-1] for phrases in scenes.values() for bound in (59, 119, 179))
        assert {len(phrases) for phrases in scenes.values()} >= {1, 6, 7}
        for phrases in scenes.values():
            assert reached(phrases[0], following) == sorted(phrases)

    def test_the_last_phrase_of_a_range_leads_on_to_the_next_file(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Across the border of a range, and over dropped phrases that are looked through a few at a time."""
        monkeypatch.setattr(link_steps, "NEXT_IDS", 2)
        monkeypatch.setattr(link_steps, "BLOCK_IDS", 16)
        cut = finish(packed())
        monkeypatch.undo()
        assert links_of(cut) == links_of(finish(packed(ranges=1)))

    def test_samples_of_one_prompt_share_their_scene_however_short_it_is(self) -> None:
        release = finish(packed(spec=corpus(sampling={"n": 4}, prompts={"scene_phrases": 1})))
        scenes = {phrase: scene for phrase, (scene, _) in release.coordinates().items()}
        following = by_reason(links_of(release))["scene"]
        expected = {a: b for a, b in pairwise(sorted(scenes)) if scenes[a] == scenes[b]}
        assert expected
        assert following == expected


class TestLinks:
    @pytest.mark.parametrize("share", [RARE, 0.1, 0.05])
    def test_all_phrases_of_a_rare_lexeme_are_one_ring_and_those_of_a_common_one_are_not_linked(
        self, share: float, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(link_steps, "FEW", 1)
        release = finish(packed(spec=corpus(release={"rare_lexeme_share": share})))
        reasons = by_reason(links_of(release))
        del reasons["scene"]
        phrases = {f"{slot}: {lexeme}": phrases for (slot, lexeme), phrases in release.phrases().items()}
        rare = {why for why, those in phrases.items() if 1 < len(those) <= share * len(release.kept)}
        assert set(reasons) == rare
        assert (rare == set(phrases)) == (share == RARE)
        for why in rare:
            assert sorted(reached(phrases[why][0], reasons[why])) == sorted(reasons[why]) == phrases[why]

    def test_few_phrases_are_linked_however_large_a_share_they_are(self) -> None:
        """2 % of 142 phrases are 2. An object has 16 at most and a trade fewer, a place has more than FEW."""
        release = finish(packed(spec=corpus(release={"rare_lexeme_share": 0.02})))
        linked = {row["slot"]: 0 for row in rows_of(release, LEXEMES)}
        for row in rows_of(release, LEXEMES):
            assert row["linked"] == (1 < row["phrases"] <= link_steps.FEW)  # type: ignore[operator]
            linked[row["slot"]] += bool(row["linked"])
        assert linked == {"object": 10, "place": 0, "trade": 7}
        assert {link[0] for link in links_of(release) if link[2] != "scene"} == set(release.kept)

    def test_a_links_weight_is_that_of_its_reason(self, release: Release) -> None:
        kept, phrases = len(release.kept), release.phrases()
        for _, _, why, weight in links_of(release):
            sharing = SCENE if why == "scene" else len(phrases[tuple(why.split(": "))])  # type: ignore[index]
            assert weight == pytest.approx(math.log2(kept / sharing), abs=0.00501)

    @pytest.mark.parametrize("shuffled", [False, True])
    def test_links_are_bounded_sorted_and_between_kept_phrases_that_differ(self, *, shuffled: bool) -> None:
        release = finish(packed(shuffled=shuffled))
        links, kept = links_of(release), set(release.kept)
        assert links == sorted(links, key=lambda link: (link[0], link[2]))
        assert all(phrase != following for phrase, following, _, _ in links)
        assert {link[0] for link in links} | {link[1] for link in links} <= kept
        assert max(Counter(link[0] for link in links).values()) <= MAX_LINKS

    def test_files_hold_the_ranges_of_the_plan(self, release: Release) -> None:
        assert link_paths(release) == [f"links-{number:05d}-of-00003.parquet" for number in range(3)]
        for number, path in enumerate(link_paths(release)):
            first, last = release.place.plan.link_range(number)
            froms = [row["from"] for row in rows_of(release, path)]
            assert froms
            assert all(first <= phrase < last for phrase in froms)  # type: ignore[operator]

    def test_a_small_release_has_one_file(self) -> None:
        assert link_paths(finish(packed(ranges=1))) == ["links.parquet"]


class TestLexemes:
    def test_each_lexeme_tells_its_phrases(self, release: Release) -> None:
        phrases, kept = release.phrases(), len(release.kept)
        assert rows_of(release, LEXEMES) == [
            {
                "slot": slot,
                "lexeme": lexeme,
                "phrases": len(phrases[slot, lexeme]),
                "linked": 1 < len(phrases[slot, lexeme]) <= RARE * kept,
                "ids": phrases[slot, lexeme],
            }
            for slot, lexeme in sorted(phrases)
        ]

    def test_lexicons_are_those_of_the_templates(self, release: Release) -> None:
        assert lexicons_of(release.place) == ["object", "place", "trade"]


class TestWords:
    def test_each_word_tells_how_often_it_was_committed_and_which_kept_phrases_have_it(self, release: Release) -> None:
        committed, kept = defaultdict(list), set(release.kept)
        for phrase, text in zip(
            *(release.rows.column(name).to_pylist() for name in ("phrase_id", "text")), strict=True
        ):
            for word in set(text.lower().rstrip(".").split()):
                committed[word].append(phrase)
        assert rows_of(release, WORDS) == [
            {"word": word, "phrases": len(phrases), "ids": [phrase for phrase in phrases if phrase in kept]}
            for word, phrases in sorted(committed.items())
            if kept.intersection(phrases)
        ]

    def test_a_word_of_dropped_phrases_alone_is_left_out(self, release: Release) -> None:
        assert all(row["ids"] for row in rows_of(release, WORDS))


class TestBytes:
    def finished(self, release: Release) -> dict[str, bytes]:
        paths = [entry.path for entry in finish(release).place.files() if entry.path != "dropped.parquet"]
        return {path: content(release, path) for path in paths}

    def test_the_same_release_has_the_same_bytes(self, release: Release) -> None:
        assert self.finished(packed()) == self.finished(release)
        assert len(self.finished(release)) == 5

    @pytest.mark.parametrize("files", [1, 8])
    @pytest.mark.parametrize("shuffled", [False, True])
    def test_they_hang_neither_on_the_number_of_files_nor_on_their_order(
        self, release: Release, files: int, *, shuffled: bool
    ) -> None:
        assert self.finished(packed(files=files, shuffled=shuffled)) == self.finished(release)

    @pytest.mark.parametrize("rows", [1, 40])
    def test_they_do_not_hang_on_the_lexemes_that_are_taken_at_once(
        self, release: Release, rows: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(link_steps, "PART_ROWS", rows)
        other = packed()
        assert self.finished(other) == self.finished(release)
        parts = other.place.work_names("rings/object/range-00000-")
        assert len(parts) == {1: 10, 40: 5}[rows]

    @pytest.mark.parametrize("spans", [1, 2])
    def test_words_do_not_hang_on_the_spans_that_are_merged_at_once(
        self, release: Release, spans: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """As long as no word has more phrases than one merge keeps."""
        monkeypatch.setattr(link_steps, "SPANS_AT_ONCE", spans)
        assert content(finish(packed()), WORDS) == content(release, WORDS)

    def test_words_do_not_hang_on_the_ids_that_are_looked_at_at_once(
        self, release: Release, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(link_steps, "BLOCK_IDS", 8)
        assert content(finish(packed()), WORDS) == content(release, WORDS)

    @pytest.mark.parametrize("rows", [1, 10])
    def test_they_do_not_hang_on_the_row_groups_of_rings(
        self, release: Release, rows: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(rings, "RING_ROWS", rows)
        assert self.finished(packed()) == self.finished(release)


class TestAgain:
    def test_a_step_that_is_done_again_writes_nothing_and_tells_the_same(self) -> None:
        place = packed(ranges=1).place
        told = self.everything(place)
        before = dict(objects_of(place.store))
        assert self.everything(place) == told
        assert objects_of(place.store) == before

    def everything(self, place: ReleasePlace) -> list[dict[str, object]]:
        return [*(ring(place, lexicon) for lexicon in lexicons_of(place)), link_file(place, 0), index(place)]

    def test_steps_tell_what_they_made(self) -> None:
        release = packed(ranges=1)
        told = [ring(release.place, lexicon) for lexicon in lexicons_of(release.place)]
        link_file(release.place, 0)
        reasons = Counter(why.split(":")[0] for _, _, why, _ in links_of(release))
        assert told == [
            {"lexicon": name, "lexemes": lexemes, "links": reasons[name]}
            for name, lexemes in (("object", 10), ("place", 4), ("trade", 7))
        ]
        assert link_file(release.place, 0) == {"path": "links.parquet", "links": reasons.total()}
        words = len({word for _, text in texts(release) for word in text.lower().rstrip(".").split()})
        assert index(release.place) == {"lexemes": 21, "words": words}

    @pytest.mark.parametrize(
        ("gone", "step"),
        [
            ("kept.json", "ring"),
            ("lexemes/trade", "link_file"),
            ("lexemes/place", "index"),
            ("sketch/span-00002", "index"),
        ],
    )
    def test_a_step_says_what_is_missing(self, gone: str, step: str) -> None:
        place = packed(ranges=1).place
        for lexicon in lexicons_of(place) if step != "ring" else []:
            ring(place, lexicon)
        (name,) = place.work_names(gone)
        del objects_of(place.store)[place.keys.work(place.plan.digest, name)]
        steps = {
            "ring": lambda: ring(place, "object"),
            "link_file": lambda: link_file(place, 0),
            "index": lambda: index(place),
        }
        with pytest.raises(WorkMissing, match=f"{name} is not there"):
            steps[step]()

    @pytest.mark.parametrize(
        ("gone", "told"),
        [
            ("packed/file-00001", "95 of 142 phrases are packed"),
            ("slots/object/file-00001", r"slots/object/ has \d+ of \d+ phrases of lexemes 0 to 9"),
        ],
    )
    def test_rings_of_a_part_of_the_phrases_are_never_made(self, gone: str, told: str) -> None:
        place = packed().place
        (name,) = place.work_names(gone)
        del objects_of(place.store)[place.keys.work(place.plan.digest, name)]
        with pytest.raises(WorkMissing, match=told):
            ring(place, "object")
        assert not place.has_work("lexemes/object.parquet")


def texts(release: Release) -> Sequence[tuple[int, str]]:
    kept = set(release.kept)
    pairs = zip(*(release.rows.column(name).to_pylist() for name in ("phrase_id", "text")), strict=True)
    return [(phrase, text) for phrase, text in pairs if phrase in kept]
