"""Notices from a real Airflow: a night that overruns, a red one, a finished target, and one to try them out."""

import pytest

from tests.mailbox import Mailbox, text_of
from tests.scheduler.airflow_server import AirflowServer
from tests.scheduler.conftest import TOLD
from tests.scheduler.corpus import ENDED, Corpus, wait_for

pytestmark = pytest.mark.scheduler

BAD_SCENE = "Scene number 75:"
"""Of phrase 74, and so of shard 1."""
SECONDS = 1 / 3600


def a_night_whose_engine_is_away(corpus: Corpus) -> None:
    # Deadlines are told by the triggerer, which no other test needs.
    corpus.airflow.launch("triggerer")
    corpus.airflow.await_healthy("triggerer")
    corpus.engine.faults(mode="status", status=503)
    corpus.unpause()


@pytest.mark.corpus("late", opening=a_night_whose_engine_is_away, schedule={"deadline_hours": 10 * SECONDS})
class TestANightThatOverruns:
    def test_is_told_by_mail_while_it_goes_on_and_then_ends_well(self, corpus: Corpus, mailbox: Mailbox) -> None:
        mails = wait_for(lambda: mailbox.mails(about="late overruns its deadline"), what="a mail on the overrun")
        (run,) = corpus.runs()
        assert run["state"] not in ENDED
        assert len(mails) == 1
        assert mails[0]["Subject"].endswith(f"run {run['dag_run_id']}")
        assert "has not ended within" in text_of(mails[0])
        corpus.engine.clear_faults()
        assert corpus.await_run(run["dag_run_id"]) == "success"
        assert len(mailbox.mails(about="phrasemill: late ")) == 1


def a_night_with_a_bad_scene(corpus: Corpus) -> None:
    corpus.engine.faults(mode="text", text="refusals", contains=BAD_SCENE)
    corpus.unpause()


@pytest.mark.corpus(
    "told",
    opening=a_night_with_a_bad_scene,
    target_phrases=180,
    schedule={"shards_per_night": 3, "deadline_hours": 5},
)
class TestARedNight:
    def test_is_told_by_mail_and_cleared_before_its_deadline_the_target_is(
        self, corpus: Corpus, mailbox: Mailbox
    ) -> None:
        (run,) = corpus.await_runs(1)
        assert run["state"] == "failed"
        night = f"night {corpus.nights[0]:%Y-%m-%d}"
        red = f"phrasemill: told is red, {night}"
        (mail,) = wait_for(lambda: mailbox.mails(about=red), what="a mail on the red night")
        assert (mail["To"], mail["Subject"]) == (TOLD, red)
        text = text_of(mail)
        assert "<p>Failed: generate of shard-00001, close_night.</p>" in text
        assert "The first of them, generate of shard-00001: " in text
        assert "was rejected" in text or "were rejected" in text
        assert "What is missing: told, " in text
        assert "Clear the failed tasks of shards 1" in text
        assert f"{corpus.airflow.layout.url('airflow')}/dags/{corpus.dag_id}/runs/scheduled__" in text

        corpus.engine.clear_faults()
        corpus.api.clear_failed(corpus.dag_id, run["dag_run_id"])
        assert corpus.await_run(run["dag_run_id"]) == "success"
        reached = "phrasemill: told is written, all 3 shards"
        (mail,) = wait_for(lambda: mailbox.mails(about=reached), what="a mail on the finished target")
        assert f"{night} has committed the last of 3 shards" in text_of(mail)
        assert len(mailbox.mails(about="phrasemill: told ")) == 2


@pytest.mark.corpus("quiet", opening=lambda corpus: None)
class TestTryingThemOut:
    def test_the_dag_notices_sends_one(self, airflow: AirflowServer, corpus: Corpus, mailbox: Mailbox) -> None:
        corpus.api.trigger("notices", {})
        (mail,) = wait_for(lambda: mailbox.mails(about="notices arrive here"), what="a mail on trial")
        assert f"They go to smtp:{TOLD}." in text_of(mail)
        assert mailbox.mails(about="quiet") == []
