"""Notices: what the Dags call, and what is told of nights, releases and deadlines.

The callbacks are called by what the Dag processor runs, and mails go to a real server; only what Airflow answers to the
questions of a callback is scripted.
"""

import asyncio
import datetime as dt
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from phrasemill.airflow import deadline as deadlines
from phrasemill.airflow.run_record import FAILED_BECAUSE, keep_reason
from phrasemill.corpus_file import dump_corpus
from tests.mailbox import Mailbox, text_of
from tests.specs import make_spec

ROOT = Path(__file__).parents[2]
RUN = "manual__2026-11-01T22:00:00+00:00"
PAGE = "https://airflow.example.org/base/dags/corpus_tiny/runs/manual__2026-11-01T22%3A00%3A00%2B00%3A00"
NIGHT = {"label": "2026-11-01", "number": 0, "shards": [0, 1]}
PLANNED = [{"shard": 0, "label": "shard-00000"}, {"shard": 1, "label": "shard-00001"}]


@pytest.fixture
def load(corpora: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """The Dags of the tiny corpus, with PHRASEMILL_NOTICES set or not."""

    def dags(notices: str | None, **fields: Any) -> Any:
        from airflow.dag_processing.dagbag import DagBag

        monkeypatch.delenv("PHRASEMILL_NOTICES", raising=False)
        if notices is not None:
            monkeypatch.setenv("PHRASEMILL_NOTICES", notices)
        (corpora / "tiny.yaml").write_text(dump_corpus(make_spec(**fields)))
        bag = DagBag(str(ROOT / "dags"))
        assert bag.import_errors == {}
        return bag

    return dags


class TestTheDags:
    def test_without_the_setting_they_call_nobody(self, load: Callable[..., Any]) -> None:
        bag = load(None)
        assert set(bag.dags) == {"corpus_tiny", "release_tiny"}
        for dag in bag.dags.values():
            assert not dag.has_on_failure_callback
            assert not dag.has_on_success_callback
        assert bag.dags["corpus_tiny"].deadline is None
        assert "| deadline | none |" in bag.dags["corpus_tiny"].doc_md

    def test_with_it_both_do_and_a_third_one_tries_notices_out(self, load: Callable[..., Any]) -> None:
        bag = load("smtp:ops@example.org")
        assert set(bag.dags) == {"corpus_tiny", "release_tiny", "notices"}
        for dag in bag.dags.values():
            assert dag.has_on_failure_callback
            assert dag.has_on_success_callback
        assert "`smtp:ops@example.org`" in bag.dags["notices"].doc_md
        assert "broken notices" not in bag.dags["notices"].tags

    def test_a_mistake_is_shown_by_that_one_and_the_others_are_as_they_should_be(
        self, load: Callable[..., Any]
    ) -> None:
        bag = load("smtp:ops, slack:#corpora")
        notices = bag.dags["notices"]
        assert "broken notices" in notices.tags
        mistake = "PHRASEMILL_NOTICES, entry 1 of 2: smtp: write an address behind it"
        assert mistake in notices.doc_md
        assert mistake in notices.task_dict["check_notices"].op_kwargs["mistakes"][0]
        assert [str(target) for target in bag.dags["corpus_tiny"].on_failure_callback.__self__.targets] == [
            "slack:#corpora"
        ]

    def test_all_mistaken_leaves_the_corpora_without_notices(self, load: Callable[..., Any]) -> None:
        bag = load("smtp:ops")
        assert set(bag.dags) == {"corpus_tiny", "release_tiny", "notices"}
        assert not bag.dags["corpus_tiny"].has_on_failure_callback

    def test_a_worker_that_runs_the_trial_needs_no_setting(
        self, load: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "notices")
        monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_TASK_ID", "check_notices")
        assert set(load(None).dags) == {"notices"}

    def test_parsed_again_they_are_the_same_for_airflow(self, load: Callable[..., Any]) -> None:
        from airflow.models.serialized_dag import SerializedDagModel
        from airflow.serialization.serialized_objects import DagSerialization

        def kept() -> dict[str, str]:
            dags = load("smtp:ops@example.org, slack:#corpora", schedule={"deadline_hours": 7.5}).dags
            return {name: SerializedDagModel.hash(DagSerialization.to_dict(dag)) for name, dag in dags.items()}

        assert kept() == kept()

    def test_every_task_keeps_why_it_failed(self, load: Callable[..., Any]) -> None:
        for dag in load(None).dags.values():
            for task in dag.tasks:
                assert task.has_on_failure_callback, task.task_id

    @pytest.mark.parametrize("notices", [None, "smtp:ops@example.org,slack:#corpora"])
    def test_a_deadline_is_there_with_notices_and_without(self, load: Callable[..., Any], notices: str | None) -> None:
        dag = load(notices, schedule={"deadline_hours": 7.5}).dags["corpus_tiny"]
        assert "| deadline | 7.5 h after a run was queued;" in dag.doc_md
        (alert,) = dag.deadline
        assert alert.reference.reference_name == "DagRunQueuedAtDeadline"
        assert alert.callback.path == "phrasemill.airflow.deadline.tell_overrun"
        assert alert.callback.kwargs["targets"] == (notices.split(",") if notices else [])

    def test_airflow_keeps_the_deadline_in_the_form_that_clearing_a_run_reads(self, load: Callable[..., Any]) -> None:
        from airflow.serialization.decoders import decode_deadline_alert
        from airflow.serialization.serialized_objects import DagSerialization

        dag = load(None, schedule={"deadline_hours": 7.5}).dags["corpus_tiny"]
        (kept,) = DagSerialization.to_dict(dag)["dag"]["deadline"]
        assert dt.timedelta(seconds=kept["interval"]) == dt.timedelta(hours=7.5)
        assert decode_deadline_alert(kept).interval == dt.timedelta(hours=7.5)


class ScriptedAirflow:
    """What Airflow's supervisor answers to a callback: states of a run's tasks, XComs, and the run's own states."""

    def __init__(self) -> None:
        self.tasks: dict[str, str] = {}
        self.xcoms: dict[tuple[str, int | None, str], Any] = {}
        self.runs: list[str] = []
        self.broken = False

    def send(self, message: Any) -> Any:
        from airflow.sdk.exceptions import AirflowRuntimeError, ErrorType
        from airflow.sdk.execution_time import comms

        if self.broken:
            raise AirflowRuntimeError(comms.ErrorResponse(error=ErrorType.API_SERVER_ERROR, detail={"status": 500}))
        match message:
            case comms.GetTaskStates(run_ids=[run_id]):
                return comms.TaskStatesResult(task_states={run_id: self.tasks})
            case comms.GetXCom(key=key, task_id=task_id, map_index=map_index):
                return comms.XComResult(key=key, value=self.xcoms.get((task_id, map_index, key)))
            case comms.GetConnection(conn_id=conn_id):
                return comms.ErrorResponse(error=ErrorType.CONNECTION_NOT_FOUND, detail={"conn_id": conn_id})
        raise AssertionError(message)

    async def asend(self, message: Any) -> Any:
        from airflow.sdk.execution_time import comms

        if isinstance(message, comms.GetDagRunState):
            return comms.DagRunStateResult(state=self.runs.pop(0))
        return self.send(message)


@pytest.fixture
def airflow(monkeypatch: pytest.MonkeyPatch) -> ScriptedAirflow:
    from airflow.sdk.execution_time import task_runner

    scripted = ScriptedAirflow()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", scripted, raising=False)
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://airflow.example.org/base/")
    return scripted


@pytest.fixture
def call(load: Callable[..., Any], airflow: ScriptedAirflow, mailbox: Mailbox) -> Callable[..., list[Any]]:
    """Have Airflow's Dag processor call a Dag's callback; the mails that come of it."""

    def called(dag_id: str, *, failed: bool, last: tuple[str, int] | None) -> list[Any]:
        import structlog
        from airflow.callbacks.callback_requests import DagCallbackRequest, DagRunContext
        from airflow.dag_processing.processor import _execute_dag_callbacks

        at = dt.datetime(2026, 11, 1, 22, tzinfo=dt.UTC)
        run = {"dag_id": dag_id, "run_id": RUN, "logical_date": None, "run_after": at, "start_date": at}
        run |= {"end_date": at, "run_type": "manual", "state": "failed" if failed else "success"}
        run |= {"data_interval_start": None, "data_interval_end": None, "consumed_asset_events": []}
        run |= {"partition_key": None}
        instance = None
        if last:
            instance = {"id": uuid.uuid4(), "task_id": last[0], "map_index": last[1], "dag_id": dag_id, "run_id": RUN}
            instance |= {"try_number": 1, "dag_version_id": uuid.uuid4()}
        request = DagCallbackRequest(
            filepath="corpora.py",
            bundle_name="dags-folder",
            bundle_version=None,
            dag_id=dag_id,
            run_id=RUN,
            is_failure_callback=failed,
            msg="task_failure" if failed else "success",
            context_from_server=DagRunContext.model_validate({"dag_run": run, "last_ti": instance}),
        )
        before = len(mailbox.mails())
        bag = load("smtp:ops@example.org")
        _execute_dag_callbacks(bag, DagCallbackRequest.from_json(request.to_json()), structlog.get_logger())
        return mailbox.mails()[before:]

    return called


class TestARedNight:
    def test_says_what_failed_first_and_why_and_what_is_missing(
        self, airflow: ScriptedAirflow, call: Callable[..., list[Any]]
    ) -> None:
        airflow.tasks = {"preflight": "success", "plan": "success", "close_night": "failed"}
        airflow.tasks |= {"shard.generate_0": "success", "shard.validate_0": "success", "shard.publish_0": "success"}
        airflow.tasks |= {"shard.generate_1": "failed", "shard.validate_1": "upstream_failed"}
        airflow.xcoms = {
            ("plan", None, "night"): NIGHT,
            ("plan", None, "return_value"): PLANNED,
            ("shard.generate", 1, FAILED_BECAUSE): "291 of the first 300 outputs were rejected: <script>",
            ("close_night", None, FAILED_BECAUSE): "tiny, night 2026-11-01: incomplete. Clear shards 1",
        }
        (mail,) = call("corpus_tiny", failed=True, last=("close_night", -1))
        assert mail["Subject"] == "phrasemill: tiny is red, night 2026-11-01"
        text = text_of(mail)
        assert "<p>Failed: generate of shard-00001, close_night.</p>" in text
        assert "generate of shard-00001: 291 of the first 300 outputs were rejected: &lt;script&gt;</p>" in text
        assert "<p>What is missing: tiny, night 2026-11-01: incomplete. Clear shards 1</p>" in text
        assert "Clear Run, Only failed tasks" in text
        assert f'<a href="{PAGE}">' in text

    def test_that_was_never_planned_is_called_by_its_run(
        self, airflow: ScriptedAirflow, call: Callable[..., list[Any]]
    ) -> None:
        airflow.tasks = {"preflight": "failed", "plan": "upstream_failed", "shard.generate": "upstream_failed"}
        airflow.tasks |= {"close_night": "failed"}
        airflow.xcoms = {("preflight", None, FAILED_BECAUSE): "no engine answers at http://gpu-1:8000; start them"}
        (mail,) = call("corpus_tiny", failed=True, last=("close_night", -1))
        assert mail["Subject"] == f"phrasemill: tiny is red, run {RUN}"
        assert "The first of them, preflight: no engine answers at http://gpu-1:8000; start them" in text_of(mail)

    @pytest.mark.parametrize("last", [None, ("shard.generate", 1)])
    def test_of_which_nothing_can_be_asked_is_told_all_the_same(
        self, airflow: ScriptedAirflow, call: Callable[..., list[Any]], last: tuple[str, int] | None
    ) -> None:
        airflow.broken = True
        (mail,) = call("corpus_tiny", failed=True, last=last)
        assert f'<a href="{PAGE}">' in text_of(mail)
        assert "Airflow did not tell which tasks failed" in text_of(mail)

    def test_that_nobody_can_be_told_of_breaks_nothing(
        self, airflow: ScriptedAirflow, call: Callable[..., list[Any]], mailbox: Mailbox
    ) -> None:
        mailbox.refused.add("ops@example.org")
        assert call("corpus_tiny", failed=True, last=("close_night", -1)) == []


class TestAFinishedTarget:
    @pytest.fixture(autouse=True)
    def last_night(self, airflow: ScriptedAirflow) -> None:
        airflow.tasks = {"plan": "success", "shard.publish_0": "success", "close_night": "success"}
        airflow.xcoms = {
            ("plan", None, "night"): NIGHT | {"shards": [2, 3]},
            ("close_night", None, "return_value"): {"committed": 4, "shards": 2, "phrases": 120},
        }

    def test_is_told_once_by_the_night_that_commits_the_last_shard(self, call: Callable[..., list[Any]]) -> None:
        (mail,) = call("corpus_tiny", failed=False, last=("close_night", -1))
        assert mail["Subject"] == "phrasemill: tiny is written, all 4 shards"
        assert "night 2026-11-01 has committed the last of 4 shards" in text_of(mail)

    def test_is_not_told_while_shards_are_missing(
        self, airflow: ScriptedAirflow, call: Callable[..., list[Any]]
    ) -> None:
        airflow.xcoms["close_night", None, "return_value"] = {"committed": 3}
        assert call("corpus_tiny", failed=False, last=("close_night", -1)) == []

    def test_is_not_told_again_by_a_run_that_had_nothing_to_do(
        self, airflow: ScriptedAirflow, call: Callable[..., list[Any]]
    ) -> None:
        airflow.tasks = {"plan": "success", "shard.publish": "skipped", "close_night": "success"}
        assert call("corpus_tiny", failed=False, last=("close_night", -1)) == []

    def test_is_not_told_again_by_a_top_up(self, airflow: ScriptedAirflow, call: Callable[..., list[Any]]) -> None:
        airflow.xcoms["plan", None, "night"] = NIGHT | {"shards": [4, 5]}
        assert call("corpus_tiny", failed=False, last=("close_night", -1)) == []


class TestAReleaseNotice:
    def test_says_what_is_published(self, airflow: ScriptedAirflow, call: Callable[..., list[Any]]) -> None:
        airflow.tasks = {"plan": "success", "publish": "success", "top_up": "skipped"}
        airflow.xcoms = {("publish", None, "return_value"): {"version": "v1", "phrases": 10_000_000, "files": 9}}
        (mail,) = call("release_tiny", failed=False, last=("publish", -1))
        assert mail["Subject"] == "phrasemill: release v1 of tiny is published"
        assert "10,000,000 phrases in 9 files" in text_of(mail)
        assert "phrasemill get tiny v1 DIR" in text_of(mail)

    def test_is_not_sent_by_a_run_that_published_nothing_or_was_cleared_since(
        self, airflow: ScriptedAirflow, call: Callable[..., list[Any]]
    ) -> None:
        airflow.tasks = {"plan": "skipped", "publish": "skipped"}
        airflow.xcoms = {("publish", None, "return_value"): {"version": "v1", "phrases": 1, "files": 1}}
        assert call("release_tiny", failed=False, last=("plan", -1)) == []

    @pytest.mark.parametrize(("task_id", "map_index"), [("judge", -1), ("near", 3)])
    def test_says_which_version_failed_and_why(
        self, airflow: ScriptedAirflow, call: Callable[..., list[Any]], task_id: str, map_index: int
    ) -> None:
        key = task_id if map_index < 0 else f"{task_id}_{map_index}"
        airflow.tasks = {"plan": "success", key: "failed", "publish": "upstream_failed"}
        at = None if map_index < 0 else map_index
        airflow.xcoms = {
            ("plan", None, "release"): {"version": "v1"},
            (task_id, at, FAILED_BECAUSE): "release v1 is quarantined: near_duplicate_share 0.3, at most 0.01",
        }
        (mail,) = call("release_tiny", failed=True, last=(task_id, map_index))
        assert mail["Subject"] == "phrasemill: release v1 of tiny has failed"
        named = task_id if map_index < 0 else f"{task_id} [{map_index}]"
        assert f"The first of them, {named}: release v1 is quarantined" in text_of(mail)


class TestTryingOut:
    def test_the_dag_sends_one_to_everybody(self, call: Callable[..., list[Any]]) -> None:
        (mail,) = call("notices", failed=False, last=("check_notices", -1))
        assert mail["Subject"] == "phrasemill: notices arrive here"
        assert "They go to smtp:ops@example.org." in text_of(mail)

    @pytest.mark.usefixtures("airflow_database")
    def test_it_is_red_where_the_setting_is_wrong(self, load: Callable[..., Any]) -> None:
        run = load("smtp:ops").dags["notices"].test()
        assert run.state == "failed"


class TestAnOverrun:
    now = dt.datetime.now(dt.UTC)

    def tell(self, run: dict[str, Any], *, hours: float = 8.0) -> str:
        at = (self.now - dt.timedelta(hours=8)).isoformat()
        given = {"dag_id": "corpus_tiny", "dag_run_id": RUN, "queued_at": at, "start_date": at, "run_type": "scheduled"}
        told = deadlines.tell_overrun(
            corpus="tiny",
            title="Tiny harbour",
            hours=hours,
            targets=["smtp:ops@example.org"],
            context={"dag_run": given | run},
        )
        return asyncio.run(told)

    def test_is_told_while_the_night_goes_on(self, airflow: ScriptedAirflow, mailbox: Mailbox) -> None:
        airflow.runs = ["running"]
        assert self.tell({}) == "told 1 of 1"
        (mail,) = mailbox.mails()
        assert mail["Subject"] == f"phrasemill: tiny overruns its deadline of 8 h, run {RUN}"
        assert "goes on; nothing was stopped" in text_of(mail)
        assert f'<a href="{PAGE}">' in text_of(mail)

    @pytest.mark.parametrize("state", ["failed", "success"])
    def test_is_not_told_of_a_run_that_has_ended(self, airflow: ScriptedAirflow, mailbox: Mailbox, state: str) -> None:
        airflow.runs = [state]
        assert self.tell({}) == f"ended: {state}"
        assert mailbox.mails() == []

    def test_of_a_run_that_still_waits_says_so(self, airflow: ScriptedAirflow, mailbox: Mailbox) -> None:
        airflow.runs = ["queued"]
        self.tell({"start_date": None, "run_type": "manual"})
        assert "It has not begun yet" in text_of(mailbox.mails()[0])

    def test_of_a_backfill_is_counted_from_the_runs_own_beginning(
        self, airflow: ScriptedAirflow, mailbox: Mailbox, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(deadlines, "LOOK_EVERY_S", 0.0)
        backfill = {"run_type": "backfill", "start_date": None}
        airflow.runs = ["queued", "queued", "running", "running", "success"]
        assert self.tell(backfill) == "ended: success"
        assert mailbox.mails() == []
        airflow.runs = ["queued", "running", *["running"] * 1000]
        assert self.tell(backfill, hours=1e-9) == "told 1 of 1"
        airflow.runs = ["running"]
        assert self.tell(backfill | {"start_date": (self.now - dt.timedelta(hours=9)).isoformat()}) == "told 1 of 1"
        assert len(mailbox.mails()) == 2


class Instance:
    """A task instance that keeps its XComs."""

    def __init__(self) -> None:
        self.xcoms: dict[str, Any] = {}

    def xcom_push(self, key: str, value: Any) -> None:
        self.xcoms[key] = value


class TestTheReason:
    def test_is_the_errors_own_words_without_secrets(self) -> None:
        from airflow.sdk.log import mask_secret

        mask_secret("correct-horse-battery")
        instance = Instance()
        error = ValueError("the server refused correct-horse-battery")
        keep_reason({"ti": instance, "exception": error})
        assert instance.xcoms == {FAILED_BECAUSE: "the server refused ***"}

    def test_is_short_and_has_nothing_that_a_database_refuses(self) -> None:
        instance = Instance()
        keep_reason({"ti": instance, "exception": ValueError("bad answer: \0\ud800\n" + "x" * 1_000_000)})
        kept = instance.xcoms[FAILED_BECAUSE]
        assert kept.startswith("bad answer: <U+0000><U+D800> xxx")
        assert kept.endswith(" more characters")
        assert len(kept) < 5000

    def test_of_a_task_that_was_killed_is_not_known(self) -> None:
        instance = Instance()
        keep_reason({"ti": instance})
        keep_reason({"ti": instance, "exception": "killed"})
        assert instance.xcoms == {}
