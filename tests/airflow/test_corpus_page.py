"""The pages of a corpus and of its shards: grid, nights, rejects, random phrases, records, and who may see them."""

import html
import json
import re

import pytest

from phrasemill.planning import shard_of
from phrasemill.store.staging import ShardStaging
from tests.airflow.browsers import browser, token_of
from tests.airflow.harbours import add_dag, commit, hold, new_harbour, settled
from tests.airflow.rows import add_plan, add_run, add_tasks
from tests.hostile import HOSTILE, hostile_texts
from tests.store.rows import block_rows, facts_of

pytestmark = pytest.mark.usefixtures("airflow_database", "connect_s3")

REASON = "language: 12 of 60 outside\t(limit: at most 5)\n<script>alert(1)</script>"
ROUTES = [
    "corpus",
    "corpus/phrases",
    "shards/0",
    "shards/0/manifest.json",
    "shards/0/verdict.json",
]


@pytest.fixture
def harbour(corpora, s3_server):
    """Shards 0 and 1 are committed, 2 is in quarantine, 3 has one block."""
    store = new_harbour(corpora, s3_server)
    commit(store, 0, 1)
    hold(store, 2, reason=REASON)
    shard = shard_of(store.spec, 3)
    block = next(iter(ShardStaging(store, shard)._plan.values()))
    ShardStaging(store, shard).save(block, block_rows(store.spec, block), facts_of(block))
    return store


@pytest.fixture
def dag(harbour):
    return f"/phrasemill/dags/{add_dag(harbour)}"


def plain(text):
    """A page's text without its tags."""
    return html.unescape(" ".join(re.sub(r"<[^>]*>", " ", text).split()))


def cells(text):
    """By night's name, the lines of its shards: code, task, detail."""
    found = re.findall(r'<ol aria-label="([^"]*)" data-first="\d+" data-cells="([^"]*)">', text)
    return {name: [html.unescape(line).split("\t") for line in lines.split("\n")] for name, lines in found}


def drawn(text):
    """The phrases of a page: id, template and slots of each."""
    lines = re.findall(r"phrase ([\d,]+) · template <bdi>(\w+)</bdi> · scene [\d,]+ · (.*?)</p>", text)
    return [(int(number.replace(",", "")), template, plain(slots)) for number, template, slots in lines]


class TestWhoMaySeeThem:
    @pytest.mark.parametrize("route", ROUTES)
    def test_nobody_without_a_login(self, app, route):
        assert browser(app).get(f"/phrasemill/dags/corpus_tiny/{route}").status_code == 401

    @pytest.mark.parametrize("route", ROUTES)
    def test_nobody_whose_role_may_not_see_the_dag(self, app, route):
        answer = browser(app, token=token_of(None)).get(f"/phrasemill/dags/corpus_tiny/{route}")
        assert answer.status_code == 403

    @pytest.mark.parametrize("route", ROUTES)
    def test_other_dags_have_no_such_pages(self, reader, route):
        for dag_id in ("another", "corpus_nowhere", "corpus_..%2f..%2fetc"):
            assert reader.get(f"/phrasemill/dags/{dag_id}/{route}").status_code in {404, 422}


class TestTheCorpus:
    def test_has_its_figures(self, reader, dag):
        answer = settled(reader, f"{dag}/corpus")
        assert answer.status_code == 200
        shown = plain(answer.text).replace("\u00a0", " ")
        assert "of the target 50 % 2 of 4 shards" in shown
        assert "phrases committed 120 of 240" in shown
        # Ten echoes for 60 phrases, of both shards.
        assert "Of 140 outputs judged for committed shards, 20 were rejected: 14.2 %." in shown
        assert "repeats the instructions or its own prompt" in shown
        assert "in 1 stretch of work: 4.0 on average" in shown

    def test_has_a_cell_for_every_shard_by_night(self, reader, dag):
        grid = cells(settled(reader, f"{dag}/corpus").text)
        assert list(grid) == ["Night 0, 2026-11-01", "Night 1, 2026-11-02"]
        first, second = grid.values()
        assert [line[0] for line in first] == ["c", "c"]
        assert [line[0] for line in second] == ["q", "r"]
        assert first[0][2].startswith("60 phrases, committed ")
        assert second[1][2].startswith("1 of 3 blocks saved")

    def test_counts_states_in_the_legend(self, reader, dag):
        legend = plain(settled(reader, f"{dag}/corpus").text)
        for words in ("2 committed:", "1 running:", "0 begun:", "1 quarantined:", "0 missing:"):
            assert words in legend

    def test_leads_from_a_cell_to_the_latest_task_of_its_shard(self, reader, dag, harbour):
        dag_id = dag.rpartition("/")[2]
        add_run(dag_id, "late")
        tasks = {"shard.generate": "success", "shard.validate": "success", "shard.publish": "success"}
        add_tasks(dag_id, "late", tasks, indexes=[4], labels={4: "shard-00001"})
        text = settled(reader, f"{dag}/corpus").text
        (places,) = re.findall(r'data-places="([^"]*)"', text)
        first, second = cells(text)["Night 0, 2026-11-01"]
        assert first[1] == ""
        place, _, rest = second[1].partition(":")
        address = f"{places.splitlines()[int(place)]}/{rest}"
        assert address == f"/dags/{dag_id}/runs/late/tasks/shard.publish/mapped/4"

    def test_leads_from_a_night_to_its_run_report_and_quality(self, reader, dag):
        dag_id = dag.rpartition("/")[2]
        add_run(dag_id, "night", state="failed")
        add_plan(dag_id, "night", shards=[2, 3], label="2026-11-02")
        add_run(dag_id, "by_hand")
        add_plan(dag_id, "by_hand", shards=[0], label="manual-2026-11-02T120000")
        text = settled(reader, f"{dag}/corpus").text
        for run in ("night", "by_hand"):
            for way in ("", "/plugin/phrasemill-report", "/plugin/phrasemill-quality"):
                assert f'href="/dags/{dag_id}/runs/{run}{way}" data-airflow' in text
        assert "manual-2026-11-02T120000 shards by hand" in plain(text)

    def test_shows_the_last_two_weeks_of_nights_unless_all_are_asked_for(self, reader, corpora, s3_server):
        many = {"target_phrases": 60 * 60, "schedule": {"start_date": "2025-01-01"}}
        dag = f"/phrasemill/dags/{add_dag(new_harbour(corpora, s3_server, **many))}"
        text = settled(reader, f"{dag}/corpus").text
        assert "Show all 30 nights" in text
        assert text.count('data-label="Night"') == 14
        assert reader.get(f"{dag}/corpus?nights=all").text.count('data-label="Night"') == 30

    def test_leads_to_a_shard_by_its_number(self, reader, dag):
        answer = reader.get(f"{dag}/corpus?shard=3")
        assert (answer.status_code, answer.headers["location"]) == (303, f"{dag}/shards/3")
        assert reader.get(f"{dag}/corpus?shard=-1").status_code == 422

    def test_is_not_sent_again_while_nothing_has_changed(self, reader, corpora, s3_server):
        # Complete, so that no figure of it depends on the moment but that of the look itself.
        store = new_harbour(corpora, s3_server)
        commit(store, 0, 1, 2, 3)
        path = f"/phrasemill/dags/{add_dag(store)}/corpus"
        answer = settled(reader, path)
        for _ in range(20):  # a look that comes between two requests may tell of a later minute
            answer = reader.get(path, headers={"If-None-Match": answer.headers["etag"]})
            if answer.status_code == 304:
                break
        assert (answer.status_code, answer.content) == (304, b"")


class TestHostileText:
    def test_a_reason_stays_in_its_cell_as_text(self, reader, dag):
        text = settled(reader, f"{dag}/corpus").text
        assert "<script>alert" not in text
        quarantined = cells(text)["Night 1, 2026-11-02"][0]
        assert len(quarantined) == 3
        assert "<script>alert(1)</script>" in quarantined[2]

    def test_phrases_are_text(self, reader, corpora, s3_server):
        store = new_harbour(corpora, s3_server, title=HOSTILE[0])
        commit(store, 0, texts=hostile_texts(60))
        dag = f"/phrasemill/dags/{add_dag(store)}"
        settled(reader, f"{dag}/corpus")
        for seed in range(8):
            for path in ("corpus", "corpus/phrases"):
                text = reader.get(f"{dag}/{path}?seed={seed}").text
                assert len(drawn(text)) == 10
                for act in ("<script>", "<img", "<svg onload", "\u202e", "</bdi></textarea>", "\x1b"):
                    assert act not in text


class TestRandomPhrases:
    def test_ten_are_drawn_of_committed_shards(self, reader, dag):
        settled(reader, f"{dag}/corpus")
        answer = reader.get(f"{dag}/corpus/phrases")
        assert answer.status_code == 200
        numbers = [number for number, _, _ in drawn(answer.text)]
        assert len(set(numbers)) == 10
        assert all(0 <= number < 120 for number in numbers)
        assert "10 of 120 phrases in shards 0-1, drawn at random." in answer.text

    def test_the_same_seed_draws_the_same_and_the_next_one_others(self, reader, dag):
        settled(reader, f"{dag}/corpus")
        first = reader.get(f"{dag}/corpus/phrases?seed=4").text
        assert drawn(reader.get(f"{dag}/corpus?seed=4").text) == drawn(first)
        (following,) = re.findall(r'data-next-seed="(\d+)"', first)
        assert drawn(reader.get(f"{dag}/corpus/phrases?seed={following}").text) != drawn(first)

    def test_a_filter_is_kept_to(self, reader, dag):
        settled(reader, f"{dag}/corpus")
        for query in ({"template": "made"}, {"slot": "place", "lexeme": "the cave"}, {"slot": "trade"}):
            text = reader.get(f"{dag}/corpus/phrases", params={"seed": 1} | query).text
            found = drawn(text)
            assert found
            for _, template, slots in found:
                assert template == query.get("template", template)
                assert query.get("slot", "") in slots
                assert query.get("lexeme", "") in slots

    def test_few_that_fit_are_all_shown_and_said_to_be_few(self, reader, dag):
        settled(reader, f"{dag}/corpus")
        query = {"seed": 0, "template": "made", "slot": "trade", "lexeme": "a diver"}
        text = reader.get(f"{dag}/corpus/phrases", params=query).text
        found = drawn(text)
        assert 0 < len(found) < 10
        assert f"Only {len(found)} phrase" in text
        assert 'data-next-seed="10"' in text  # the next shards, not the same ones again

    @pytest.mark.parametrize(
        ("query", "told"),
        [
            ({"template": "nope"}, "There is no template called “nope”; there are seen, made."),
            ({"slot": "nope"}, "There is no slot called “nope”; there are place, object, trade."),
            ({"slot": "place", "lexeme": "the moon"}, "There is no lexeme in slot place called “the moon”"),
            ({"lexeme": "the pier"}, "Lexeme “the pier” is given without a slot"),
            ({"template": "made", "slot": "place"}, "Template “made” has no slot “place”; it has trade, object."),
            ({"template": "<b>"}, "There is no template called “<b>”"),
            ({"seed": "-1"}, "The seed must be a whole number"),
            ({"seed": "9" * 20}, "The seed must be a whole number"),
        ],
    )
    def test_what_nothing_can_fit_is_refused_in_a_line(self, reader, dag, query, told):
        settled(reader, f"{dag}/corpus")
        for path in ("corpus", "corpus/phrases"):
            answer = reader.get(f"{dag}/{path}", params=query)
            assert answer.status_code == 400
            assert told in html.unescape(answer.text)
            assert "<b>" not in answer.text

    def test_without_committed_shards_there_are_none(self, reader, corpora, s3_server):
        dag = f"/phrasemill/dags/{add_dag(new_harbour(corpora, s3_server))}"
        settled(reader, f"{dag}/corpus")
        assert "No shard is committed yet" in reader.get(f"{dag}/corpus/phrases").text

    def test_data_that_is_gone_is_told(self, reader, dag, harbour):
        settled(reader, f"{dag}/corpus")
        harbour.bucket.delete([harbour.manifest(0).data_key])
        answer = reader.get(f"{dag}/corpus/phrases")
        assert answer.status_code == 503
        assert "the data of a committed shard is gone" in answer.text


class TestAShard:
    def test_that_is_committed_shows_its_manifest_and_verdict(self, reader, dag, harbour):
        answer = settled(reader, f"{dag}/shards/1")
        manifest = harbour.manifest(1)
        shown = plain(answer.text)
        assert answer.status_code == 200
        assert "Phrase ids 60 to 119" in shown
        assert manifest.data_sha256 in shown
        assert manifest.data_key in shown
        assert f"{manifest.chars:,} characters" in shown
        assert f'href="{dag}/shards/1/manifest.json"' in answer.text
        # The worst first: a warning before what holds.
        lines = re.findall(r'scope="row">([^<]*)</th><td role="cell"><span class="chip \w+">([^<]*)', answer.text)
        assert lines[0] == ("mean length", "warning")
        assert {outcome for _, outcome in lines[1:]} == {"holds"}

    def test_that_is_held_says_why_and_what_to_do(self, reader, dag, harbour):
        text = settled(reader, f"{dag}/shards/2").text
        assert "<script>alert" not in text
        shown = plain(text)
        assert "12 of 60 outside" in shown
        for command in ("show", "accept", "discard"):
            assert f"phrasemill quarantine {command} {harbour.spec.name} 2" in shown

    def test_that_is_begun_or_missing_has_no_records(self, reader, dag):
        text = settled(reader, f"{dag}/shards/3").text
        assert "1 of 3 blocks saved" in text
        assert "manifest.json" not in text
        assert "verdict.json" not in text

    def test_that_does_not_exist_is_told(self, reader, dag):
        for route in ("", "/manifest.json", "/verdict.json"):
            answer = settled(reader, f"{dag}/shards/20{route}")
            assert answer.status_code == 404
            assert "has no shard 20; its shards are 0 to 3" in answer.text
        answer = settled(reader, f"{dag}/shards/4")
        assert answer.status_code == 404
        assert "has no shard 4; its shards are 0 to 3, and nobody has begun this one" in answer.text
        for number in ("-1", "x", "1e3", "100000"):
            assert reader.get(f"{dag}/shards/{number}").status_code == 422

    def test_that_tops_up_a_release_is_of_no_night(self, reader, corpora, s3_server):
        store = new_harbour(corpora, s3_server)
        commit(store, 0, 5)
        dag = f"/phrasemill/dags/{add_dag(store)}"
        shown = plain(settled(reader, f"{dag}/shards/5").text)
        assert "none: a top-up shard, after the 4 that the corpus file asks for" in shown
        assert reader.get(f"{dag}/shards/6").status_code == 404
        page = settled(reader, f"{dag}/corpus").text
        assert 'aria-label="Top-up shards" data-first="5"' in page
        assert 'max="5"' in page
        assert "60 of them in 1 top-up shard" in plain(page)

    def test_leads_to_its_task(self, reader, dag):
        dag_id = dag.rpartition("/")[2]
        add_run(dag_id, "late")
        add_tasks(dag_id, "late", {"shard.generate": "failed"}, indexes=[0], labels={0: "shard-00003"})
        text = settled(reader, f"{dag}/shards/3").text
        assert f'href="/dags/{dag_id}/runs/late/tasks/shard.generate/mapped/0" data-airflow' in text


class TestRecords:
    def test_the_manifest_is_given_as_it_lies_in_the_bucket(self, reader, dag, harbour):
        answer = settled(reader, f"{dag}/shards/0/manifest.json")
        assert answer.content == harbour.bucket.get(harbour.keys.manifest(0))
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["x-content-type-options"] == "nosniff"
        again = reader.get(f"{dag}/shards/0/manifest.json", headers={"If-None-Match": answer.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")

    def test_the_verdict_of_a_committed_shard_is_the_whole_one(self, reader, dag, harbour):
        answer = settled(reader, f"{dag}/shards/0/verdict.json")
        assert answer.content == harbour.bucket.get(harbour.manifest(0).verdict_key)

    def test_the_verdict_of_a_held_shard_is_that_of_its_quarantine(self, reader, dag):
        assert json.loads(settled(reader, f"{dag}/shards/2/verdict.json").content)["passed"] is False

    def test_what_is_not_there_yet_is_told(self, reader, dag, harbour):
        for what, shard in (("manifest", 2), ("manifest", 3), ("verdict", 3)):
            answer = settled(reader, f"{dag}/shards/{shard}/{what}.json")
            assert answer.status_code == 404
            assert f"shard-0000{shard} has no {what} yet" in answer.text

    def test_a_verdict_of_another_version_hides_nothing_else(self, reader, dag, harbour):
        (key,) = [
            entry.key
            for entry in harbour.bucket.entries(harbour.keys.quarantines())
            if entry.key.endswith("verdict.json")
        ]
        record = json.loads(harbour.bucket.get(key))
        harbour.bucket.put(key, json.dumps(record | {"verdict": {"outcome": "no"}}).encode())
        shown = plain(settled(reader, f"{dag}/shards/2").text)
        assert "The verdict is of another version of phrasemill" in shown
        assert f"phrasemill quarantine accept {harbour.spec.name} 2" in shown

    def test_a_record_of_another_version_is_told(self, reader, dag, harbour):
        harbour.bucket.put(harbour.keys.manifest(0), b'{"format": 99}')
        answer = settled(reader, f"{dag}/shards/0/verdict.json")
        assert answer.status_code == 503
        assert "is no manifest of this version" in answer.text
