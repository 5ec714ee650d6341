"""The last look at a corpus: what it costs, what is shown while a look is slow, and after one that failed."""

import datetime as dt
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from phrasemill.errors import StoreError, StoreUnavailable
from phrasemill.spec import CorpusSpec
from phrasemill.store.bucket import Bucket, Entry
from phrasemill.store.corpus_store import CorpusStore
from tests.servers import KEYS, free_port
from tests.specs import SPEC_YAML, make_spec
from tests.verdicts import make_manifest, make_verdict

pytestmark = pytest.mark.usefixtures("airflow_database")

DAG = "corpus_tiny"
SPEC = make_spec()


class Clock:
    """Stands until it is set on."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


class Cellar(Bucket):
    """A bucket in memory that counts what is asked of it, answers when `open` is set, and fails on demand."""

    def __init__(self) -> None:
        super().__init__(None, "cellar")
        self.objects: dict[str, bytes] = {}
        self.asked: list[str] = []
        self.open = threading.Event()
        self.open.set()
        self.reached = threading.Event()
        self.failure: Exception | None = None

    def commit(self, *shards: int, spec: CorpusSpec = SPEC) -> None:
        for number in shards:
            manifest = make_manifest(spec, number, make_verdict())
            self.objects[f"corpora/tiny/manifests/shard-{number:05d}.json"] = manifest.model_dump_json().encode()

    def get(self, key: str) -> bytes | None:
        self._asked(f"get {key}")
        return self.objects.get(key)

    def entries(self, prefix: str) -> Iterator[Entry]:
        self._asked(f"list {prefix}")
        for key, content in sorted(self.objects.items()):
            if key.startswith(prefix):
                yield Entry(key, len(content), 0.0, f"{len(content)} {hash(content)}")

    def _asked(self, what: str) -> None:
        self.asked.append(what)
        self.reached.set()
        if not self.open.wait(60):
            raise AssertionError(f"{what}: the test never opened the cellar")
        if self.failure:
            raise self.failure

    def gets(self, name: str) -> int:
        return sum(name in what for what in self.asked if what.startswith("get "))

    def looks(self) -> int:
        return self.asked.count("list corpora/tiny/manifests/")


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def cellar():
    cellar = Cellar()
    yield cellar
    cellar.open.set()


@pytest.fixture
def corpus_file(corpora: Path) -> Path:
    path = corpora / "tiny.yaml"
    path.write_text(SPEC_YAML, encoding="utf-8")
    return path


@pytest.fixture
def cache(corpus_file, cellar, clock):
    return cache_of(cellar, clock)


def cache_of(cellar, clock, **pace):
    from phrasemill.web.corpus_cache import CorpusCache

    return CorpusCache(lambda spec: CorpusStore(cellar, spec), pace=patient(**pace), clock=clock)


def patient(**pace):
    """Pages wait for every look, unless told otherwise: no test depends on how fast this machine is."""
    from phrasemill.web.corpus_cache import Pace

    return Pace(**{"patience_s": 60.0, "long_patience_s": 60.0, "recent": dt.timedelta(days=1)} | pace)


def later(clock):
    """After the last look has grown old, and after the pause that follows one that failed."""
    clock.now += 11


class TestWhatALookCosts:
    def test_a_second_page_in_the_same_seconds_costs_no_request(self, cache, cellar, clock):
        cellar.commit(0, 1)
        first = cache.look(DAG)
        asked = list(cellar.asked)
        clock.now += 4.9
        assert cache.look(DAG) is first
        assert cellar.asked == asked
        assert first.problem is None
        assert sorted(first.snapshot.shards) == [0, 1]
        assert first.state.committed_shards == 2
        assert (first.spec.name, first.store.bucket) == ("tiny", cellar)

    def test_a_later_look_reads_only_what_is_new(self, cache, cellar, clock):
        cellar.commit(0)
        cache.look(DAG)
        later(clock)
        cellar.commit(1)
        assert sorted(cache.look(DAG).snapshot.shards) == [0, 1]
        assert (cellar.gets("shard-00000"), cellar.gets("shard-00001"), cellar.gets("index/")) == (1, 1, 1)

    def test_pages_that_come_at_once_share_one_look(self, cache, cellar):
        cellar.commit(0)
        cellar.open.clear()
        with ThreadPoolExecutor(20) as pages:
            looks = [pages.submit(cache.look, DAG) for _ in range(20)]
            assert cellar.reached.wait(60)
            cellar.open.set()
            seen = [look.result() for look in looks]
        assert [sorted(one.snapshot.shards) for one in seen] == [[0]] * 20
        assert cellar.looks() == 1


class TestABucketThatIsSlow:
    def test_pages_go_on_with_the_last_figures_and_have_the_new_ones_later(self, corpus_file, cellar, clock):
        cache = cache_of(cellar, clock, patience_s=0.0)
        cellar.commit(0)
        cache.look(DAG)
        later(clock)
        cellar.commit(1)
        cellar.open.clear()
        for _ in range(3):
            meanwhile = cache.look(DAG)
            assert (sorted(meanwhile.snapshot.shards), meanwhile.problem) == ([0], None)
        assert cellar.looks() < 3  # the first, and perhaps the one under way
        cellar.open.set()
        assert wait_for(lambda: len(cache.look(DAG).snapshot.shards) == 2)

    def test_old_figures_are_shown_with_a_word_about_it(self, corpus_file, cellar, clock):
        cache = cache_of(cellar, clock, long_patience_s=0.0, recent=dt.timedelta(days=-1))  # every figure is old
        cellar.commit(0)
        assert wait_for(lambda: cache.look(DAG).snapshot)
        later(clock)
        cellar.open.clear()
        seen = cache.look(DAG)
        assert sorted(seen.snapshot.shards) == [0]
        assert seen.problem.startswith("The bucket has not answered since ")

    def test_without_any_figures_the_page_says_to_come_again(self, corpus_file, cellar, clock):
        cache = cache_of(cellar, clock, long_patience_s=0.0)
        cellar.open.clear()
        seen = cache.look(DAG)
        assert (seen.snapshot, seen.state) == (None, None)
        assert "for the first time" in seen.problem


class TestABucketThatIsDown:
    def test_the_last_figures_stay_and_the_problem_says_since_when(self, cache, cellar, clock):
        cellar.commit(0)
        before = cache.look(DAG)
        later(clock)
        cellar.failure = StoreUnavailable("cannot list s3://cellar/: it is flooded\n  by the river; then retry")
        down = cache.look(DAG)
        assert (down.snapshot, down.state) == (before.snapshot, before.state)
        assert down.problem.startswith("Since 20")
        assert "this corpus cannot be read: cannot list s3://cellar/: it is flooded" in down.problem
        assert "\n" not in down.problem
        later(clock)
        # The same moment, although it was tried again.
        assert cache.look(DAG).problem == down.problem

    def test_it_is_not_asked_again_at_once(self, cache, cellar, clock):
        cellar.failure = StoreUnavailable("down")
        cache.look(DAG)
        asked = len(cellar.asked)
        clock.now += 9.9
        assert cache.look(DAG).problem
        assert len(cellar.asked) == asked
        clock.now += 0.2
        cache.look(DAG)
        assert len(cellar.asked) > asked

    def test_down_from_the_start_there_is_the_spec_and_no_figure(self, cache, cellar):
        cellar.failure = StoreError("cannot list s3://cellar/: AccessDenied")
        seen = cache.look(DAG)
        assert seen.spec.title == "Tiny harbour"
        assert (seen.snapshot, seen.state) == (None, None)
        assert "AccessDenied" in seen.problem

    def test_with_a_connection_that_makes_no_client_there_is_the_spec_and_no_store(self, corpus_file, clock):
        from phrasemill.web.corpus_cache import CorpusCache

        def refuse(spec):
            raise StoreError("connection 'phrasemill_s3' makes no S3 client")

        cache = CorpusCache(refuse, pace=patient(), clock=clock)
        seen = cache.look(DAG)
        assert (seen.spec.title, seen.store, seen.snapshot) == ("Tiny harbour", None, None)
        assert "makes no S3 client" in seen.problem

    def test_where_no_thread_can_be_had_the_next_page_tries_again(self, cache, cellar, monkeypatch):
        def refuse(thread):
            raise RuntimeError("can't start new thread")

        with monkeypatch.context() as patch:
            patch.setattr(threading.Thread, "start", refuse)
            with pytest.raises(RuntimeError, match="new thread"):
                cache.look(DAG)
        cellar.commit(0)
        assert sorted(cache.look(DAG).snapshot.shards) == [0]

    def test_once_it_is_up_again_nothing_is_said(self, cache, cellar, clock):
        cellar.failure = StoreUnavailable("down")
        cache.look(DAG)
        cellar.failure = None
        later(clock)
        assert cache.look(DAG).problem is None

    @pytest.mark.parametrize(
        ("failure", "told"),
        [
            (ValueError("secret of the house"), "ValueError; the API server's log says more"),
            (StoreUnavailable("no way to http://ana:secret@host/x"), "no way to http://host/x"),
            (StoreUnavailable('no way to "http://host/x?sig=secret&a=b"; why?'), 'no way to "http://host/x"; why?'),
        ],
    )
    def test_no_key_and_no_traceback_is_told(self, cache, cellar, clock, failure, told):
        cellar.failure = failure
        seen = cache.look(DAG)
        assert told in seen.problem
        assert "secret" not in seen.problem
        cellar.failure = None
        later(clock)
        assert cache.look(DAG).snapshot  # the next look comes all the same


class TestTheCorpusFile:
    def test_a_change_is_noticed(self, cache, corpus_file, clock):
        cache.look(DAG)
        corpus_file.write_text(SPEC_YAML.replace("Tiny harbour", "Tiny harbour at night"), encoding="utf-8")
        later(clock)
        assert cache.look(DAG).spec.title == "Tiny harbour at night"

    def test_a_mistake_leaves_the_last_figures_and_tells_no_folder(self, cache, cellar, corpus_file, clock):
        cellar.commit(0)
        before = cache.look(DAG)
        corpus_file.write_text(SPEC_YAML.replace("shard_phrases: 60", "shard_phrases: 7"), encoding="utf-8")
        later(clock)
        seen = cache.look(DAG)
        assert (seen.spec, seen.snapshot) == (before.spec, before.snapshot)
        assert "tiny.yaml:5" in seen.problem
        assert str(corpus_file.parent) not in seen.problem
        assert "\n" not in seen.problem

    def test_a_mistake_from_the_start_leaves_no_spec(self, cache, corpus_file):
        corpus_file.write_text("name: [", encoding="utf-8")
        seen = cache.look(DAG)
        assert (seen.spec, seen.store, seen.snapshot) == (None, None, None)
        assert "tiny.yaml:2" in seen.problem

    def test_another_version_of_the_corpus_is_named(self, cache, cellar, corpus_file, clock):
        cellar.commit(0)
        cache.look(DAG)
        corpus_file.write_text(SPEC_YAML.replace("short stories", "long stories"), encoding="utf-8")
        later(clock)
        seen = cache.look(DAG)
        assert "was made from another version of corpus 'tiny'" in seen.problem
        assert sorted(seen.snapshot.shards) == [0]

    def test_figures_stay_those_of_the_file_that_they_were_read_with(self, cache, cellar, corpus_file, clock):
        cellar.commit(0)
        before = cache.look(DAG)
        corpus_file.write_text(SPEC_YAML.replace("target_phrases: 240", "target_phrases: 960"), encoding="utf-8")
        cellar.failure = StoreUnavailable("down")
        later(clock)
        down = cache.look(DAG)
        assert (down.spec.shard_count, len(down.state.nights)) == (4, 2) == (before.spec.shard_count, 2)
        cellar.failure = None
        later(clock)
        up = cache.look(DAG)
        assert (up.spec.shard_count, len(up.state.nights)) == (16, 8)

    def test_figures_of_another_place_are_not_shown(self, cache, cellar, corpus_file, clock):
        cellar.commit(0)
        cache.look(DAG)
        corpus_file.write_text(SPEC_YAML + "storage: {prefix: elsewhere}\n", encoding="utf-8")
        cellar.failure = StoreUnavailable("down")
        later(clock)
        assert cache.look(DAG).snapshot is None

    @pytest.mark.parametrize(
        "dag_id", ["another", "tiny", "corpus_", "corpus_other", "corpus_tiny.yaml", "corpus_..", "corpus_TINY", "~"]
    )
    def test_a_dag_without_one_has_no_pages(self, cache, cellar, dag_id):
        from phrasemill.web.corpus_cache import NotACorpus

        with pytest.raises(NotACorpus, match="not made from a corpus file"):
            cache.look(dag_id)
        assert cellar.asked == []

    def test_the_release_dag_leads_to_its_corpuss(self, cache):
        from phrasemill.web.corpus_cache import NotACorpus

        with pytest.raises(NotACorpus, match="the pages of its corpus are tabs of Dag corpus_tiny"):
            cache.look("release_tiny")
        for dag_id in ("release_other", "release_tiny.yaml", "release_"):
            with pytest.raises(NotACorpus, match="not made from a corpus file"):
                cache.look(dag_id)

    def test_a_path_is_never_taken_for_a_name(self, cache, corpus_file, monkeypatch):
        from phrasemill.web.corpus_cache import NotACorpus

        monkeypatch.chdir(corpus_file.parent)
        corpus_file.rename(corpus_file.with_name("other.yml"))
        with pytest.raises(NotACorpus):
            cache.look("corpus_other.yml")

    def test_those_that_are_gone_are_forgotten_once_another_is_seen(self, cache, corpus_file):
        cache.look(DAG)
        corpus_file.rename(corpus_file.with_name("renamed.yaml"))
        cache.look("corpus_renamed")
        assert list(cache._watches) == ["corpus_renamed"]

    def test_one_that_is_taken_away_takes_its_pages_with_it(self, cache, corpus_file):
        from phrasemill.web.corpus_cache import NotACorpus

        cache.look(DAG)
        corpus_file.unlink()
        with pytest.raises(NotACorpus):
            cache.look(DAG)


class TestTheConnection:
    def test_a_change_is_noticed_and_without_one_the_client_is_kept(self, s3_server, monkeypatch):
        from phrasemill.web.stores import Stores

        stores, spec = Stores(), make_spec(storage={"bucket": s3_server.new_bucket(s3_server.endpoint)})
        connect(monkeypatch, f"http://127.0.0.1:{free_port()}")
        with pytest.raises(StoreUnavailable):
            stores.open(spec).committed()
        connect(monkeypatch, s3_server.endpoint)
        assert stores.open(spec).committed() == []
        assert stores.open(spec).bucket._client is stores.open(spec).bucket._client

    def test_pages_are_less_patient_than_tasks_whatever_it_says(self, monkeypatch):
        from phrasemill.web.stores import Stores

        connect(monkeypatch, "http://127.0.0.1:9", config_kwargs={"read_timeout": 300, "max_pool_connections": 7})
        config = Stores().open(SPEC).bucket._client.meta.config
        assert (config.connect_timeout, config.read_timeout, config.retries["total_max_attempts"]) == (2, 5, 2)
        assert (config.max_pool_connections, config.s3["addressing_style"]) == (7, "path")

    def test_one_that_makes_no_client_is_told_as_ours(self, monkeypatch):
        from phrasemill.web.stores import Stores

        connect(monkeypatch, "no address")
        with pytest.raises(StoreError, match="correct it under Admin, Connections"):
            Stores().open(SPEC)


def connect(monkeypatch: pytest.MonkeyPatch, endpoint: str, **extra: object) -> None:
    connection = {
        "conn_type": "aws",
        "login": KEYS["aws_access_key_id"],
        "password": KEYS["aws_secret_access_key"],
        "extra": {"endpoint_url": endpoint, "region_name": KEYS["region_name"]} | extra,
    }
    monkeypatch.setenv("AIRFLOW_CONN_PHRASEMILL_S3", json.dumps(connection))


def wait_for(met) -> bool:
    """Whether a condition comes true; a look in a thread of its own takes a moment."""
    pause = threading.Event()
    for _ in range(600):
        if met():
            return True
        pause.wait(0.1)
    return False
