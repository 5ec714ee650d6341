"""docker/kubernetes: what can be known of the manifests without a cluster and without a network."""

import json
import re
import shlex
import subprocess
import sys
from copy import deepcopy
from pathlib import Path

import kubernetes_validate
import pytest
import typer

from phrasemill.cli.program import app
from phrasemill.corpus_file import corpus_files, load_corpus
from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.serving.launches import DRAIN_S
from phrasemill.serving.order import KILL_AFTER_S
from phrasemill.serving.profiles import load_profile
from tests.docker.kubernetes_files import (
    ENGINES,
    GUIDE,
    KUBERNETES,
    KUSTOMIZATION,
    MANIFESTS,
    NAMESPACE,
    PODS,
    ROOT,
    VERSIONS,
    containers,
    documents,
    serve_options,
)


def options_of(*command: str) -> set[str]:
    found = typer.main.get_command(app)
    for name in command:
        found = found.commands[name]  # type: ignore[attr-defined]
    return {option for parameter in found.params for option in (*parameter.opts, *parameter.secondary_opts)}


class TestManifests:
    @pytest.mark.parametrize("version", VERSIONS)
    @pytest.mark.parametrize("name", MANIFESTS)
    def test_are_what_kubernetes_knows(self, name: str, version: str) -> None:
        kubernetes_validate.validate(MANIFESTS[name], version, strict=True)

    def test_a_wrong_field_is_told(self) -> None:
        wrong = deepcopy(MANIFESTS["Deployment/engines"])
        wrong["spec"]["template"]["spec"]["terminationGracePeriod"] = 180
        with pytest.raises(kubernetes_validate.ValidationError):
            kubernetes_validate.validate(wrong, VERSIONS[0], strict=True)

    def test_the_kustomization_lists_each_of_them_once(self) -> None:
        files = sorted(path.name for path in KUBERNETES.glob("*.yaml"))
        assert sorted([*KUSTOMIZATION["resources"], "kustomization.yaml"]) == files

    def test_lie_in_the_namespace_that_is_made(self) -> None:
        assert KUSTOMIZATION["namespace"] == NAMESPACE
        assert f"Namespace/{NAMESPACE}" in MANIFESTS
        assert all("namespace" not in manifest["metadata"] for manifest in MANIFESTS.values())

    def test_images_are_pinned(self) -> None:
        images = {container["image"] for pod in PODS.values() for container in containers(pod)}
        for image in images:
            name, _, tag = image.rpartition(":")
            assert name, f"{image} has no tag"
            assert re.fullmatch(r"v?\d+\.\d+\.\d+", tag)
        (replaced,) = KUSTOMIZATION["images"]
        assert f"{replaced['name']}:{replaced['newTag']}" in images

    def test_hold_no_secret(self) -> None:
        assert not [name for name in MANIFESTS if name.startswith(("Secret/", "ConfigMap/"))]
        for pod in PODS.values():
            for container in containers(pod):
                for variable in container.get("env", []):
                    if re.search("KEY|TOKEN|PASSWORD|SECRET", variable["name"]):
                        assert "secretKeyRef" in variable["valueFrom"]

    def test_nobody_is_root(self) -> None:
        for pod in PODS.values():
            context = pod["spec"]["securityContext"]
            assert context["runAsNonRoot"]
            assert context["runAsUser"] > 0
            assert context["seccompProfile"] == {"type": "RuntimeDefault"}
            assert pod["spec"]["automountServiceAccountToken"] is False
            for container in containers(pod):
                assert container["securityContext"]["allowPrivilegeEscalation"] is False
                assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}

    def test_volumes_are_there_and_used(self) -> None:
        for pod in PODS.values():
            mounted = {mount["name"] for container in containers(pod) for mount in container["volumeMounts"]}
            assert mounted == {volume["name"] for volume in pod["spec"]["volumes"]}


class TestWhatSelectsWhat:
    @pytest.mark.parametrize("name", PODS)
    def test_deployments_select_their_own_pods(self, name: str) -> None:
        assert MANIFESTS[name]["spec"]["selector"]["matchLabels"] == PODS[name]["metadata"]["labels"]

    @pytest.mark.parametrize("what", ["engines", "statsd"])
    def test_services_budgets_and_policies_select_the_pods_of_their_name(self, what: str) -> None:
        labels = PODS[f"Deployment/{what}"]["metadata"]["labels"]
        assert MANIFESTS[f"Service/{what}"]["spec"]["selector"] == labels
        assert MANIFESTS[f"NetworkPolicy/{what}"]["spec"]["podSelector"]["matchLabels"] == labels
        if budget := MANIFESTS.get(f"PodDisruptionBudget/{what}"):
            assert budget["spec"]["selector"]["matchLabels"] == labels

    @pytest.mark.parametrize("what", ["engines", "statsd"])
    def test_services_and_policies_name_ports_that_are_there(self, what: str) -> None:
        (container,) = PODS[f"Deployment/{what}"]["spec"]["containers"]
        ports = {port["name"]: port["containerPort"] for port in container["ports"]}
        for port in MANIFESTS[f"Service/{what}"]["spec"]["ports"]:
            assert ports[port["targetPort"]] == port["port"]
        let_in: set[int] = set()
        for rule in MANIFESTS[f"NetworkPolicy/{what}"]["spec"]["ingress"]:
            assert rule["from"], "a rule without peers lets everybody in"
            for port in rule["ports"]:
                first = ports.get(port["port"], port["port"])
                let_in |= set(range(first, port.get("endPort", first) + 1))
        assert let_in == set(ports.values())

    def test_probes_ask_ports_that_are_there(self) -> None:
        (statsd,) = PODS["Deployment/statsd"]["spec"]["containers"]
        names = {port["name"] for port in statsd["ports"]}
        assert {statsd[probe]["httpGet"]["port"] for probe in ("readinessProbe", "livenessProbe")} <= names

    def test_the_pod_monitor_selects_the_engines_and_sends_their_key(self) -> None:
        (monitor,) = documents(KUBERNETES / "examples" / "podmonitor.yaml")
        pod = PODS["Deployment/engines"]
        assert monitor["metadata"]["namespace"] == NAMESPACE
        assert monitor["spec"]["selector"]["matchLabels"] == pod["metadata"]["labels"]
        (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
        assert endpoint["port"] in {port["name"] for port in ENGINES["ports"]}
        (key,) = [variable for variable in ENGINES["env"] if variable["name"] == "PHRASEMILL_API_KEY"]
        assert endpoint["authorization"]["credentials"] == key["valueFrom"]["secretKeyRef"]


class TestEngines:
    def test_run_what_the_image_runs_with_options_that_exist(self) -> None:
        lines = (ROOT / "docker" / "engines.Dockerfile").read_text(encoding="utf-8").splitlines()
        (entry,) = [line for line in lines if line.startswith("ENTRYPOINT ")]
        assert ENGINES["command"] == json.loads(entry.removeprefix("ENTRYPOINT "))
        assert {f"--{option}" for option in serve_options()} <= options_of("serve")

    def test_the_user_is_the_images_own(self) -> None:
        users = re.findall(r"^USER (\d+)", (ROOT / "docker" / "engines.Dockerfile").read_text(encoding="utf-8"), re.M)
        assert PODS["Deployment/engines"]["spec"]["securityContext"]["runAsUser"] == int(users[-1])

    def test_have_a_port_each_and_one_for_metrics(self) -> None:
        options = serve_options()
        first = int(options["port"])
        ports = {port["name"]: port["containerPort"] for port in ENGINES["ports"]}
        engines = {f"engine-{number}": first + number for number in range(int(options["engines"]))}
        assert ports == {**engines, "metrics": int(options["metrics-port"])}

    def test_are_as_many_as_their_profile_measured(self) -> None:
        options = serve_options()
        assert load_profile(options["profile"]).engines_per_gpu == int(options["engines"])
        assert ENGINES["resources"]["limits"]["nvidia.com/gpu"] == "1"

    def test_serve_the_model_that_was_fetched_under_the_name_that_corpora_ask_for(self) -> None:
        (fetch,) = PODS["Deployment/engines"]["spec"]["initContainers"]
        options = serve_options()
        assert fetch["args"][-1] == options["model"]
        assert re.fullmatch(r"[0-9a-f]{40}", fetch["args"][fetch["args"].index("--revision") + 1])
        asked = {load_corpus(path).model.name for path in corpus_files() if path.stem.startswith("hyperphrases")}
        assert asked == {options["served-name"]} == {fetch["command"][-1]}

    def test_applying_them_again_keeps_the_scale(self) -> None:
        assert "replicas" not in MANIFESTS["Deployment/engines"]["spec"]

    def test_have_time_to_drain(self) -> None:
        pod = PODS["Deployment/engines"]["spec"]
        drain_s = float(serve_options().get("drain", DRAIN_S))
        assert pod["terminationGracePeriodSeconds"] > drain_s + KILL_AFTER_S

    def test_are_not_killed_while_they_load(self) -> None:
        start_s = load_profile(serve_options()["profile"]).start_s
        allowed = {
            probe: ENGINES[probe]["periodSeconds"] * ENGINES[probe]["failureThreshold"]
            for probe in ("startupProbe", "livenessProbe")
        }
        assert min(allowed.values()) > 2 * start_s
        assert MANIFESTS["Deployment/engines"]["spec"]["progressDeadlineSeconds"] > allowed["startupProbe"]

    def test_probes_ask_every_engine(self) -> None:
        engines = [str(port["containerPort"]) for port in ENGINES["ports"] if port["name"] != "metrics"]
        for probe in ("startupProbe", "readinessProbe", "livenessProbe"):
            assert ENGINES[probe]["exec"]["command"][3:] == engines
            # The script waits a second for each.
            assert ENGINES[probe]["timeoutSeconds"] > len(engines)

    def test_a_pod_is_ready_while_one_of_its_engines_is(self, engine: FakeEngineProcess) -> None:
        up, down = engine.url.rpartition(":")[2], "9"
        assert self.probe(down, up) == 0
        assert self.probe(down, down) != 0

    @staticmethod
    def probe(*ports: str) -> int:
        python, *rest = ENGINES["readinessProbe"]["exec"]["command"][:3]
        assert python == "python3"
        return subprocess.run([sys.executable, *rest, *ports], check=False).returncode

    def test_no_more_leave_at_a_time_than_the_budget_says_even_of_one(self) -> None:
        assert MANIFESTS["PodDisruptionBudget/engines"]["spec"]["maxUnavailable"] == "50%"
        assert MANIFESTS["Deployment/engines"]["spec"]["strategy"]["rollingUpdate"]["maxSurge"] == 0


def commands_in(path: Path) -> list[list[str]]:
    """Lines of the guide's shell blocks that run phrasemill, in a pod or not, continued lines joined."""
    blocks = re.findall(r"```sh\n(.*?)```", path.read_text(encoding="utf-8"), re.S)
    lines = [line for block in blocks for line in re.sub(r"\\\n\s*", " ", block).splitlines()]
    found = []
    for line in lines:
        if match := re.search(r"(?:^\s*|/)phrasemill ([a-z].*)", line):
            found.append(shlex.split(match[1].split("'")[0], comments=True))
    return found


def test_the_guides_phrasemill_commands_have_options_that_exist() -> None:
    commands = commands_in(GUIDE)
    assert {command[0] for command in commands} >= {"engines", "verify"}
    for command in commands:
        given = {argument.split("=")[0] for argument in command if argument.startswith("--")}
        assert given <= options_of(command[0]), command
