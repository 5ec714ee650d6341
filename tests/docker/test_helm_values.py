"""docker/helm: values for the official chart, against Airflow's own options and against what docker/kubernetes makes.

The chart's schema is not here; docs/kubernetes.md says against what the keys were read.
"""

import re
from pathlib import Path

import pytest
import yaml
from airflow.configuration import conf
from airflow.providers.git.bundles.git import GitDagBundle

from phrasemill.airflow.corpus_dag import GENERATION_QUEUE
from phrasemill.corpus_file import CORPORA_VARIABLE, corpus_files, load_corpus
from tests.docker.kubernetes_files import (
    GUIDE,
    HELM,
    MAKE_SECRETS,
    MANIFESTS,
    PODS,
    ROOT,
    VALUES,
    everything_in,
)


class TestValues:
    def test_are_the_files_that_the_guide_gives_to_helm(self) -> None:
        given = set(re.findall(r"docker/helm/(values-[a-z]+)\.yaml", GUIDE.read_text(encoding="utf-8")))
        assert given == set(VALUES)

    def test_the_guide_and_the_values_name_one_chart_version(self) -> None:
        texts = [GUIDE, *HELM.glob("*.yaml")]
        found = {version for path in texts for version in re.findall(r"--version (\S+)", path.read_text("utf-8"))}
        assert len(found) == 1

    @pytest.mark.parametrize("executor", ["celery", "kubernetes"])
    def test_name_an_executor_and_no_part_that_it_does_not_use(self, executor: str) -> None:
        values = VALUES[f"values-{executor}"]
        assert values["executor"] == {"celery": "CeleryExecutor", "kubernetes": "KubernetesExecutor"}[executor]
        assert set(values["workers"]) == {executor}
        assert values["redis"]["enabled"] is (executor == "celery")

    def test_no_list_of_one_file_hides_that_of_another(self) -> None:
        """Helm merges maps and replaces lists: the same list in two files is a setting lost. Git's Dags mean to."""
        common = {re.sub(r"\[.*", "", path) for path, _ in everything_in(VALUES["values-common"]) if "[" in path}
        for name in ("values-celery", "values-kubernetes"):
            assert not common & {re.sub(r"\[.*", "", path) for path, _ in everything_in(VALUES[name]) if "[" in path}

    def test_airflow_is_the_one_of_the_image(self) -> None:
        image = (ROOT / "docker" / "airflow.Dockerfile").read_text(encoding="utf-8")
        (version,) = set(re.findall(r"^FROM apache/airflow:(?:slim-)?([\d.]+)-", image, re.M))
        assert VALUES["values-common"]["airflowVersion"] == version
        assert re.fullmatch(r"\d+\.\d+\.\d+", VALUES["values-common"]["defaultAirflowTag"])

    def test_name_options_that_airflow_has(self) -> None:
        known = conf.configuration_description
        named = [
            (section, option)
            for values in VALUES.values()
            for section, options in values.get("config", {}).items()
            for option in options
        ]
        assert ("logging", "remote_base_log_folder") in named
        for section, option in named:
            assert option in known[section]["options"], f"[{section}] {option}"

    def test_name_variables_that_somebody_reads(self) -> None:
        variables = [one["name"] for one in VALUES["values-common"]["env"]]
        for values in VALUES.values():
            variables += [one["name"] for one in yaml.safe_load(values.get("extraEnv", "[]"))]
        for variable in variables:
            if match := re.fullmatch(r"AIRFLOW__(\w+?)__(\w+)", variable):
                section, option = (part.lower() for part in match.groups())
                assert option in conf.configuration_description[section]["options"]
            else:
                assert variable in {CORPORA_VARIABLE, GENERATION_QUEUE}

    def test_workers_take_the_queue_that_generate_is_sent_to(self) -> None:
        celery = VALUES["values-celery"]
        (variable,) = yaml.safe_load(celery["extraEnv"])
        sets = {one["queue"] for one in celery["workers"]["celery"]["sets"]}
        assert variable == {"name": GENERATION_QUEUE, "value": "generation"}
        assert sets == {"generation"}
        assert celery["workers"]["celery"]["queue"] == "default"

    def test_corpora_are_mounted_where_they_are_read(self) -> None:
        common = VALUES["values-common"]
        (mount,) = common["volumeMounts"]
        (volume,) = common["volumes"]
        assert {"name": CORPORA_VARIABLE, "value": mount["mountPath"]} in common["env"]
        assert mount["name"] == volume["name"]
        assert f"create configmap {volume['configMap']['name']}" in GUIDE.read_text(encoding="utf-8")

    def test_logs_go_to_the_bucket_by_our_connection(self) -> None:
        logging = VALUES["values-common"]["config"]["logging"]
        buckets = {load_corpus(path).storage.bucket for path in corpus_files()}
        assert logging["remote_base_log_folder"].split("/")[2] in buckets
        assert f"AIRFLOW_CONN_{logging['remote_log_conn_id'].upper()}" in MAKE_SECRETS.read_text(encoding="utf-8")

    def test_metrics_go_to_the_exporter_that_is_here(self) -> None:
        metrics = VALUES["values-common"]["config"]["metrics"]
        ports = {port["name"]: port["port"] for port in MANIFESTS[f"Service/{metrics['statsd_host']}"]["spec"]["ports"]}
        assert metrics["statsd_port"] == ports["statsd"]
        assert VALUES["values-common"]["statsd"] == {"enabled": False}

    def test_the_mapping_is_the_one_of_docker_metrics(self) -> None:
        (statsd,) = PODS["Deployment/statsd"]["spec"]["containers"]
        (volume,) = PODS["Deployment/statsd"]["spec"]["volumes"]
        mapping = "docker/metrics/statsd.yaml"
        assert (ROOT / mapping).is_file()
        assert (
            f"--statsd.mapping-config={statsd['volumeMounts'][0]['mountPath']}/{Path(mapping).name}" in statsd["args"]
        )
        made = f"create configmap {volume['configMap']['name']} --from-file={mapping}"
        assert made in GUIDE.read_text(encoding="utf-8")

    def test_git_bundles_take_what_the_values_give_them(self) -> None:
        (bundle,) = VALUES["values-git"]["dagProcessor"]["dagBundleConfigList"]
        assert bundle["classpath"] == f"{GitDagBundle.__module__}.{GitDagBundle.__name__}"
        given = {name: value for name, value in bundle["kwargs"].items() if name != "git_conn_id"}
        made = GitDagBundle(name=bundle["name"], repo_url="https://git.example.org/corpora.git", **given)
        assert made.tracking_ref == "main"
        assert (ROOT / given["subdir"] / "corpora.py").is_file()

    def test_hold_no_secret_and_make_no_user(self) -> None:
        for values in VALUES.values():
            for path, value in everything_in(values):
                if re.search("(?i)password|secret|key|token", path):
                    assert path.endswith("SecretName"), f"{path} = {value}"
        assert VALUES["values-common"]["createUserJob"] == {"enabled": False}

    def test_secrets_that_are_named_are_made(self) -> None:
        text = MAKE_SECRETS.read_text(encoding="utf-8")
        named = {
            str(value)
            for values in VALUES.values()
            for path, value in everything_in(values)
            if path.endswith("SecretName")
        }
        named |= {one["secretRef"]["name"] for one in yaml.safe_load(VALUES["values-common"]["extraEnvFrom"])}
        assert len(named) == 4
        assert all(f'"{name}"' in text for name in named)
