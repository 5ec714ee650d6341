"""What a night needs besides running parts: the pool, the two connections, the bucket and the parsed Dag."""

import time

from phrasemill.demo.airflow_api import DemoAirflow
from phrasemill.demo.errors import DemoError
from phrasemill.demo.keys import Keys
from phrasemill.demo.layout import MODEL, REGION, Layout
from phrasemill.sharing import POOL_DESCRIPTION, slots_for
from phrasemill.spec import ENGINES_POOL, CorpusSpec

PARSE_PATIENCE_S = 120.0


def furnish(api: DemoAirflow, layout: Layout, keys: Keys, spec: CorpusSpec) -> None:
    """Make pool and connections, or bring them up to date."""
    api.set_pool(ENGINES_POOL, slots_for(engines=1), POOL_DESCRIPTION)
    api.set_connection(
        spec.engines.connection,
        "vllm",
        description="The demo's vLLM engine",
        extra={"urls": layout.url("engine"), "model": MODEL},
    )
    api.set_connection(
        spec.storage.connection,
        "aws",
        description="The demo's S3 server",
        login=keys.s3_access_key,
        password=keys.s3_secret_key,
        extra={"endpoint_url": layout.url("s3"), "region_name": REGION},
    )


def await_dag(api: DemoAirflow, dag_id: str) -> str:
    """Wait until Airflow has parsed a corpus's Dag and let its runs run; returns its id.

    Raises:
        DemoError: a Dag file has errors, or the Dag does not appear in time.
    """
    kind = dag_id[: dag_id.index("_") + 1]  # each kind of Dag has a file of its own
    deadline = time.monotonic() + PARSE_PATIENCE_S
    asked = False
    while not (dag := api.dag(dag_id)) or dag["is_stale"]:
        if errors := api.import_errors():
            raise DemoError(f"Airflow cannot read its Dags: {errors[0]}")
        if time.monotonic() > deadline:
            raise DemoError(f"Airflow has not parsed Dag {dag_id} after {PARSE_PATIENCE_S:.0f} s; see make status")
        siblings = [other for other in api.dags() if other["dag_id"].startswith(kind)]
        if siblings and not asked:  # the file is parsed once a minute, and a new corpus should not wait for that
            api.parse_again(siblings[0]["file_token"])
            asked = True
        time.sleep(0.5)
    api.unpause(dag_id)
    return dag_id
