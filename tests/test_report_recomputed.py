"""Numbers of a report against the same numbers from the Parquet files in the bucket, by code that is not ours."""

import json
from typing import Any

import pytest

from phrasemill.closing import close_night, corpus_report, report_files
from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.steps import Workplace, generate, preflight, publish, validate
from phrasemill.store.bucket import Bucket
from phrasemill.store.corpus_store import CorpusStore
from tests.grinding import QUICK
from tests.recompute import OPENINGS_SHOWN, read_shards, recompute
from tests.servers import S3Server
from tests.specs import make_spec


@pytest.fixture(scope="module", params=["en", "ru"])
def reported(request: pytest.FixtureRequest, s3_server: S3Server) -> tuple[dict[str, Any], dict[str, Any]]:
    """The summary of a night of two shards as it lies in the bucket, and the figures recomputed from its rows."""
    spec = make_spec(
        language=request.param,
        target_phrases=2400,
        shard_phrases=600,
        block_phrases=100,
        engines={"list_size": 20, "in_flight": 100},
        gate={"min_distinct_2": 0.05, "max_near_duplicate_share": 1, "min_distinct_1": 0, "min_distinct_3": 0},
    )
    client = s3_server.client(s3_server.endpoint)
    bucket = Bucket(client, s3_server.new_bucket(s3_server.endpoint))
    store = CorpusStore(bucket, spec)
    with FakeEngineProcess(model="tiny-model", text={"en": "good", "ru": "good_ru"}[request.param]) as engine:
        place = Workplace(spec, store, (engine.url,), run_id="run-1", patience=QUICK)
        preflight(place)
        for shard in (0, 1):
            generate(place, shard)
            validate(place, shard)
            publish(place, shard)
    close_night(place, label="2026-11-01", night=0, shards=[0, 1])
    night = json.loads(bucket.get(store.keys.report("2026-11-01", "summary.json")) or b"")
    whole = json.loads(report_files(corpus_report(place))["summary.json"])
    frames = read_shards(client, bucket.name, store.keys.root, [0, 1])
    return {"night": night, "corpus": whole}, recompute(frames)


@pytest.mark.parametrize("kind", ["night", "corpus"])
class TestNumbersAreThoseOfTheRows:
    def test_counts(self, reported: Any, kind: str) -> None:
        summary, true = reported[0][kind], reported[1]
        for name in ("phrases", "chars", "text_bytes"):
            assert summary[name] == true[name], name
        assert sum(line["phrases"] for line in summary["shards"]) == true["phrases"] == 1200
        assert summary["work"]["accepted"] == true["phrases"]

    def test_lengths_and_quantiles(self, reported: Any, kind: str) -> None:
        lengths, true = reported[0][kind]["lengths"], reported[1]
        for name in ("shortest", "p05", "median", "p95", "longest"):
            assert lengths[name] == true[name], name
        assert lengths["mean"] == pytest.approx(true["mean"])
        assert {int(length): phrases for length, phrases in lengths["histogram"].items()} == true["histogram"]
        for line in reported[0][kind]["shards"]:
            assert line["mean_chars"] == pytest.approx(true["shard_mean_chars"][line["shard"]])

    def test_distinct_n(self, reported: Any, kind: str) -> None:
        figures = {line["metric"]: line["mean"] for line in reported[0][kind]["figures"]}
        for name in ("distinct_1", "distinct_2", "distinct_3", "top_opening_share"):
            assert figures[name] == pytest.approx(reported[1][name]), name

    def test_openings(self, reported: Any, kind: str) -> None:
        lines, true = reported[0][kind]["openings"], reported[1]["openings"]
        assert len(lines) == OPENINGS_SHOWN
        for line in lines:
            found = true[line["opening"]]
            assert line["count"] == found["listed"]
            assert line["exact"] is found["in_all"]
            assert line["count"] == found["true"] if line["exact"] else line["count"] <= found["true"]
            assert line["share"] == pytest.approx(line["count"] / 1200)
        assert lines[0]["count"] == max(found["listed"] for found in true.values())

    def test_templates(self, reported: Any, kind: str) -> None:
        lines = reported[0][kind]["templates"]
        assert {line["template"]: line["phrases"] for line in lines} == reported[1]["templates"]
        assert sum(line["share"] for line in lines) == pytest.approx(1)

    def test_attempts(self, reported: Any, kind: str) -> None:
        assert reported[0][kind]["work"]["mean_attempt"] == pytest.approx(reported[1]["mean_attempt"])

    def test_phrases_shown_are_phrases_that_are_there(self, reported: Any, kind: str) -> None:
        assert len(reported[0][kind]["sample"]) == 30
        assert len({line["phrase_id"] for line in reported[0][kind]["sample"]}) == 30
