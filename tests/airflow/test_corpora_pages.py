"""The page of all corpora: their figures, broken files, buckets that are down, and who may see it."""

import json
import re
from pathlib import Path

import pytest

from tests.airflow.browsers import browser, token_of
from tests.airflow.harbours import add_dag, commit, hold, new_harbour, settled
from tests.hostile import HOSTILE
from tests.servers import KEYS, free_port

pytestmark = pytest.mark.usefixtures("airflow_database", "connect_s3")

PAGE = "/phrasemill/corpora"


@pytest.fixture
def down(monkeypatch):
    """A connection to a server that is not there."""
    login = {"login": KEYS["aws_access_key_id"], "password": KEYS["aws_secret_access_key"]}
    extra = {"endpoint_url": f"http://127.0.0.1:{free_port()}", "region_name": KEYS["region_name"]}
    connection = {"conn_type": "aws", "extra": extra} | login
    monkeypatch.setenv("AIRFLOW_CONN_PHRASEMILL_DOWN", json.dumps(connection))
    return "phrasemill_down"


def card(text, name):
    """The part of the page that is about one corpus, without its tags."""
    cards = re.findall(r"<article.*?</article>", text, re.DOTALL)
    (found,) = [one for one in cards if f">{name}<" in one]
    return " ".join(re.sub(r"<[^>]*>", " ", found).split())


class TestWhoMaySeeIt:
    def test_nobody_without_a_login(self, app):
        assert browser(app).get(PAGE).status_code == 401

    def test_nobody_whose_role_may_see_no_dag(self, app):
        assert browser(app, token=token_of(None)).get(PAGE).status_code == 403

    def test_a_corpus_whose_dag_airflow_does_not_know_is_not_shown(self, reader, corpora, s3_server):
        store = new_harbour(corpora, s3_server)
        assert store.spec.name not in settled(reader, PAGE).text


class TestACorpus:
    def test_is_shown_with_its_figures(self, reader, corpora, s3_server):
        store = new_harbour(corpora, s3_server)
        commit(store, 0, 1)
        dag_id = add_dag(store)
        answer = settled(reader, PAGE)
        assert answer.status_code == 200
        shown = card(answer.text, store.spec.name)
        assert "50 % 2 of 4 shards" in shown.replace("\u00a0", " ")
        assert "120 of 240" in shown
        assert 'max="1" value="0.5000"' in answer.text
        assert f'href="/phrasemill/dags/{dag_id}/corpus"' in answer.text
        assert f'href="/dags/{dag_id}" data-airflow' in answer.text

    def test_says_that_it_is_complete(self, reader, corpora, s3_server):
        store = new_harbour(corpora, s3_server)
        commit(store, 0, 1, 2, 3)
        add_dag(store)
        shown = card(settled(reader, PAGE).text, store.spec.name)
        assert " complete " in shown
        assert "no night has anything left to do" in shown

    def test_says_that_its_dag_is_paused_while_nights_are_to_come(self, reader, corpora, s3_server):
        for paused in (True, False):
            store = new_harbour(corpora, s3_server, schedule={"start_date": "2120-01-01"})
            add_dag(store, paused=paused)
            shown = card(settled(reader, PAGE).text, store.spec.name)
            assert "2120-01-01 22:00 CET" in shown
            assert ("but the Dag is paused" in shown) is paused

    def test_names_quarantined_shards(self, reader, corpora, s3_server):
        store = new_harbour(corpora, s3_server)
        hold(store, 2, reason="too alike")
        add_dag(store)
        assert "shard 2 quarantined" in card(settled(reader, PAGE).text, store.spec.name)

    def test_hostile_titles_are_text(self, reader, corpora, s3_server):
        for title in HOSTILE[:3]:
            store = new_harbour(corpora, s3_server, title=title)
            add_dag(store)
        text = settled(reader, PAGE).text
        assert "<script>document" not in text
        assert "<img" not in text
        assert "&lt;script&gt;document.title" in text


class TestTrouble:
    def test_a_broken_file_is_shown_with_its_mistake_and_the_others_as_ever(self, reader, corpora: Path, s3_server):
        broken, whole = new_harbour(corpora, s3_server), new_harbour(corpora, s3_server)
        commit(whole, 0)
        add_dag(broken)
        add_dag(whole)
        path = corpora / f"{broken.spec.name}.yaml"
        path.write_text(path.read_text().replace("target_phrases: 240", "target_phrases: many"))
        answer = settled(reader, PAGE)
        shown = card(answer.text, broken.spec.name)
        assert "not read" in shown
        assert "target_phrases" in shown
        assert str(corpora) not in answer.text
        assert "60 of 240" in card(answer.text, whole.spec.name)

    def test_a_bucket_that_is_down_hides_no_other_corpus(self, reader, corpora, s3_server, down):
        lost = new_harbour(corpora, s3_server, storage={"connection": down})
        whole = new_harbour(corpora, s3_server)
        commit(whole, 0)
        add_dag(lost)
        add_dag(whole)
        text = settled(reader, PAGE).text
        assert "cannot be read" in card(text, lost.spec.name)
        assert "60 of 240" in card(text, whole.spec.name)
        assert "cannot be read" not in card(text, whole.spec.name)

    def test_without_corpora_the_page_says_so(self, reader, corpora):
        assert "There is no corpus whose Dag you may read" in settled(reader, PAGE).text


class TestTheAnswer:
    def test_is_not_sent_again_while_nothing_has_changed(self, reader, corpora):
        first = reader.get(PAGE)
        again = reader.get(PAGE, headers={"If-None-Match": first.headers["etag"]})
        assert (again.status_code, again.content) == (304, b"")

    def test_comes_under_a_policy_that_lets_nothing_in(self, reader, corpora):
        headers = reader.get(PAGE).headers
        assert headers["content-security-policy"].startswith("default-src 'none'; script-src 'self';")
        assert headers["x-content-type-options"] == "nosniff"
