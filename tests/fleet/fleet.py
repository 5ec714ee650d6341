"""A fleet at work: Airflow's node, workers, engines and a bucket, each on a node of its own, and what befalls them."""

import secrets
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self

from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.sharing import slots_for
from phrasemill.spec import ENGINES_POOL, CorpusSpec
from phrasemill.store.bucket import Bucket
from phrasemill.store.corpus_store import CorpusStore
from tests.fleet.airflow_fleet import FleetAirflow, Worker, await_workers
from tests.fleet.network import NETWORK, Network, Node
from tests.fleet.redis_server import RedisServer
from tests.scheduler.airflow_server import PARTS
from tests.scheduler.corpus import Corpus, wait_for
from tests.scheduler.postgres import Postgres
from tests.servers import KEYS, S3Server

WORKERS, ENGINES = ("worker-1", "worker-2"), ("engine-1", "engine-2")
SLOTS = slots_for(len(ENGINES))
STORMY_SLOTS = 3
"""More than one worker has, so that both write; and with one of them away the next shard waits for it."""
MODEL = "tiny-model"
API_KEY = secrets.token_hex(16)


class NodeEngine(FakeEngineProcess):
    """A fake engine on a node, which asks for a key."""

    def __init__(self, node: Node, **settings: Any) -> None:
        self.node = node
        super().__init__(host=node.address, port=8000, model=MODEL, api_key=API_KEY, **settings)

    def _command(self) -> list[str]:
        return self.node.within(super()._command())


class FleetCorpus(Corpus):
    """A corpus whose file lies on every node that needs it."""

    def __init__(self, fleet: "Fleet", spec: CorpusSpec) -> None:
        super().__init__(fleet.airflow, spec, CorpusStore(fleet.bucket, spec), fleet.engines[0])
        self._fleet = fleet

    def write(self, changed: CorpusSpec | None = None) -> None:
        super().write(changed)
        name = f"{self.spec.name}.yaml"
        for worker in self._fleet.workers.values():
            (worker.corpora / name).write_bytes((self.airflow.corpora / name).read_bytes())


class Fleet:
    """All of it; `start` takes the corpora that it is to know."""

    def __init__(self, *, tokens_per_second: float) -> None:
        self.network = Network()
        self.network.add("head", *WORKERS, *ENGINES, "storage")
        nodes = self.network.nodes
        head, storage = nodes["head"], nodes["storage"]
        self._postgres = Postgres(host=head.address, clients=NETWORK, folder=head.folder / "postgres", popen=head.popen)
        self.redis = RedisServer(head)
        self.s3 = S3Server(storage.folder / "s3", host=storage.address, popen=storage.popen)
        self.engines = [NodeEngine(nodes[name], tokens_per_second=tokens_per_second) for name in ENGINES]
        self.airflow = FleetAirflow(head, database=self._postgres.url, broker=self.redis.url)
        self.workers = {name: Worker(nodes[name], self.airflow) for name in WORKERS}

    def start(self) -> Self:
        """Start all but Airflow, which is to find the corpora's files."""
        self.s3.folder.mkdir()
        starts = [self._postgres.__enter__, self.redis.start, self.s3.start, *(one.start for one in self.engines)]
        with ThreadPoolExecutor() as together:
            for done in [together.submit(start) for start in starts]:
                done.result()
        self.bucket = Bucket(S3Server.client(self.s3.endpoint), S3Server.new_bucket(self.s3.endpoint))
        return self

    def start_airflow(self, corpora: Sequence[FleetCorpus]) -> None:
        """Start Airflow with these corpora, and let their Dags run."""
        for corpus in corpora:
            corpus.write()
        self.airflow.prepare()
        for name in PARTS:
            self.airflow.launch(name)
        for worker in self.workers.values():
            worker.start()
        for name in PARTS:
            self.airflow.await_healthy(name)
        await_workers(self.redis.url, set(WORKERS))
        self.api = api = self.airflow.api()
        extra: dict[str, str] = {"endpoint_url": self.s3.endpoint, "region_name": KEYS["region_name"]}
        login, password = KEYS["aws_access_key_id"], KEYS["aws_secret_access_key"]
        api.set_connection("phrasemill_s3", "aws", login=login, password=password, extra=extra)
        extra = {"urls": ",".join(engine.url for engine in self.engines), "model": MODEL}
        api.set_connection("phrasemill_engines", "vllm", password=API_KEY, extra=extra)
        wanted = {corpus.dag_id for corpus in corpora}
        wait_for(lambda: wanted <= {dag["dag_id"] for dag in api.dags()}, what=f"the Dags {api.import_errors()}")
        for corpus in corpora:
            corpus.api = api
            corpus.unpause()

    def share_engines(self, slots: int) -> None:
        """Have so many shards written at once."""
        self.api.set_pool(ENGINES_POOL, slots, "Shards that the engines write at the same time")

    def phrases(self) -> list[int]:
        """What each engine has written."""
        return [int(engine.state()["phrases"]) for engine in self.engines]

    def stop(self) -> None:
        """End what can be ended in order; the rest ends with the namespaces."""
        self.airflow.stop()
        for engine in self.engines:
            engine.stop()
        self.network.close()
