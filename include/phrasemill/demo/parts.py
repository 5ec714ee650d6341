"""The demo's parts: an S3 server, a vLLM engine, and the four processes of Airflow."""

import os
from functools import partial

from phrasemill.demo import health
from phrasemill.demo.keys import Keys
from phrasemill.demo.layout import HOST, MODEL, Layout
from phrasemill.demo.part import Part

AIRFLOW_PARTS = ("api-server", "scheduler", "dag-processor", "triggerer")
NO_PROXY = "127.0.0.1,localhost"
ENGINE_DRAIN_S = 10.0
"""64 sequences in flight take 6 s on two cores."""


def s3_part(layout: Layout, keys: Keys) -> Part:
    """The S3 server. It keeps what it is given under the state folder, and refuses other keys than ours."""
    return Part(
        name="s3",
        title="the S3 server",
        server="s3",
        command=(str(layout.python("s3")), "-m", "ministack"),
        variables={
            "BIND_HOST": HOST,
            "GATEWAY_PORT": str(layout.ports["s3"]),
            "SERVICES": "s3",
            "S3_PERSIST": "1",
            "S3_DATA_DIR": str(layout.state / "s3"),
            "AUTH": "true",
            "AWS_ACCESS_KEY_ID": keys.s3_access_key,
            "AWS_SECRET_ACCESS_KEY": keys.s3_secret_key,
            "LOG_LEVEL": "WARNING",
        },
        healthy=partial(health.s3_is_up, layout.url("s3")),
        patience_s=60,
        environment=layout.root / ".venvs" / "s3" / ".stamp",
    )


def engine_part(layout: Layout) -> Part:
    """`phrasemill serve` with one vLLM engine on the CPU."""
    return Part(
        name="engine",
        title="the vLLM engine",
        server="engine",
        command=(
            *(str(layout.python("airflow")), "-m", "phrasemill", "serve"),
            *("--model", str(layout.model_folder), "--served-name", MODEL),
            *("--profile", "cpu-0.1b", "--python", str(layout.python("engines-cpu"))),
            *("--host", HOST, "--port", str(layout.ports["engine"])),
            *("--state", str(layout.engines), "--caches", str(layout.state / "cache")),
            *("--drain", f"{ENGINE_DRAIN_S:g}"),
        ),
        variables={"HF_HOME": str(layout.state / "cache" / "huggingface"), "NO_PROXY": NO_PROXY},
        healthy=partial(health.engine_is_up, layout.url("engine")),
        patience_s=330,  # the profile's own limit comes first, with the engine's last words
        environment=layout.root / ".venvs" / "engines-cpu" / ".stamp",
        grace_s=2 * (ENGINE_DRAIN_S + 20),
    )


def airflow_parts(layout: Layout) -> list[Part]:
    """What `airflow standalone` starts, as four parts.

    Standalone itself would do, but its scheduler and triggerer also serve logs, on all interfaces and on ports
    that no option moves; `--skip-serve-logs` is to be had only without it.
    """
    components = {"api-server": "metadatabase", "scheduler": "scheduler"}
    components |= {"dag-processor": "dag_processor", "triggerer": "triggerer"}
    skip = ("--skip-serve-logs",)
    arguments = {"scheduler": skip, "triggerer": skip}
    return [
        Part(
            name=name,
            title=f"Airflow's {name}",
            server="airflow" if name == "api-server" else None,
            command=(*airflow_command(layout), name, *arguments.get(name, ())),
            variables=airflow_variables(layout),
            healthy=partial(health.airflow_is_up, layout.url("airflow"), components[name]),
            patience_s=180,
            environment=layout.root / ".venvs" / "airflow" / ".stamp",
        )
        for name in AIRFLOW_PARTS
    ]


def airflow_command(layout: Layout) -> tuple[str, ...]:
    """The `airflow` program of the environment .venvs/airflow."""
    return (str(layout.python("airflow")), "-m", "airflow")


def airflow_variables(layout: Layout) -> dict[str, str]:
    """Airflow's settings for a small machine with two cores."""
    url = layout.url("airflow")
    settings = {
        "CORE__DAGS_FOLDER": str(layout.root / "dags"),
        "CORE__PLUGINS_FOLDER": str(layout.root / "plugins"),
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__EXECUTOR": "LocalExecutor",
        "CORE__PARALLELISM": "4",  # the pool `engines` holds two shards; the rest is for validate and publish
        "CORE__EXECUTION_API_SERVER_URL": f"{url}/execution/",
        "CORE__TEST_CONNECTION": "Enabled",
        "DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{layout.airflow_home}/airflow.db",
        "API__HOST": HOST,
        "API__PORT": str(layout.ports["airflow"]),
        "API__WORKERS": "1",
        "API__BASE_URL": url,
        "API__INSTANCE_NAME": "phrasemill demo",
        # The Dag file is one, and parsing it costs a second of one core; a new corpus asks for it by the API.
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "60",
        "DAG_PROCESSOR__REFRESH_INTERVAL": "30",
        "DAG_PROCESSOR__PARSING_PROCESSES": "1",
    }
    corpora = os.pathsep.join([str(layout.shipped_corpora), str(layout.corpora)])
    return {
        "AIRFLOW_HOME": str(layout.airflow_home),
        "PHRASEMILL_CORPORA": corpora,
        "NO_PROXY": NO_PROXY,
        "no_proxy": NO_PROXY,
        "PYTHONUNBUFFERED": "1",
    } | {f"AIRFLOW__{name}": value for name, value in settings.items()}
