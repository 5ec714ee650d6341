"""The service `init` of docker/compose.yaml: the database brought to this Airflow's version, and what a night needs.

Users, pool, connections and bucket are made once. What is there already stays as it is, so that it can be changed in
Airflow's UI; the log says so. Settings come from the environment, and no secret is put on a command line.
"""

import json
import os
import tempfile
from pathlib import Path

import boto3
from airflow.cli.cli_parser import get_parser
from airflow.models.pool import Pool
from botocore.exceptions import ClientError

from phrasemill.sharing import POOL_DESCRIPTION, slots_for
from phrasemill.spec import ENGINES_POOL

FIRST_PORT = 8000
REGION = "us-east-1"
USERS = {"admin": ("Admin", "ADMIN_PASSWORD"), "engines": ("Op", "ENGINES_PASSWORD")}
"""Name -> role and the variable of its password. GPU nodes register their engines as `engines`."""


def engine_urls(variables: dict[str, str]) -> list[str]:
    """The URLs that ENGINE_URLS lists; else those of the service `engines`: ENGINES_PER_GPU on each of GPUS."""
    if listed := variables.get("ENGINE_URLS", "").replace(",", " ").split():
        return listed
    count = int(variables["GPUS"]) * int(variables["ENGINES_PER_GPU"])
    return [f"http://engines:{FIRST_PORT + number}" for number in range(count)]


def connections(variables: dict[str, str]) -> dict[str, dict[str, object]]:
    """The two connections of a corpus, as `airflow connections import` reads them."""
    return {
        "phrasemill_engines": {
            "conn_type": "vllm",
            "description": "The vLLM engines. A GPU node more: its URLs here, with commas between",
            "password": variables["ENGINES_API_KEY"],
            "extra": {"urls": ", ".join(engine_urls(variables)), "model": variables["MODEL_NAME"]},
        },
        "phrasemill_s3": {
            "conn_type": "aws",
            "description": "The bucket's server",
            "login": variables["S3_ACCESS_KEY"],
            "password": variables["S3_SECRET_KEY"],
            "extra": {"endpoint_url": variables["S3_URL"], "region_name": REGION},
        },
    }


def airflow(*words: str) -> None:
    """Run a command of Airflow's in this process, where no other user reads its arguments."""
    arguments = get_parser().parse_args(words)
    arguments.func(arguments)


def make_users(variables: dict[str, str]) -> None:
    """Make the users that are missing."""
    for name, (role, password) in USERS.items():
        airflow(
            *("users", "create", "--username", name, "--role", role, "--email", f"{name}@localhost"),
            *("--firstname", name, "--lastname", "phrasemill", "--password", variables[password]),
        )


def make_pool(engines: int) -> None:
    """Make the pool `engines` unless it is there, with slots for so many engines."""
    if Pool.get_pool(ENGINES_POOL):
        print(f"pool {ENGINES_POOL} is there and stays as it is")
        return
    slots = slots_for(engines)
    Pool.create_or_update_pool(ENGINES_POOL, slots=slots, description=POOL_DESCRIPTION, include_deferred=False)
    print(f"pool {ENGINES_POOL} has {slots} slots for {engines} engines")


def make_connections(variables: dict[str, str]) -> None:
    """Make the connections that are missing."""
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:  # of mode 0600
        json.dump(connections(variables), file)
        file.flush()
        airflow("connections", "import", file.name)


def make_bucket(variables: dict[str, str]) -> None:
    """Make the bucket unless it is there."""
    s3 = boto3.client(
        "s3",
        endpoint_url=variables["S3_URL"],
        aws_access_key_id=variables["S3_ACCESS_KEY"],
        aws_secret_access_key=variables["S3_SECRET_KEY"],
        region_name=REGION,
    )
    bucket = variables["BUCKET"]
    if bucket in {there["Name"] for there in s3.list_buckets()["Buckets"]}:
        print(f"bucket {bucket} is there")
        return
    try:
        s3.create_bucket(Bucket=bucket)
    except ClientError as error:
        raise SystemExit(f"bucket {bucket} cannot be made at {variables['S3_URL']}: {error}") from error
    print(f"bucket {bucket} made")


def main() -> None:
    """Do all of it, in the order in which one needs the other."""
    variables = dict(os.environ)
    Path(os.environ["AIRFLOW_HOME"]).mkdir(parents=True, exist_ok=True)
    airflow("db", "migrate")
    make_users(variables)
    make_pool(len(engine_urls(variables)))
    make_connections(variables)
    make_bucket(variables)


if __name__ == "__main__":
    main()
