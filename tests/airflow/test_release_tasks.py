"""The bodies of release tasks, by what has started the run: what waits, what fails, and what tops up."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from phrasemill.corpus_file import dump_corpus
from phrasemill.release.errors import WorkMissing
from phrasemill.release.planning import plan_release, released
from phrasemill.release.publish import publish
from phrasemill.release.steps import open_release
from phrasemill.release.top_up import asked
from phrasemill.spec import CorpusSpec
from phrasemill.store.bucket import Bucket
from phrasemill.store.corpus_store import CorpusStore
from tests.release.committing import commit, sentence
from tests.release.releasing import made_release
from tests.servers import S3Server
from tests.specs import make_spec, merged

pytestmark = pytest.mark.usefixtures("connect_s3")

FORM = {"version": None, "partial": False, "top_up": True, "memory_gb": 4}
NewCorpus = Callable[..., CorpusStore]


class Task:
    """What Airflow gives a task: XComs by key, and the run's form."""

    def __init__(self, *, by: str = "manual", form: dict[str, Any] | None = None) -> None:
        self.pushed: dict[str, Any] = {}
        self.returned: dict[str, Any] = {}
        self.context: dict[str, Any] = {
            "ti": self,
            "params": FORM | (form or {}),
            "dag_run": SimpleNamespace(run_type=by),
        }

    def xcom_push(self, *, key: str, value: Any) -> None:
        self.pushed[key] = value

    def xcom_pull(self, *, task_ids: str, key: str = "return_value") -> Any:
        if key == "return_value":
            return self.returned.get(task_ids)
        return self.pushed[key]

    @contextmanager
    def running(self) -> Iterator[Any]:
        """The module of task bodies, called within this run."""
        from airflow.sdk.execution_time.context import set_current_context

        from phrasemill.airflow import release_tasks

        with set_current_context(self.context):  # type: ignore[arg-type]
            yield release_tasks


@pytest.fixture
def new_corpus(s3_server: S3Server, corpora: Path) -> NewCorpus:
    """Makes a corpus of four shards that wants 180 phrases; its committed shards are those given."""

    def make(*committed: int, **changes: Any) -> CorpusStore:
        bucket = S3Server.new_bucket(s3_server.endpoint)
        wanted = {"target_phrases": 180, "oversample": 1 / 3, "storage": {"bucket": bucket}}
        spec = make_spec(**merged(wanted, changes))
        (corpora / "tiny.yaml").write_text(dump_corpus(spec))
        store = CorpusStore(Bucket(s3_server.client(s3_server.endpoint), bucket), spec)
        for number in committed:
            commit(store, number)
        return store

    return make


def everything(store: CorpusStore) -> dict[str, bytes | None]:
    return {entry.key: store.bucket.get(entry.key) for entry in store.bucket.entries(store.keys.root)}


def one_sentence(spec: CorpusSpec) -> list[str]:
    return [sentence(0)] * spec.shard_phrases


def until_resolved(task: Task) -> list[str]:
    with task.running() as tasks:
        for span in tasks.plan("tiny"):
            tasks.sketch("tiny", span)
        for part in tasks.pieces("exact_parts"):
            tasks.exact("tiny", part)
        for piece in tasks.pieces("near_pieces"):
            tasks.near("tiny", piece)
        for span in range(task.pushed["release"]["pieces"]["spans"]):
            tasks.gather("tiny", span)
        return list(tasks.resolve("tiny"))


class TestStartedByTheCorpus:
    def test_it_waits_until_all_shards_are_committed(self, new_corpus: NewCorpus) -> None:
        from airflow.sdk.exceptions import AirflowSkipException

        store, task = new_corpus(0, 1, 4), Task(by="asset_triggered")
        with task.running() as tasks, pytest.raises(AirflowSkipException, match="2 of 4 shards are committed"):
            tasks.plan("tiny")
        assert task.pushed == {"told": "2 of 4 shards are committed; the release waits"}
        assert list(store.bucket.entries(f"{store.keys.root}/releases/")) == []

    def test_it_has_nothing_to_do_after_a_full_release(self, new_corpus: NewCorpus) -> None:
        from airflow.sdk.exceptions import AirflowSkipException

        store = new_corpus(0, 1, 2, 3)
        publish(made_release(store))
        with Task(by="asset_triggered").running() as tasks, pytest.raises(AirflowSkipException, match="v1 holds 180"):
            tasks.plan("tiny")
        assert released(store) == ["v1"]

    def test_it_plans_the_next_version(self, new_corpus: NewCorpus) -> None:
        store, task = new_corpus(0, 1, 2, 3), Task(by="asset_triggered")
        with task.running() as tasks:
            assert tasks.plan("tiny") == [0]
            assert tasks.plan("tiny") == [0]  # a second try of the task finds its plan
        assert task.pushed["release"]["version"] == "v1"
        assert open_release(store, "v1").plan.phrases == 240

    def test_a_partial_release_that_was_given_up_is_not_in_its_way(self, new_corpus: NewCorpus) -> None:
        store = new_corpus(0, 1)
        with Task(form={"partial": True}).running() as tasks:
            tasks.plan("tiny")
        assert open_release(store, "v1").plan.partial
        for number in (2, 3):
            commit(store, number)
        task = Task(by="asset_triggered")
        with task.running() as tasks:
            tasks.plan("tiny")
        assert task.pushed["release"]["version"] == "v2"
        with Task(form={"partial": True}).running() as tasks:
            tasks.plan("tiny")  # the partial one is gone on with
        assert open_release(store, "v1").plan.phrases == 120


class TestStartedByHand:
    def test_missing_shards_are_an_error_that_says_what_to_do(self, new_corpus: NewCorpus) -> None:
        from airflow.sdk.exceptions import AirflowFailException

        new_corpus(0, 1)
        with (
            Task().running() as tasks,
            pytest.raises(AirflowFailException, match=r"2 of 4 shards .*: 2-3\. Write them"),
        ):
            tasks.plan("tiny")

    def test_a_partial_release_takes_what_is_there(self, new_corpus: NewCorpus) -> None:
        store, task = new_corpus(0, 1), Task(form={"partial": True, "version": "draft", "memory_gb": 1.5})
        with task.running() as tasks:
            tasks.plan("tiny")
        assert open_release(store, "draft").plan.partial

    def test_a_second_full_release_needs_a_version_of_its_own(self, new_corpus: NewCorpus) -> None:
        from airflow.sdk.exceptions import AirflowFailException

        store = new_corpus(0, 1, 2, 3)
        publish(made_release(store))
        with Task().running() as tasks, pytest.raises(AirflowFailException, match="v1 of tiny holds the whole target"):
            tasks.plan("tiny")
        named = Task(form={"version": "v1"})
        with named.running() as tasks, pytest.raises(AirflowFailException, match="published already"):
            tasks.plan("tiny")
        with Task(form={"version": "again"}).running() as tasks:
            assert tasks.plan("tiny") == [0]


class TestResolving:
    def test_enough_phrases_go_on_to_be_packed(self, new_corpus: NewCorpus) -> None:
        new_corpus(0, 1, 2, 3)
        task = Task()
        assert until_resolved(task) == ["files"]
        assert task.context["label"] == "shards 0-3"
        with task.running() as tasks:
            assert tasks.files("tiny") == [0]
            tasks.pack("tiny", 0)
        assert task.context["label"] == "file 0"

    def test_shuffled_ones_are_dealt_first(self, new_corpus: NewCorpus) -> None:
        new_corpus(0, 1, 2, 3, release={"order": "shuffled"})
        assert until_resolved(Task()) == ["files", "deal"]

    def test_without_near_duplicates_there_is_nothing_to_map_over(self, new_corpus: NewCorpus) -> None:
        new_corpus(0, 1, 2, 3, release={"near_duplicates": None})
        task = Task()
        with task.running() as tasks:
            tasks.plan("tiny")
            assert tasks.pieces("near_pieces") == []


class TestTooFewPhrases:
    @pytest.fixture
    def store(self, new_corpus: NewCorpus) -> CorpusStore:
        """Shards 2 and 3 repeat one of shard 0: 120 phrases of 180 are unique."""
        store = new_corpus(0, 1, release={"near_duplicates": None})
        for number in (2, 3):
            commit(store, number, one_sentence(store.spec))
        return store

    def test_more_shards_are_asked_for(self, store: CorpusStore) -> None:
        task = Task(by="asset_triggered")
        assert until_resolved(task) == ["top_up"]
        assert task.pushed["top_up"] == {"version": "v1", "shards": "4-6"}
        assert "short by 60 of 180 phrases; shards 4-6 are written now" in task.pushed["told"]
        assert [one.shards for one in asked(store)] == ["4-6"]

    def test_a_second_try_of_the_task_asks_for_the_same(self, store: CorpusStore) -> None:
        task = Task()
        until_resolved(task)
        with task.running() as tasks:
            assert tasks.resolve("tiny") == ["top_up"]
            commit(store, 5)
            assert tasks.resolve("tiny") == ["top_up"]
            assert task.pushed["top_up"]["shards"] == "4, 6"
            for number in (4, 6):
                commit(store, number)
            assert tasks.resolve("tiny") == []
        assert "were committed meanwhile" in task.pushed["told"]
        assert len(asked(store)) == 1

    def test_the_next_update_of_the_corpus_waits_for_them_and_then_begins_anew(self, store: CorpusStore) -> None:
        from airflow.sdk.exceptions import AirflowSkipException

        until_resolved(Task())
        with Task(by="asset_triggered").running() as tasks, pytest.raises(AirflowSkipException, match="shards 4-6"):
            tasks.plan("tiny")
        for number in (4, 5, 6):
            commit(store, number)
        task = Task(by="asset_triggered")
        assert until_resolved(task) == ["files"]
        assert task.pushed["release"]["version"] == "v1"

    def test_it_ends_after_three_top_ups(self, store: CorpusStore) -> None:
        from airflow.sdk.exceptions import AirflowFailException

        for _ in range(3):
            task = Task(by="asset_triggered")
            assert until_resolved(task) == ["top_up"]
            first, _, last = task.pushed["top_up"]["shards"].partition("-")
            for number in range(int(first), int(last or first) + 1):
                commit(store, number, one_sentence(store.spec))
        with pytest.raises(AirflowFailException, match="still short by 60 phrases after 3 top-ups"):
            until_resolved(Task(by="asset_triggered"))

    def test_without_topping_up_it_fails_with_what_to_do(self, store: CorpusStore) -> None:
        from airflow.sdk.exceptions import AirflowFailException

        with pytest.raises(AirflowFailException, match=r"short by 60 phrases.*phrasemill run tiny --shards"):
            until_resolved(Task(form={"top_up": False}))
        assert asked(store) == ()


class TestClearedAfterItsPublication:
    """Airflow keeps what a task has returned until that task itself runs again."""

    @pytest.fixture
    def store(self, new_corpus: NewCorpus) -> CorpusStore:
        store = new_corpus(0, 1, 2, 3)
        publish(made_release(store))
        return store

    def run_of(self, store: CorpusStore, **form: Any) -> Task:
        task = Task(form=form)
        task.pushed["release"] = {"version": "v1", "shuffled": False, "pieces": {"spans": 1}}
        task.returned["publish"] = {"version": "v1", "phrases": store.spec.target_phrases, "files": 9}
        return task

    @pytest.mark.parametrize("form", [{}, {"version": "v1"}, {"partial": True}])
    def test_a_whole_run_makes_nothing_anew(self, store: CorpusStore, form: dict[str, Any]) -> None:
        from airflow.sdk.exceptions import AirflowSkipException

        task = self.run_of(store, **form)
        with task.running() as tasks, pytest.raises(AirflowSkipException, match="v1 is published, and is not made"):
            tasks.plan("tiny")
        with pytest.raises(WorkMissing):
            open_release(store, "v2")

    def test_it_is_made_anew_where_somebody_has_taken_the_release_away(self, store: CorpusStore) -> None:
        store.bucket.delete([entry.key for entry in store.bucket.entries(f"{store.keys.root}/releases/")])
        with self.run_of(store).running() as tasks:
            assert tasks.plan("tiny") == [0]

    def test_a_step_writes_nothing_although_the_corpus_file_has_changed(self, store: CorpusStore) -> None:
        from airflow.sdk.exceptions import AirflowSkipException

        before = everything(store)
        with self.run_of(store).running() as tasks:
            for step in (
                lambda: tasks.sketch("tiny", 0),
                lambda: tasks.resolve("tiny"),
                lambda: tasks.files("tiny"),
                lambda: tasks.ring("tiny", "place"),
                lambda: tasks.index("tiny"),
                lambda: tasks.judge("tiny"),
            ):
                with pytest.raises(AirflowSkipException, match="v1 is published"):
                    step()
            assert tasks.publish("tiny")["version"] == "v1"  # a try that was killed after its manifest
        assert everything(store) == before


class TestErrors:
    def test_work_that_is_missing_is_tried_again(self, new_corpus: NewCorpus) -> None:
        from airflow.sdk.exceptions import AirflowException, AirflowFailException

        new_corpus(0, 1, 2, 3)
        task = Task()
        with task.running() as tasks:
            tasks.plan("tiny")
            with pytest.raises(AirflowException, match="has not been done") as missing:
                tasks.exact("tiny", 0)
        assert not isinstance(missing.value, AirflowFailException)

    def test_a_quarantined_version_is_not(self, new_corpus: NewCorpus) -> None:
        from airflow.sdk.exceptions import AirflowFailException

        store = new_corpus(0, 1, 2, 3)
        plan_release(store, "v1")
        store.bucket.put(f"{store.keys.root}/releases/v1/quarantine.json", b'{"reasons": ["too much alike"]}')
        task = Task(form={"version": "v1"})
        with task.running() as tasks, pytest.raises(AirflowFailException, match="too much alike"):
            tasks.plan("tiny")


class TestManyPieces:
    def test_no_list_is_longer_than_airflow_maps_and_nothing_is_left_out(self) -> None:
        from phrasemill.airflow.release_tasks import MOST_MAPPED, _numbers

        count = 2 * MOST_MAPPED + 5
        assert len(_numbers(count)) == MOST_MAPPED
        done = [piece for first in _numbers(count) for piece in range(first, count, MOST_MAPPED)]
        assert sorted(done) == list(range(count))
