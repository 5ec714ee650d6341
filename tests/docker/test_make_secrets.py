"""docker/kubernetes/make_secrets.py, against a kubectl that keeps Secrets in a folder."""

import base64
import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import kubernetes_validate
import pytest
from airflow.models.connection import Connection
from airflow.secrets.local_filesystem import load_connections_dict

from phrasemill.engines.finding import read_urls
from phrasemill.spec import Engines
from tests.docker.kubernetes_files import (
    ENGINES,
    MAKE_SECRETS,
    MANIFESTS,
    NAMESPACE,
    VERSIONS,
    serve_options,
)

FAKE_KUBECTL = """#!{python}
import json, sys
from pathlib import Path
cluster, arguments = Path({cluster!r}), sys.argv[1:]
with (cluster / "commands").open("a") as commands:
    commands.write(json.dumps(arguments) + "\\n")
assert arguments[:2] == ["--namespace", "phrasemill"], arguments
if arguments[2] == "get":
    file = cluster / arguments[4]
    sys.stdout.write(file.read_text() if file.exists() else "")
elif arguments[2] == "apply":
    manifest = json.load(sys.stdin)
    (cluster / manifest["metadata"]["name"]).write_text(json.dumps(manifest))
else:
    sys.exit(f"unknown: {{arguments}}")
"""
GIVEN = {
    "PHRASEMILL_DATABASE_URL": "postgresql://airflow:pa%2Fss@db.example.org:5432/airflow",
    "AWS_ACCESS_KEY_ID": "an-id",
    "AWS_SECRET_ACCESS_KEY": 'quo"ted',
    "AWS_ENDPOINT_URL": "https://s3.example.org",
}


class TestMakeSecrets:
    @pytest.fixture
    def cluster(self, tmp_path: Path) -> Path:
        """A folder of Secrets, and a kubectl that keeps them there."""
        cluster, kubectl = tmp_path / "cluster", tmp_path / "bin" / "kubectl"
        cluster.mkdir()
        kubectl.parent.mkdir()
        kubectl.write_text(FAKE_KUBECTL.format(python=sys.executable, cluster=str(cluster)), encoding="utf-8")
        kubectl.chmod(0o755)
        return cluster

    @staticmethod
    def run(cluster: Path, **given: str) -> subprocess.CompletedProcess[str]:
        environ = {"PATH": f"{cluster.parent / 'bin'}{os.pathsep}{os.environ['PATH']}", **given}
        return subprocess.run(
            [sys.executable, str(MAKE_SECRETS)], env=environ, text=True, capture_output=True, check=False
        )

    @staticmethod
    def secret(cluster: Path, name: str) -> dict[str, str]:
        manifest = json.loads((cluster / name).read_text(encoding="utf-8"))
        kubernetes_validate.validate(manifest, VERSIONS[-1], strict=True)
        return {key: base64.b64decode(value).decode() for key, value in manifest["data"].items()}

    def test_makes_what_the_values_and_manifests_name(self, cluster: Path) -> None:
        done = self.run(cluster, **GIVEN)
        assert done.returncode == 0, done.stderr
        assert set(self.secret(cluster, "airflow-keys")) == {"fernet-key", "api-secret-key", "jwt-secret"}
        assert self.secret(cluster, "airflow-database") == {"connection": GIVEN["PHRASEMILL_DATABASE_URL"]}
        redis = self.secret(cluster, "airflow-redis")
        assert redis["connection"] == f"redis://:{redis['password']}@airflow-redis:6379/0"
        key = next(one for one in ENGINES["env"] if one["name"] == "PHRASEMILL_API_KEY")["valueFrom"]["secretKeyRef"]
        assert len(self.secret(cluster, key["name"])[key["key"]]) == 64

    def test_connections_are_those_that_airflow_reads(self, cluster: Path) -> None:
        self.run(cluster, **GIVEN)
        written = self.secret(cluster, "phrasemill-connections")
        assert set(written) == {"AIRFLOW_CONN_PHRASEMILL_S3"}
        bucket = Connection.from_json(written["AIRFLOW_CONN_PHRASEMILL_S3"])
        assert (bucket.conn_type, bucket.login, bucket.password) == ("aws", "an-id", 'quo"ted')
        assert bucket.extra_dejson == {"endpoint_url": "https://s3.example.org"}

    def test_the_engines_connection_is_one_that_airflow_imports(self, cluster: Path) -> None:
        self.run(cluster, **GIVEN)
        made = self.secret(cluster, "phrasemill-engines")
        file = cluster / "connections.json"
        file.write_text(made["connections.json"], encoding="utf-8")
        (engines,) = load_connections_dict(str(file)).values()
        assert (engines.conn_id, engines.conn_type, engines.password) == (Engines().connection, "vllm", made["api-key"])
        ports = [port["port"] for port in MANIFESTS["Service/engines"]["spec"]["ports"] if port["name"] != "metrics"]
        urls = [f"dns+http://engines.{NAMESPACE}.svc:{port}" for port in ports]
        assert read_urls(engines.extra_dejson["urls"], where="here") == tuple(urls)
        assert engines.extra_dejson["model"] == serve_options()["served-name"]

    def test_other_engines_and_connections_are_taken_from_the_shell(self, cluster: Path) -> None:
        urls = "dns+http://engines:8000,dns+http://engines-l40s:8000"
        done = self.run(cluster, **GIVEN, PHRASEMILL_ENGINES=urls, AIRFLOW_CONN_PHRASEMILL_GIT="{}")
        assert done.returncode == 0, done.stderr
        made = json.loads(self.secret(cluster, "phrasemill-engines")["connections.json"])
        assert made["phrasemill_engines"]["extra"]["urls"] == urls
        assert self.secret(cluster, "phrasemill-connections")["AIRFLOW_CONN_PHRASEMILL_GIT"] == "{}"

    def test_again_keeps_keys_and_other_connections_and_takes_new_logins(self, cluster: Path) -> None:
        self.run(cluster, **GIVEN)
        made_once = ("airflow-keys", "airflow-redis", "phrasemill-engines")
        keys = [self.secret(cluster, name) for name in made_once]
        connections = json.loads((cluster / "phrasemill-connections").read_text(encoding="utf-8"))
        connections["data"]["AIRFLOW_CONN_PHRASEMILL_GIT"] = base64.b64encode(b"{}").decode()
        (cluster / "phrasemill-connections").write_text(json.dumps(connections), encoding="utf-8")
        done = self.run(cluster, **{**GIVEN, "AWS_SECRET_ACCESS_KEY": "another"})
        assert done.returncode == 0, done.stderr
        assert [self.secret(cluster, name) for name in made_once] == keys
        written = self.secret(cluster, "phrasemill-connections")
        assert written["AIRFLOW_CONN_PHRASEMILL_GIT"] == "{}"
        assert Connection.from_json(written["AIRFLOW_CONN_PHRASEMILL_S3"]).password == "another"

    def test_shows_no_secret_and_puts_none_on_a_command_line(self, cluster: Path) -> None:
        done = self.run(cluster, **GIVEN)
        shown = done.stdout + done.stderr + (cluster / "commands").read_text(encoding="utf-8")
        names = ("airflow-keys", "airflow-database", "airflow-redis", "phrasemill-engines", "phrasemill-connections")
        for name in names:
            assert all(value not in shown for value in self.secret(cluster, name).values())
        assert 'quo"ted' not in shown

    def test_without_logins_it_says_which(self, cluster: Path) -> None:
        done = self.run(cluster, AWS_ACCESS_KEY_ID="an-id")
        assert done.returncode != 0
        assert "set PHRASEMILL_DATABASE_URL, AWS_SECRET_ACCESS_KEY" in done.stderr
        assert not list(cluster.iterdir())

    def test_may_be_run(self) -> None:
        assert MAKE_SECRETS.stat().st_mode & stat.S_IXUSR
