"""The compose files: what Compose makes of them."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from phrasemill.cli.program import app
from phrasemill.serving.order import KILL_AFTER_S
from tests.docker.compose_files import (
    BOX,
    CPU,
    DOCKER,
    EVERY_PROFILE,
    FLEET,
    FLEET_ON_CPU,
    NODE,
    NODE_ADDRESS,
    ONE_SHOTS,
    ROOT,
    compose,
    option,
    read_compose,
    read_env,
    seconds,
    secret_names,
    tagged,
)
from tests.servers import KEYS, S3Server

RUN_BY_A_USER_OF_THEIR_OWN = {
    *("phrasemill-airflow", "phrasemill-engines", "phrasemill-engines-cpu"),  # test_images.py looks
    *("prom/statsd-exporter", "prom/prometheus", "grafana/grafana"),
}


@pytest.fixture(scope="session")
def airflow_options(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    home = tmp_path_factory.mktemp("airflow")
    script = (
        "import json, sys\n"
        "from airflow.configuration import conf\n"
        "described = conf.configuration_description\n"
        "json.dump([f'AIRFLOW__{section}__{name}'.upper() for section, found in described.items()"
        " for name in found['options']], sys.stdout)"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        check=True,
        env=os.environ | {"AIRFLOW_HOME": str(home)},
    )
    return set(json.loads(answer.stdout))


class TestEveryService:
    def test_is_restarted_unless_it_is_done_once(self, services: dict[str, Any]) -> None:
        wanted = {name: "no" if name in ONE_SHOTS else "unless-stopped" for name in services}
        assert {name: service["restart"] for name, service in services.items()} == wanted

    def test_has_limits(self, services: dict[str, Any]) -> None:
        for name, service in services.items():
            limits = service["deploy"]["resources"]["limits"]
            assert float(limits["cpus"]) > 0, name
            assert int(limits["memory"]) >= 64 << 20, name

    def test_rotates_its_log(self, services: dict[str, Any]) -> None:
        for name, service in services.items():
            assert service["logging"]["driver"] == "json-file", name
            assert set(service["logging"]["options"]) == {"max-size", "max-file"}, name

    def test_has_a_health_check(self, services: dict[str, Any]) -> None:
        unchecked = {name for name, service in services.items() if "healthcheck" not in service}
        assert unchecked == ONE_SHOTS & services.keys()

    def test_can_gain_no_rights(self, services: dict[str, Any]) -> None:
        for name, service in services.items():
            assert service["cap_drop"] == ["ALL"], name
            assert service["security_opt"] == ["no-new-privileges:true"], name
            assert not service.get("privileged"), name
        writable = {name for name, service in services.items() if not service.get("read_only")}
        assert writable <= {"prometheus"}  # its secret is copied into its file system

    def test_is_not_root(self, services: dict[str, Any]) -> None:
        """Also for its signals: an init that is root sends none to another user's process without CAP_KILL."""
        for name, service in services.items():
            assert "cap_add" not in service, name
            image, _ = tagged(service["image"])
            if image not in RUN_BY_A_USER_OF_THEIR_OWN:
                assert service.get("user", "root").split(":")[0] not in {"root", "0"}, name

    def test_wants_no_more_cores_than_the_smallest_box_has(self, env_file: Path) -> None:
        """Docker starts no container that is allowed more than there are; the larger ones can be told to be small."""
        small = {"ENGINES_CPUS": "2", "SCHEDULER_CPUS": "2", "WORKER_CPUS": "2"}
        profiles = [word for profile in EVERY_PROFILE for word in ("--profile", profile)]
        words = (*profiles, "config", "--format", "json")
        for answer in (compose(files, env_file, *words, NODE_ADDRESS=NODE_ADDRESS, **small) for files in (FLEET, NODE)):
            for name, service in json.loads(answer.stdout)["services"].items():
                assert float(service["deploy"]["resources"]["limits"]["cpus"]) <= 2, name

    def test_builds_an_image_that_no_other_service_builds(self, services: dict[str, Any]) -> None:
        """Those that are built at once under one tag fail: the image "already exists"."""
        built = [service["image"] for service in services.values() if "build" in service]
        assert len(built) == len(set(built))
        ours = {service["image"] for service in services.values() if service["image"].startswith("phrasemill-")}
        assert set(built) == ours

    def test_finds_the_exporter_if_it_counts(self, services: dict[str, Any]) -> None:
        """Airflow looks its address up once a process, and counts nothing where there is none."""
        for name, service in services.items():
            if service["image"].startswith("phrasemill-airflow") and name not in ONE_SHOTS:
                assert service["environment"]["AIRFLOW__METRICS__STATSD_HOST"] in service["depends_on"], name

    def test_has_a_pinned_image(self, services: dict[str, Any]) -> None:
        for name, service in services.items():
            _, tag = tagged(service["image"])
            assert re.search(r"\d", tag), f"{name}: {service['image']}"

    def test_mounts_what_is_there(self, services: dict[str, Any]) -> None:
        for name, service in services.items():
            for volume in service.get("volumes", []):
                if volume["type"] == "bind":
                    assert Path(volume["source"]).exists(), f"{name}: {volume['source']}"
                    assert volume["read_only"], f"{name}: {volume['source']}"

    def test_publishes_ports_on_this_machine_only(self, whole: dict[str, Any], services: dict[str, Any]) -> None:
        address = NODE_ADDRESS if whole["name"] == "phrasemill-engines" else "127.0.0.1"
        published = [port for service in services.values() for port in service.get("ports", [])]
        assert published
        assert {port["host_ip"] for port in published} == {address}

    def test_says_nothing_of_secrets_in_its_arguments(self, services: dict[str, Any], env_file: Path) -> None:
        secrets = [value for name, value in read_env(env_file).items() if name in secret_names()]
        for name, service in services.items():
            words = json.dumps([service.get("command"), service.get("entrypoint"), service.get("healthcheck")])
            assert not any(secret in words for secret in secrets), name

    def test_that_gets_a_secret_is_run_by_a_user_with_a_number(self, services: dict[str, Any]) -> None:
        """Some versions of Compose take the file's owner from it, as a number; all refuse a read-only service."""
        for name, service in services.items():
            if service.get("secrets"):
                assert service["user"].isdecimal(), name
                assert not service.get("read_only"), name

    def test_sets_options_that_airflow_has(self, services: dict[str, Any], airflow_options: set[str]) -> None:
        named = {name for service in services.values() for name in service.get("environment", {})}
        assert {name for name in named if name.startswith("AIRFLOW__")} <= airflow_options


class TestEngines:
    def test_their_options_are_those_of_phrasemill_serve(self, services: dict[str, Any]) -> None:
        serve = typer.main.get_command(app).commands["serve"]  # type: ignore[attr-defined]
        context = serve.make_context("phrasemill serve", list(services["engines"]["command"]))
        assert context.params["host"] == "0.0.0.0"
        assert context.params["metrics_port"] == 9400
        assert services["engines"]["environment"]["PHRASEMILL_API_KEY"]

    def test_have_time_to_finish_what_is_in_flight(self, services: dict[str, Any]) -> None:
        drain = float(option(services["engines"]["command"], "--drain"))
        assert seconds(services["engines"]["stop_grace_period"]) > drain + KILL_AFTER_S
        assert services["engines"]["init"]  # a first process that reaps what vLLM leaves

    def test_have_a_gpu_reserved_but_for_those_on_the_cpu(self, env_file: Path) -> None:
        on_gpus: list[tuple[str, ...]] = [BOX, FLEET, NODE]
        for files in on_gpus:
            engines = read_compose(files, env_file, "engines-here")["services"]["engines"]
            assert engines["deploy"]["resources"]["reservations"]["devices"][0]["capabilities"] == ["gpu"]
        for files in (CPU, FLEET_ON_CPU):
            engines = read_compose(files, env_file, "engines-here")["services"]["engines"]
            assert "reservations" not in engines["deploy"]["resources"]
            assert "phrasemill-engines-cpu" in engines["image"]

    def test_are_not_reached_from_the_database(self, env_file: Path) -> None:
        whole = read_compose(FLEET, env_file, *EVERY_PROFILE)
        assert whole["networks"]["state"]["internal"]
        on_state = {name for name, service in whole["services"].items() if "state" in (service.get("networks") or {})}
        airflow = {"init", "phrasemill", "api-server", "scheduler", "dag-processor", "triggerer", "worker"}
        assert on_state == {"postgres", "redis"} | airflow
        assert {name for name in on_state if len(whole["services"][name]["networks"]) == 1} == {"postgres", "redis"}

    def test_further_options_reach_them(self, env_file: Path) -> None:
        answer = compose(BOX, env_file, "config", "--format", "json", SERVE_OPTIONS="--lora saiga=/models/saiga")
        assert option(json.loads(answer.stdout)["services"]["engines"]["command"], "--lora") == "saiga=/models/saiga"


class TestFleet:
    def test_has_the_parts_of_a_box_and_celery(self, env_file: Path) -> None:
        box = set(read_compose(BOX, env_file)["services"])
        fleet = set(read_compose(FLEET, env_file)["services"])
        assert fleet - box == {"redis", "worker"}
        assert box - fleet == {"engines"}  # on machines of their own, unless a profile asks for them here

    def test_all_of_airflow_has_its_executor_and_queue(self, env_file: Path) -> None:
        services = read_compose(FLEET, env_file)["services"]
        for name in ("api-server", "scheduler", "dag-processor", "triggerer", "worker"):
            variables = services[name]["environment"]
            assert variables["AIRFLOW__CORE__EXECUTOR"] == "CeleryExecutor", name
            queue = variables["PHRASEMILL_GENERATION_QUEUE"]
            assert queue in option(services["worker"]["command"], "--queues").split(",")
            assert services[name]["depends_on"]["redis"]["condition"] == "service_healthy", name

    def test_has_as_many_workers_as_asked_for(self, env_file: Path) -> None:
        answer = compose(FLEET, env_file, "config", "--format", "json", WORKERS="5")
        assert json.loads(answer.stdout)["services"]["worker"]["deploy"]["replicas"] == 5

    def test_redis_reads_its_password_from_a_file(self, env_file: Path, tmp_path: Path) -> None:
        redis = read_compose(FLEET, env_file)["services"]["redis"]
        (tmp_path / "redis-server").write_text('#!/bin/sh\necho "$@"\ncat\n')
        (tmp_path / "redis-server").chmod(0o755)
        words = [word.replace("$$", "$") for word in redis["command"]]
        environment = redis["environment"] | {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
        answer = subprocess.run(words, capture_output=True, text=True, env=environment, check=True)
        first, *settings = answer.stdout.splitlines()
        assert first == "-"
        assert f"requirepass {redis['environment']['REDIS_PASSWORD']}" in settings
        assert "appendonly yes" in settings


class TestInit:
    def test_makes_all_once_and_leaves_what_is_there(self, tmp_path: Path, env_file: Path, s3_server: S3Server) -> None:
        variables = read_compose(BOX, env_file)["services"]["init"]["environment"]
        environment = os.environ | variables | {
            "AIRFLOW_HOME": str(tmp_path),
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": f"sqlite:///{tmp_path}/airflow.db",
            "AIRFLOW__METRICS__STATSD_ON": "False",
            "S3_URL": s3_server.endpoint,
            "S3_ACCESS_KEY": KEYS["aws_access_key_id"],
            "S3_SECRET_KEY": KEYS["aws_secret_access_key"],
            "BUCKET": "from-init",
        }  # fmt: skip
        script = (
            "import json, runpy, sys\n"
            "init = runpy.run_path(sys.argv[1])\n"
            "init['main']()\n"
            "from airflow.models import Connection\n"
            "from airflow.models.pool import Pool\n"
            "from airflow.utils.session import create_session\n"
            "with create_session() as session:\n"
            "    engines = session.query(Connection).filter_by(conn_id='phrasemill_engines').one()\n"
            "    first = [engines.extra_dejson, engines.password]\n"
            "    engines.extra = json.dumps({'urls': 'http://gpu-7:8000', 'model': 'm'})\n"
            "init['main']()\n"
            "with create_session() as session:\n"
            "    engines = session.query(Connection).filter_by(conn_id='phrasemill_engines').one()\n"
            "    urls = engines.extra_dejson['urls']\n"
            "found = [*first, Pool.get_pool('engines').slots, urls]\n"
            "open(sys.argv[2], 'w').write(json.dumps(found))\n"
        )
        answer = subprocess.run(
            [sys.executable, "-c", script, DOCKER / "init.py", tmp_path / "found.json"],
            capture_output=True,
            text=True,
            check=False,
            env=environment,
            cwd=ROOT,
        )
        assert answer.returncode == 0, answer.stderr[-2000:]
        extra, key, slots, urls_after = json.loads((tmp_path / "found.json").read_text())
        assert extra == {
            "urls": "http://engines:8000, http://engines:8001, http://engines:8002, http://engines:8003",
            "model": "Qwen/Qwen2.5-1.5B-Instruct",
        }
        assert key == variables["ENGINES_API_KEY"]
        assert slots == 2
        assert urls_after == "http://gpu-7:8000"
        buckets = s3_server.client(s3_server.endpoint).list_buckets()["Buckets"]
        assert "from-init" in {bucket["Name"] for bucket in buckets}
        for name in secret_names():
            assert variables.get(name, "-none-") not in answer.stdout + answer.stderr, name
