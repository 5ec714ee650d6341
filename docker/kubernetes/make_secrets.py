#!/usr/bin/env python3
"""Makes the Secrets that docker/helm and docker/kubernetes name, with kubectl. Python's standard library is enough.

    export PHRASEMILL_DATABASE_URL=postgresql://airflow:PASSWORD@db.example.org:5432/airflow
    export AWS_ACCESS_KEY_ID=... AWS_SECRET_ACCESS_KEY=... AWS_ENDPOINT_URL=https://s3.example.org
    docker/kubernetes/make_secrets.py       # in namespace phrasemill; --namespace NAME for another

Keys are made at random once, and kept when it runs again; the database and the connections are written anew each time,
so that the same command rotates them. Further connections come along: every AIRFLOW_CONN_... of your shell. Values go
to kubectl by its standard input: none is on a command line or printed.
"""

import argparse
import base64
import json
import os
import secrets
import subprocess
import sys
from collections.abc import Mapping

DATABASE, KEYS, REDIS = "airflow-database", "airflow-keys", "airflow-redis"
ENGINES, CONNECTIONS = "phrasemill-engines", "phrasemill-connections"
PORTS = range(8000, 8004)
MODEL = "Qwen/Qwen2.5-1.5B-Instruct"
NEEDED = ("PHRASEMILL_DATABASE_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")


class Cluster:
    """The Secrets of a namespace."""

    def __init__(self, namespace: str) -> None:
        self.namespace = namespace

    def secret(self, name: str) -> dict[str, str] | None:
        """The values of a Secret by key, or None where there is no such Secret."""
        answer = self._kubectl("get", "secret", name, "--ignore-not-found", "--output=json")
        if not answer.strip():
            return None
        return {key: base64.b64decode(value).decode() for key, value in json.loads(answer).get("data", {}).items()}

    def write(self, name: str, values: Mapping[str, str]) -> None:
        """Make or replace a Secret. Server-side, since a client-side apply keeps a second copy in an annotation."""
        data = {key: base64.b64encode(value.encode()).decode() for key, value in values.items()}
        metadata = {"name": name, "namespace": self.namespace, "labels": {"app.kubernetes.io/part-of": "phrasemill"}}
        manifest = {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "Opaque", "data": data}
        self._kubectl(
            "apply", "--server-side", "--field-manager=phrasemill-secrets", "--filename=-", given=json.dumps(manifest)
        )

    def _kubectl(self, *arguments: str, given: str | None = None) -> str:
        command = ["kubectl", "--namespace", self.namespace, *arguments]
        try:
            done = subprocess.run(command, input=given, text=True, capture_output=True, check=True)  # noqa: S603
        except FileNotFoundError:
            sys.exit("kubectl is not on this machine's PATH; install it, and let it reach your cluster")
        except subprocess.CalledProcessError as error:
            sys.exit(f"{' '.join(command)}: {error.stderr.strip()}")
        return done.stdout


def made_once() -> dict[str, dict[str, str]]:
    """New random keys, for Secrets that are not there yet."""
    password = secrets.token_hex(24)
    return {
        KEYS: {
            "fernet-key": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
            "api-secret-key": secrets.token_hex(32),
            "jwt-secret": secrets.token_hex(32),
        },
        # The chart calls Redis RELEASE-redis.
        REDIS: {"password": password, "connection": f"redis://:{password}@airflow-redis:6379/0"},
    }


def engines(environ: Mapping[str, str], *, api_key: str, namespace: str) -> dict[str, str]:
    """The engines' key, and their connection as `airflow connections import` reads it."""
    urls = environ.get("PHRASEMILL_ENGINES") or ",".join(f"dns+http://engines.{namespace}.svc:{port}" for port in PORTS)
    extra = {"urls": urls, "model": environ.get("PHRASEMILL_MODEL") or MODEL}
    connection = {"conn_type": "vllm", "password": api_key, "extra": extra}
    return {"api-key": api_key, "connections.json": json.dumps({"phrasemill_engines": connection})}


def connections(environ: Mapping[str, str]) -> dict[str, str]:
    """Connections that Airflow reads from its environment: the bucket's, and those that are in ours."""
    extra = {"endpoint_url": environ.get("AWS_ENDPOINT_URL"), "region_name": environ.get("AWS_REGION")}
    bucket = {
        "conn_type": "aws",
        "login": environ["AWS_ACCESS_KEY_ID"],
        "password": environ["AWS_SECRET_ACCESS_KEY"],
        "extra": {key: value for key, value in extra.items() if value},
    }
    others = {name: value for name, value in environ.items() if name.startswith("AIRFLOW_CONN_")}
    return {**others, "AIRFLOW_CONN_PHRASEMILL_S3": json.dumps(bucket)}


def main() -> None:
    """Write what is missing and what may change."""
    parser = argparse.ArgumentParser(description="Makes the Secrets of phrasemill and its Airflow.")
    parser.add_argument("--namespace", default="phrasemill")
    namespace = parser.parse_args().namespace
    if missing := [name for name in NEEDED if not os.environ.get(name)]:
        sys.exit(f"set {', '.join(missing)}; the head of {sys.argv[0]} shows how")
    cluster = Cluster(namespace)
    for name, values in made_once().items():
        if cluster.secret(name) is None:
            cluster.write(name, values)
            sys.stdout.write(f"{name}: made\n")
        else:
            sys.stdout.write(f"{name}: kept\n")
    cluster.write(DATABASE, {"connection": os.environ["PHRASEMILL_DATABASE_URL"]})
    api_key = (cluster.secret(ENGINES) or {}).get("api-key") or secrets.token_hex(32)
    cluster.write(ENGINES, engines(os.environ, api_key=api_key, namespace=namespace))
    # Connections that somebody added stay.
    cluster.write(CONNECTIONS, {**(cluster.secret(CONNECTIONS) or {}), **connections(os.environ)})
    sys.stdout.write(f"{DATABASE}, {ENGINES}, {CONNECTIONS}: written\n")


if __name__ == "__main__":
    main()
