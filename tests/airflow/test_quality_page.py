"""The Quality tab of a run: the night's judgement as its summary has it, and what is said where there is none."""

import html
import itertools
import json
import re

import pytest

from phrasemill.gate.verdict import Verdict
from phrasemill.report.summary import NightSummary
from tests.airflow.harbours import add_dag, commit, hold, new_harbour, settled
from tests.airflow.rows import add_plan, add_run
from tests.hostile import HOSTILE
from tests.verdicts import make_manifest, make_quarantined, make_summary, make_verdict

pytestmark = pytest.mark.usefixtures("airflow_database", "connect_s3")

LABEL = "2026-11-01"
_runs = itertools.count()


@pytest.fixture
def store(corpora, s3_server):
    return new_harbour(corpora, s3_server)


@pytest.fixture
def run(store):
    """The address of a run that planned the night of LABEL; its id has what ids of Airflow have."""
    dag_id, run_id = add_dag(store), f"manual__2026-11-01T21:00:00+00:00_{next(_runs)}"
    add_run(dag_id, run_id)
    add_plan(dag_id, run_id, shards=[0, 1], label=LABEL)
    return f"/phrasemill/dags/{dag_id}/runs/{run_id.replace('+', '%2B').replace(':', '%3A')}"


def put(store, summary: NightSummary | bytes) -> None:
    content = summary if isinstance(summary, bytes) else summary.as_json()
    store.bucket.put(store.keys.report(LABEL, "summary.json"), content)


def judged(store, held: Verdict, *, committed: list[Verdict] | None = None) -> NightSummary:
    """Shards 0 and on are committed under these verdicts, the one after them is in quarantine."""
    verdicts = committed or [make_verdict(), make_verdict(warned=["mean length"]), make_verdict(failed=["language"])]
    manifests = [make_manifest(store.spec, number, verdict) for number, verdict in enumerate(verdicts)]
    return make_summary(store.spec, manifests, [make_quarantined(len(verdicts), held)])


def plain(text):
    """A page's text without its tags."""
    return html.unescape(" ".join(re.sub(r"<[^>]*>", " ", text).split()))


class TestAClosedNight:
    def test_shows_the_expectations_worst_first(self, reader, store, run):
        summary = judged(store, make_verdict(failed=["language", "phrase ids are unique"]))
        put(store, summary)
        text = reader.get(f"{run}/quality").text
        names = [html.unescape(name) for name in re.findall(r'<th role="rowheader" scope="row">([^<]+)</th>', text)]
        assert names == [line.name for line in summary.expectations]
        for line in summary.expectations:
            assert html.escape(line.observed) in text
            assert line.limit in plain(text)
        assert text.index("Expectations that failed") < text.index("mean length") < text.index("in every shard")

    def test_leads_to_shards_report_and_corpus(self, reader, store, run):
        put(store, judged(store, make_verdict(failed=["language"])))
        links = re.findall(r'href="([^"]+)"', reader.get(f"{run}/quality").text)
        dag = run.partition("/runs/")[0]
        assert {f"{dag}/shards/3", f"{dag}/corpus", f"{run}/report"} <= set(links)
        assert f"{run}/data_docs/index.html" not in links
        store.bucket.put(store.keys.report(LABEL, "data_docs/index.html"), b"<title>Data Docs</title>")
        again = reader.get(f"{run}/quality").text
        assert f'href="{run}/data_docs/index.html"' in again
        assert reader.get(f"{run}/data_docs/index.html").status_code == 200

    def test_says_what_is_in_quarantine_and_what_is_missing(self, reader, store, run):
        summary = judged(store, make_verdict(failed=["language"], observed="12 of 60 outside"))
        put(store, summary)
        words = plain(reader.get(f"{run}/quality").text)
        assert (
            "incomplete 180 phrases in 3 of 4 shards are committed; 1 of 4 shards missing (3), in quarantine." in words
        )
        assert f"{summary.quarantined[0].reason} in quarantine run-1" in words
        assert f"Figures as of {summary.made_at:%Y-%m-%d %H:%M} UTC" in words

    def test_where_all_holds_says_so_and_shows_it(self, reader, store, run):
        manifests = [make_manifest(store.spec, number, make_verdict()) for number in range(2)]
        put(store, make_summary(store.spec, manifests))
        text = reader.get(f"{run}/quality").text
        assert "<details open><summary>4 expectations hold in every shard" in text
        assert "complete 120 phrases in 2 of 2 shards are committed." in plain(text)
        assert "Quarantine" not in plain(text)

    def test_names_the_run_that_closed_it_where_it_was_another(self, reader, store, run):
        put(store, judged(store, make_verdict(failed=["language"])))
        assert "closed last by run run-1" in plain(reader.get(f"{run}/quality").text)

    def test_is_not_sent_again_until_it_is_closed_again(self, reader, store, run):
        put(store, judged(store, make_verdict(failed=["language"])))
        known = {"If-None-Match": reader.get(f"{run}/quality").headers["etag"]}
        assert reader.get(f"{run}/quality", headers=known).status_code == 304
        put(store, judged(store, make_verdict(failed=["mean length"])))
        assert reader.get(f"{run}/quality", headers=known).status_code == 200

    @pytest.mark.parametrize("text", HOSTILE)
    def test_shows_what_a_model_wrote_and_never_runs_it(self, reader, store, run, text):
        summary = judged(store, make_verdict(failed=["language"], observed=text))
        held = summary.quarantined[0].model_copy(update={"reason": text, "run": text})
        put(store, summary.model_copy(update={"quarantined": (held,), "run_id": text, "title": text}))
        answer = reader.get(f"{run}/quality")
        assert answer.status_code == 200
        assert not re.search(r"<(script>|img|svg onload|b>|h1>Mine|a href=javascript)", answer.text)
        assert not re.search("[\u202a-\u202e\u2066-\u2069\ufeff\x07\x1b]", answer.text)
        assert "W" * 2000 not in answer.text


class TestANightThatIsNotClosed:
    def test_tells_what_is_known_so_far(self, reader, store, run):
        commit(store, 0)
        hold(store, 1, reason="language: 12 of 60 outside (limit: at most 5)")
        words = plain(settled(reader, f"{run.partition('/runs/')[0]}/corpus").text)
        words = plain(reader.get(f"{run}/quality").text)
        assert "This night is not closed yet" in words
        assert "Shards 1 of 2 committed, 1 in quarantine Phrases 60" in words

    def test_of_a_run_by_hand_says_that_there_is_nothing(self, reader, store):
        dag_id, run_id = add_dag(store), f"by_hand_{next(_runs)}"
        add_run(dag_id, run_id)
        add_plan(dag_id, run_id, shards=[3], label=run_id)
        words = plain(reader.get(f"/phrasemill/dags/{dag_id}/runs/{run_id}/quality").text)
        assert "This night is not closed yet" in words
        assert "So far" not in words

    def test_without_a_plan_has_no_page(self, reader, store):
        dag_id = add_dag(store)
        add_run(dag_id, f"unplanned_{next(_runs)}")
        answer = reader.get(f"/phrasemill/dags/{dag_id}/runs/unplanned_{next(_runs) - 1}/quality")
        assert (answer.status_code, "has not planned its night yet" in answer.text) == (404, True)


class TestASummaryThatCannotBeRead:
    def test_of_another_format_is_told_by_its_number(self, reader, store, run):
        fields = json.loads(judged(store, make_verdict(failed=["language"])).as_json())
        put(store, json.dumps(fields | {"format": 1}).encode())
        answer = reader.get(f"{run}/quality")
        assert answer.status_code == 200
        assert "summary.json has format 1, and these pages read format 2" in plain(answer.text)
        assert f'href="{run}/report"' in answer.text

    @pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b'{"format": 2}', b'{"format": []}', b"\xff\xfe"])
    def test_that_is_damaged_is_told_so(self, reader, store, run, content):
        put(store, content)
        answer = reader.get(f"{run}/quality")
        assert answer.status_code == 200
        assert "The night's summary.json is damaged" in plain(answer.text)
