import base64
import datetime as dt
import hashlib
import json
import re
import statistics
from html.parser import HTMLParser
from pathlib import Path

import jsonschema
import numpy as np
import pyarrow as pa
import pytest

from phrasemill.facts import Facts
from phrasemill.fingerprint import fingerprint
from phrasemill.gate import Expectation, Verdict, check_shard
from phrasemill.manifest import Acceptance, Manifest, Totals
from phrasemill.planning import shard_of
from phrasemill.range_words import range_in_words, time_in_words
from phrasemill.report import NightSummary, render_report, summarise_night
from phrasemill.report.schema import summary_schema
from phrasemill.report.summary import TrendPoint
from phrasemill.rows import encode_rows
from phrasemill.spec import CorpusSpec
from tests.hostile import HOSTILE
from tests.specs import make_spec
from tests.tables import make_rows

START = dt.datetime(2026, 11, 1, 21, 0, tzinfo=dt.UTC)
NOW = START + dt.timedelta(hours=1)


def facts_of(number: int, *, seconds: int = 60) -> Facts:
    begin = START + dt.timedelta(seconds=30 * number)
    return Facts(
        accepted=60,
        rejects={"too_short": 10 + number, "meta": 5},
        examples={"too_short": ["Fog.", f"Rain {number}."], "meta": ["Sure, here it is."]},
        prompt_tokens=4000 + number,
        completion_tokens=1500 + 10 * number,
        seconds=seconds,
        started_at=begin,
        finished_at=begin + dt.timedelta(seconds=seconds),
        engines=1 + number,
        run_ids=["run-1"],
    )


def manifest_of(spec: CorpusSpec, number: int, rows: pa.Table, *, verdict: Verdict, facts: Facts) -> Manifest:
    texts = rows.column("text").to_pylist()
    content = encode_rows(rows)
    return Manifest(
        corpus=spec.name,
        shard=number,
        first_id=60 * number,
        rows=len(texts),
        fingerprint=fingerprint(spec),
        data_key=f"shards/{number}",
        data_sha256=hashlib.sha256(content).hexdigest(),
        data_bytes=len(content),
        chars=sum(map(len, texts)),
        text_bytes=sum(len(text.encode()) for text in texts),
        committed_at=NOW,
        run_id="run-1",
        facts=facts,
        verdict=verdict.model_dump(mode="json"),
    )


class Night:
    """Two committed shards, judged by the real gate, with the rows they came from."""

    def __init__(self, spec: CorpusSpec) -> None:
        self.spec = spec
        self.tables: list[pa.Table] = []
        self.manifests: list[Manifest] = []
        for number in (0, 1):
            shard = shard_of(spec, number)
            rows = make_rows(spec, shard, attempts=[0, 1, 0, 2 * number] * 15)
            facts = facts_of(number)
            verdict = check_shard(rows, spec=spec, shard=shard, facts=facts)
            self.tables.append(rows)
            self.manifests.append(manifest_of(spec, number, rows, verdict=verdict, facts=facts))

    def summary(self, **changes: object) -> NightSummary:
        given = {
            "manifests": self.manifests,
            "fingerprint": "f" * 16,
            "date": "2026-11-01",
            "night": 0,
            "run_id": "run-1",
            "planned": [0, 1],
            "missing": [],
            "quarantined": [],
            "committed": Totals.of(self.manifests),
            "now": NOW,
        } | changes
        return summarise_night(self.spec, given.pop("manifests"), **given)


@pytest.fixture(scope="module")
def night() -> Night:
    return Night(make_spec())


def verdict_of(*, passed: bool = True, severity: str = "critical", value: float = 1.0, name: str = "thing") -> Verdict:
    thing = Expectation(
        name=name,
        kind="expect_thing",
        observed=f"{value:g}",
        value=value,
        limit="at most 5",
        severity=severity,
        passed=passed,
    )
    calm = Expectation(
        name="calm", kind="expect_calm", observed="1", value=1, limit="1", severity="critical", passed=True
    )
    return Verdict(
        passed=passed or severity != "critical", expectations=(calm, thing), gx_version="1.24.1", seconds=0.1
    )


class TestFiguresAreThoseOfTheRows:
    def test_phrases_characters_and_bytes(self, night):
        summary = night.summary()
        texts = [text for rows in night.tables for text in rows.column("text").to_pylist()]
        assert summary.phrases == len(texts) == 120
        assert summary.chars == sum(map(len, texts))
        assert summary.text_bytes == sum(len(text.encode()) for text in texts)
        assert summary.data_bytes == sum(len(encode_rows(rows)) for rows in night.tables)

    def test_lengths(self, night):
        lengths = night.summary().lengths
        sizes = [len(text) for rows in night.tables for text in rows.column("text").to_pylist()]
        assert lengths.mean == pytest.approx(statistics.mean(sizes))
        assert (lengths.shortest, lengths.longest) == (min(sizes), max(sizes))
        assert (lengths.p05, lengths.median, lengths.p95) == tuple(
            np.quantile(sizes, [0.05, 0.5, 0.95], method="inverted_cdf")
        )
        assert lengths.histogram == {size: sizes.count(size) for size in set(sizes)}

    def test_work(self, night):
        work = night.summary().work
        assert work.prompt_tokens == 8001
        assert work.completion_tokens == 3010
        assert work.tokens_per_phrase == pytest.approx(3010 / 120)
        assert work.tokens_per_char == pytest.approx(3010 / night.summary().chars)
        assert work.mean_attempt == pytest.approx((15 + 45) / 120)
        assert (work.accepted, work.judged, work.engines) == (120, 151, 2)
        assert work.reject_share == pytest.approx(31 / 151)

    def test_rejects(self, night):
        rejects = night.summary().rejects
        assert [(line.reason, line.count) for line in rejects] == [("too_short", 21), ("meta", 10)]
        assert rejects[0].share == pytest.approx(21 / 151)
        assert rejects[0].examples == ("Fog.", "Rain 0.", "Rain 1.")

    def test_metrics_are_averaged_over_shards(self, night):
        values = [manifest.verdict["metrics"]["distinct_2"] for manifest in night.manifests]
        line = next(line for line in night.summary().figures if line.metric == "distinct_2")
        assert (line.lowest, line.highest) == (min(values), max(values))
        assert line.mean == pytest.approx(statistics.mean(values))

    def test_progress_is_that_of_the_whole_corpus(self, night):
        committed = Totals(shards=3, phrases=180, chars=18_000, bytes=18_500)
        progress = night.summary(committed=committed).progress
        assert progress.share == 0.75
        assert (progress.shards, progress.target_phrases, progress.committed) == (4, 240, committed)

    def test_survives_json(self, night):
        summary = night.summary()
        assert NightSummary.model_validate_json(summary.model_dump_json()) == summary


class TestRateCountsOnlyTimeSpentGenerating:
    def test_overlapping_shards_count_their_time_once(self, night):
        work = night.summary().work  # 0 to 60 s and 30 to 90 s
        assert work.seconds == 90
        assert work.phrases_per_second == pytest.approx(120 / 90)

    def test_days_between_two_runs_do_not_count(self, night):
        later = night.manifests[1].facts.model_copy(
            update={
                "started_at": START + dt.timedelta(days=3),
                "finished_at": START + dt.timedelta(days=3, seconds=40),
            }
        )
        manifests = [night.manifests[0], night.manifests[1].model_copy(update={"facts": later})]
        assert night.summary(manifests=manifests).work.seconds == 100

    def test_the_pause_of_a_shard_that_was_resumed_does_not_count(self, night):
        facts = night.manifests[0].facts  # 60 s of work, now begun two days before
        resumed = facts.model_copy(update={"started_at": facts.started_at - dt.timedelta(days=2)})
        summary = night.summary(manifests=[night.manifests[0].model_copy(update={"facts": resumed})])
        assert summary.work.seconds == 60
        assert summary.shards[0].phrases_per_second == pytest.approx(1)

    def test_untimed_work_has_no_rate(self, night):
        manifest = night.manifests[0].model_copy(update={"facts": Facts(accepted=60)})
        work = night.summary(manifests=[manifest]).work
        assert work.phrases_per_second is None
        assert work.seconds == 0


class TestOutlook:
    def test_what_is_left_takes_the_rate_of_the_newest_shards(self, night):
        left = night.summary().outlook  # of two shards of four the second one has more engines: 60 phrases in 60 s
        assert (left.phrases, left.shards, left.nights) == (120, 2, 1)
        assert left.phrases_per_second.likely == pytest.approx(1)
        assert left.seconds.likely == pytest.approx(120)
        assert left.seconds.low < 120 < left.seconds.high
        assert left.basis == "1 shard committed since 2026-11-01"
        assert left.last_night == dt.datetime(2026, 11, 2, 21, 0, tzinfo=dt.UTC)

    def test_the_page_tells_it(self, night):
        text = " ".join(" ".join(Page(render_report(night.summary())).texts).split())
        left = night.summary().outlook
        rate, time = range_in_words(left.phrases_per_second), time_in_words(left.seconds)
        assert (
            "Left: 120 phrases in 2 shards; at the rate of this night’s newest shards, "
            f"{rate} phrases a second, {time} of generating; 1 night more by schedule, the last of which begins on "
            "2026-11-02 21:00 UTC. Reckoned from 1 shard committed since 2026-11-01." in text
        )

    def test_it_counts_the_whole_corpus_and_what_is_written_beyond_its_target(self):
        night = Night(make_spec(oversample=0.5))
        left = night.summary(committed=Totals(shards=3, phrases=180)).outlook
        assert (left.phrases, left.shards, left.nights) == (180, 3, 2)

    def test_nights_by_hand_have_no_schedule(self):
        left = Night(make_spec(schedule={"cron": None})).summary().outlook
        assert (left.nights, left.last_night) == (None, None)

    def test_nothing_is_left_of_a_whole_corpus(self, night):
        summary = night.summary(committed=Totals(shards=4, phrases=240))
        assert summary.outlook is None
        assert "Left:" not in render_report(summary)

    def test_untimed_work_tells_no_time(self, night):
        manifest = night.manifests[0].model_copy(update={"facts": Facts(accepted=60)})
        summary = night.summary(manifests=[manifest], committed=Totals(shards=1, phrases=60))
        assert (summary.outlook.seconds, summary.outlook.phrases) == (None, 180)
        page = " ".join(render_report(summary).split())
        assert "How long it takes is not known: no committed shard was timed." in page

    def test_a_summary_from_before_it_was_kept_is_still_read(self, night):
        older = json.loads(night.summary().model_dump_json())
        del older["outlook"]
        assert NightSummary.model_validate(older).outlook is None


class TestState:
    @pytest.mark.parametrize(
        ("missing", "quarantined", "state"),
        [
            ([], [], "complete"),
            ([], [1], "complete"),
            ([1], [], "incomplete: 1 of 4 shards missing (1)"),
            ([1, 2, 3], [3, 3], "incomplete: 3 of 4 shards missing (1-3), of which 3 in quarantine"),
            ([0, 2], [0, 2], "incomplete: 2 of 4 shards missing (0, 2), in quarantine"),
        ],
    )
    def test_in_words(self, night, missing, quarantined, state):
        held = [{"shard": shard, "run": "run-1", "reason": "too short", "key": "k"} for shard in quarantined]
        manifests = [manifest for manifest in night.manifests if manifest.shard not in missing]
        summary = night.summary(manifests=manifests, planned=[0, 1, 2, 3], missing=missing, quarantined=held)
        assert summary.state == state
        assert summary.complete is (not missing)

    def test_a_night_with_nothing_committed(self, night):
        summary = night.summary(manifests=[], missing=[0, 1], committed=Totals())
        assert (summary.phrases, summary.lengths, summary.work.phrases_per_second) == (0, None, None)
        assert "nothing is committed yet" in render_report(summary)


class TestExpectationsComeWorstFirst:
    def manifests(self, night: Night, *verdicts: Verdict) -> list[Manifest]:
        return [
            manifest.model_copy(update={"verdict": verdict.model_dump(mode="json")})
            for manifest, verdict in zip(night.manifests, verdicts, strict=True)
        ]

    def test_a_warning_stands_before_what_holds(self, night):
        verdicts = (verdict_of(), verdict_of(passed=False, severity="warning", value=9))
        summary = night.summary(manifests=self.manifests(night, *verdicts))
        assert [line.name for line in summary.expectations] == ["thing", "calm"]
        assert summary.expectations[0].failed_shards == (1,)
        assert summary.expectations[0].observed == "9"
        assert summary.shards[1].warnings == ("thing: 9 (limit: at most 5)",)

    def test_a_quarantined_verdict_joins_them(self, night):
        held = {
            "shard": 2,
            "run": "r",
            "reason": "x",
            "verdict": verdict_of(passed=False, name="worse").model_dump(mode="json"),
        }
        verdicts = (verdict_of(), verdict_of(passed=False, severity="warning"))
        summary = night.summary(manifests=self.manifests(night, *verdicts), quarantined=[held])
        assert [line.name for line in summary.expectations] == ["worse", "thing", "calm"]
        assert summary.expectations[2].shards == 3

    def test_what_holds_shows_its_range(self, night):
        summary = night.summary(manifests=self.manifests(night, verdict_of(value=2), verdict_of(value=4)))
        line = next(line for line in summary.expectations if line.name == "thing")
        assert (line.observed, line.limit) == ("2 to 4", "at most 5")


class Page(HTMLParser):
    """What a browser would make of the page: elements, attributes, visible text."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.texts: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append(tag)
        self.attributes += attrs

    def handle_data(self, data: str) -> None:
        self.texts.append(data)


def sample_of(texts: list[str]) -> list[dict[str, object]]:
    return [{"text": text, "template": "seen", "scene": n, "phrase_id": n} for n, text in enumerate(texts)]


def page_full_of(text: str) -> str:
    """A report with this text in every place that a model, a user or a verdict fills."""
    spec = make_spec(title=text[:200], model={"name": text[:200]})
    facts = facts_of(0).model_copy(update={"examples": {text[:40]: [text]}, "rejects": {text[:40]: 3}})
    verdict = verdict_of(name=text)
    manifest = manifest_of(spec, 0, make_rows(spec, shard_of(spec, 0)), verdict=verdict, facts=facts)
    summary = summarise_night(
        spec,
        [manifest],
        fingerprint="f" * 16,
        date="2026-11-01",
        night=None,
        run_id=text,
        planned=[0, 1],
        missing=[1],
        quarantined=[{"shard": 1, "run": text, "reason": text}],
        committed=Totals.of([manifest]),
        now=NOW,
        sample=[{"text": text, "template": text, "scene": 1, "phrase_id": 1}],
        earlier=[
            TrendPoint(date=text, phrases=60, mean_chars=90),
            TrendPoint(date="before", phrases=60, mean_chars=91),
        ],
    )
    return render_report(summary)


class TestPage:
    def test_shows_the_night_in_words(self, night):
        rows = night.tables[0].to_pylist()[:30]
        text = " ".join(" ".join(Page(render_report(night.summary(sample=rows))).texts).split())
        assert "complete 120 phrases in 2 of 2 shards are committed; every one of them passed the gate." in text
        assert "50 % of the target: 120 of 240 phrases, 2 of 4 shards" in text.replace("\u00a0", " ")
        assert "too short fewer characters or words than the rules ask for 21" in text
        assert all(row["text"] in text for row in rows)
        assert f"{rows[3]['template']} · scene {rows[3]['scene']} · phrase 3" in text

    def test_names_what_is_missing_and_why(self, night):
        held = [{"shard": 3, "run": "run-1", "reason": "mean characters a phrase: 31 (limit: 60 to 140)"}]
        summary = night.summary(planned=[0, 1, 2, 3], missing=[2, 3], quarantined=held)
        text = " ".join(" ".join(Page(render_report(summary)).texts).split())
        assert "2 of 4 shards missing (2-3), of which 3 in quarantine" in text
        assert "mean characters a phrase: 31 (limit: 60 to 140)" in text
        assert "passed the gate" not in text

    def test_asks_for_nothing_and_runs_nothing(self, night):
        html = render_report(night.summary(sample=sample_of(["A phrase."])))
        page = Page(html)
        assert not {"script", "link", "img", "iframe", "form", "object", "embed", "a"} & set(page.elements)
        names = {name for name, _ in page.attributes}
        assert not {name for name in names if name.startswith("on")}
        assert not {"src", "href", "style", "srcset", "action"} & names
        assert "url(" not in html
        assert "@import" not in html

    def test_its_policy_allows_its_own_style_and_nothing_else(self, night):
        html = render_report(night.summary())
        style = re.search(r"<style>(.*?)</style>", html, re.DOTALL).group(1)
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        policy = next(value for name, value in Page(html).attributes if value and "default-src" in value)
        assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"

    @pytest.mark.parametrize("text", HOSTILE)
    def test_hostile_text_is_inert_wherever_it_stands(self, text):
        html = page_full_of(text)
        page = Page(html)
        assert page.elements == Page(page_full_of("Calm words.")).elements
        assert not {name for name, _ in page.attributes if name.startswith("on") or name in {"src", "href"}}
        assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ufeff]", html)

    def test_invisible_characters_are_spelled_out(self, night):
        html = render_report(night.summary(sample=sample_of(["abc\u202edef\x00"])))
        assert "<bdi>abc[U+202E]def[U+0000]</bdi>" in html

    def test_a_text_of_ten_kilobytes_is_cut_and_says_so(self, night):
        html = render_report(night.summary(sample=sample_of(["W" * 10_240])))
        assert "W" * 1000 + "… (10,240 characters)</bdi>" in html
        assert "W" * 1001 not in html

    def test_right_to_left_text_stays_in_its_line(self, night):
        assert "<bdi>مرحبا (1)</bdi>" in render_report(night.summary(sample=sample_of(["مرحبا (1)"])))

    @pytest.mark.parametrize("sizes", [[94], [20, 160], list(range(1, 9_999, 7))])
    def test_a_histogram_holds_any_range_of_lengths(self, night, sizes):
        lengths = night.summary().lengths.model_copy(
            update={"histogram": dict.fromkeys(sizes, 2), "shortest": sizes[0], "longest": sizes[-1]}
        )
        html = render_report(night.summary().model_copy(update={"lengths": lengths}))
        drawing = re.search(r'<svg class="plot"[^>]*Histogram.*?</svg>', html, re.DOTALL).group()
        assert 1 <= len(re.findall(r'class="fill-accent"', drawing)) <= 46

    def test_summary_json_is_plain(self, night):
        summary = json.loads(night.summary().model_dump_json())
        assert summary["state"] == "complete"
        assert summary["work"]["phrases_per_second"] == pytest.approx(120 / 90)


class TestMendedShards:
    def failed_once(self, shard: int) -> dict[str, object]:
        verdict = verdict_of(passed=False).model_dump(mode="json")
        return {"shard": shard, "run": "run-1", "reason": "thing: 1", "verdict": verdict, "discarded": None}

    def test_a_shard_that_was_written_anew_does_not_count_as_failed(self, night):
        summary = night.summary(quarantined=[self.failed_once(1)])
        thing = next(line for line in summary.expectations if line.name == "thing")
        assert (thing.failed_shards, thing.mended_shards) == ((), (1,))
        assert summary.quarantined[0].now == "committed"
        text = " ".join(" ".join(Page(render_report(summary)).texts).split())
        assert "failed once, mended: shard 1" in text
        assert "every one of them passed the gate" in text

    def test_one_that_is_missing_counts_as_failed_and_comes_first(self, night):
        held = [self.failed_once(1), self.failed_once(2)]
        summary = night.summary(planned=[0, 1, 2], missing=[2], quarantined=held)
        assert summary.expectations[0].failed_shards == (2,)
        assert summary.expectations[0].mended_shards == (1,)
        assert [line.now for line in summary.quarantined] == ["committed", "held"]

    def test_discarded_rows_are_no_longer_in_quarantine(self, night):
        gone = self.failed_once(2) | {"discarded": {"by": "ada", "at": "2026-11-01"}}
        summary = night.summary(planned=[0, 1, 2], missing=[2], quarantined=[gone])
        assert summary.quarantined[0].now == "discarded"
        assert summary.state == "incomplete: 1 of 3 shards missing (2)"

    def test_one_that_was_accepted_is_told_with_whose_word_and_why(self, night):
        accepted = Acceptance(by="ada", at=NOW, reason="short on purpose", failed=("thing: 1",), quarantine_key="k")
        verdict = verdict_of(passed=False).model_dump(mode="json")
        changed = night.manifests[1].model_copy(update={"accepted": accepted, "verdict": verdict})
        summary = night.summary(manifests=[night.manifests[0], changed], quarantined=[self.failed_once(1)])
        assert summary.quarantined[0].now == "accepted"
        assert summary.expectations[0].failed_shards == (1,)
        text = " ".join(" ".join(Page(render_report(summary)).texts).split())
        assert "1 of them accepted from quarantine" in text
        assert "short on purpose thing: 1 ada , 2026-11-01 22:00 UTC" in text


class TestPlots:
    def test_each_has_a_name_and_its_numbers_in_words(self, night):
        html = render_report(night.summary(earlier=[TrendPoint(date="2026-10-31", phrases=100, mean_chars=90)]))
        labels = [value for name, value in Page(html).attributes if name == "aria-label"]
        assert any(label.startswith("Phrases a second over time. From 2026-11-01") for label in labels)
        assert any(
            re.match(r"Histogram of characters a phrase\. \d+ to \d+ characters; median \d+;", x) for x in labels
        )
        assert any(label.startswith("Mean characters, night by night. 2 nights, 2026-10-31") for label in labels)

    def test_the_same_summary_gives_the_same_page(self, night):
        assert render_report(night.summary()) == render_report(night.summary())

    def test_colours_are_those_of_the_style_sheet(self, night):
        drawings = re.findall(r'<svg class="plot.*?</svg>', render_report(night.summary()), re.DOTALL)
        assert drawings
        for drawing in drawings:
            assert not re.search(r"#[0-9a-f]{6}|style=|id=|url\(", drawing)
            assert 'class="fill-soft"' in drawing


class TestSchema:
    def test_the_documented_schema_is_that_of_the_model(self):
        documented = (Path(__file__).parents[1] / "docs" / "summary.schema.json").read_text()
        assert documented == summary_schema(), "run: python -m phrasemill.report.schema > docs/summary.schema.json"

    def test_a_summary_keeps_to_it(self, night):
        jsonschema.validate(json.loads(night.summary().as_json()), json.loads(summary_schema()))
