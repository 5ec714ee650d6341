"""docker/metrics: mapping, alerts and dashboard speak of metrics that exist, and the alerts fire when they should."""

import functools
import importlib.util
import json
import os
import re
import subprocess
from collections.abc import Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
import yaml

from phrasemill.engines.fake.metrics import Counters, exposition
from phrasemill.metric_names import ON_PAGE, SENT, Kind, Metric
from tests.docker.promql import selectors
from tests.docker.statsd_mapping import METRICS, mapped_name, mappings, read

ROOT = METRICS.parents[1]
GRAFANA = METRICS / "grafana"
ENDINGS = {"counter": "_total", "gauge": "", "timer": "_seconds"}
OF_PROMETHEUS = {"up": {"job", "instance"}, "ALERTS": {"alertname", "alertstate", "severity"}}
"""Made by Prometheus itself."""
AIRFLOW_TAGS = {"dag_id", "task_id", "state", "pool_name", "queue"}
"""Those of Airflow's tags that we match by; in 3.3.2 they are in `stats_tags` and the scheduler's gauges."""
UNITS = {"short", "s", "percentunit", "bytes", "dateTimeFromNow", "none"}


@functools.cache
def airflow_metrics() -> dict[str, str]:
    """Airflow's own registry: name -> kind."""
    spec = importlib.util.find_spec("airflow")  # not imported: that reads, and may write, a configuration
    assert spec is not None
    assert spec.submodule_search_locations
    package = Path(spec.submodule_search_locations[0])
    (path,) = package.glob("_shared/observability/metrics/metrics_template.yaml")
    return {metric["name"]: metric["type"] for metric in yaml.safe_load(path.read_text())["metrics"]}


def vllm_metrics() -> set[str]:
    page = exposition(Counters(), model="tiny", running=0, waiting=0, generation_tokens=0)
    return set(re.findall(r"^(vllm:\w+)\{", page, re.MULTILINE))


def series_of(name: str, kind: str) -> list[str]:
    return [f"{name}_{part}" for part in ("bucket", "sum", "count")] if kind == "timer" else [name]


@functools.cache
def known_series() -> dict[str, set[str]]:
    """Every series that may be asked for -> the labels that it may be asked by."""
    known: dict[str, set[str]] = {name: set(labels) for name, labels in OF_PROMETHEUS.items()}
    for metric in SENT:
        labels = {*metric.tags, *(["le"] if metric.kind is Kind.TIMER else [])}
        known |= dict.fromkeys(series_of(metric.in_prometheus, metric.kind), labels)
    known |= {metric.name: {*metric.labels, "instance"} for metric in ON_PAGE}
    for name, kind in airflow_metrics().items():
        mapped = mapped_name(f"airflow.{name}")
        known |= dict.fromkeys(series_of(mapped, kind) if mapped else [], AIRFLOW_TAGS)
    known |= {name: {"instance"} for name in vllm_metrics()}
    for rule in rules():
        if "record" in rule:
            known[rule["record"]] = {"corpus", "step", "kind", "error", "expectation"}
    return known


@functools.cache
def rules() -> list[dict[str, Any]]:
    groups = yaml.safe_load((METRICS / "alerts.yaml").read_text(encoding="utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def alerts() -> list[dict[str, Any]]:
    return [rule for rule in rules() if "alert" in rule]


@functools.cache
def dashboard() -> dict[str, Any]:
    content: dict[str, Any] = json.loads((GRAFANA / "phrasemill.json").read_text(encoding="utf-8"))
    return content


def shown_panels() -> list[dict[str, Any]]:
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def queries() -> Iterator[tuple[str, str]]:
    """Where each expression stands, and the expression."""
    for panel in shown_panels():
        for target in panel["targets"]:
            yield panel["title"], target["expr"]
    for rule in rules():
        yield rule.get("alert") or rule["record"], rule["expr"]


@pytest.fixture(scope="session")
def promtool() -> str:
    """Path of promtool. Where it cannot be had the checks are skipped; in CI that is a failure."""
    found = subprocess.run(
        [str(ROOT / "requirements" / "promtool.sh")], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if found.returncode == 0:
        return found.stdout.strip()
    why = found.stderr.strip() or "requirements/promtool.sh failed"
    if os.environ.get("CI") == "true":
        pytest.fail(why)
    pytest.skip(why)


def run(*command: str | Path) -> str:
    ended = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


class TestMapping:
    @pytest.mark.parametrize("metric", SENT, ids=lambda metric: metric.name)
    def test_every_metric_of_ours_is_mapped_to_its_name(self, metric: Metric) -> None:
        assert mapped_name(f"airflow.{metric.name}") == metric.in_prometheus

    def test_every_mapping_is_of_a_metric_of_ours_or_of_airflow(self) -> None:
        kinds = airflow_metrics() | {metric.name: str(metric.kind) for metric in SENT}
        for mapping in mappings():
            if mapping.drops:
                continue
            name = mapping.match.removeprefix("airflow.")
            whose = "" if name.startswith("phrasemill.") else "airflow_"
            assert mapping.name == whose + name.replace(".", "_") + ENDINGS[kinds[name]]

    def test_names_are_not_given_twice(self) -> None:
        kept = [mapping for mapping in mappings() if not mapping.drops]
        assert len({mapping.match for mapping in kept}) == len({mapping.name for mapping in kept}) == len(kept)

    def test_what_is_not_named_is_dropped(self) -> None:
        assert mapped_name("airflow.ti.finish.corpus_demo.plan.success") is None
        assert mapped_name("airflow.dag_processing.last_duration.a_file") is None
        assert mappings()[-1].drops

    def test_gauges_of_running_tasks_are_forgotten_and_those_of_a_corpus_stay(self) -> None:
        ttl = {mapping.name: mapping.ttl for mapping in mappings()}
        assert {ttl[metric.in_prometheus] for metric in SENT if metric.of_shard} == {"3m"}
        assert {ttl[metric.in_prometheus] for metric in SENT if not metric.of_shard} == {None}

    def test_timers_are_histograms_with_rising_buckets(self) -> None:
        content = read()
        assert content["defaults"]["observer_type"] == "histogram"
        own = [one["histogram_options"] for one in content["mappings"] if "histogram_options" in one]
        for options in [content["defaults"]["histogram_options"], *own]:
            assert options["buckets"] == sorted(set(options["buckets"]))


class TestQueries:
    @pytest.mark.parametrize(("where", "expr"), queries(), ids=lambda value: value if "(" not in value else "")
    def test_ask_for_series_and_labels_that_exist(self, where: str, expr: str) -> None:
        known, asked = known_series(), list(selectors(expr))
        assert asked, where
        for name, labels in asked:
            assert name in known, f"{where}: {name}"
            assert labels <= known[name], f"{where}: {name} has no {labels - known[name]}"

    def test_every_metric_is_shown_or_alerted_on(self) -> None:
        asked = {name for _, expr in queries() for name, _ in selectors(expr)}
        recorded = {rule["record"] for rule in rules() if "record" in rule}
        assert recorded <= asked
        for metric in SENT:
            assert set(series_of(metric.in_prometheus, metric.kind)) & asked, metric.name
        for metric in ON_PAGE:
            assert metric.name in asked

    def test_every_mapped_metric_of_airflow_is_shown(self) -> None:
        asked = {name for _, expr in queries() for name, _ in selectors(expr)}
        kinds = airflow_metrics()
        for mapping in mappings():
            kind = kinds.get(mapping.match.removeprefix("airflow."))
            assert kind is None or set(series_of(mapping.name, kind)) & asked, mapping.name

    def test_prometheus_keeps_the_series_of_vllm_that_are_asked_for(self) -> None:
        jobs = yaml.safe_load((METRICS / "prometheus.yaml").read_text(encoding="utf-8"))["scrape_configs"]
        (vllm,) = [job for job in jobs if job["job_name"] == "vllm"]
        (kept,) = [one["regex"] for one in vllm["metric_relabel_configs"] if one["action"] == "keep"]
        asked = {name for _, expr in queries() for name, _ in selectors(expr) if name.startswith("vllm:")}
        assert asked == {name for name in vllm_metrics() if re.fullmatch(kept, name)}

    def test_of_the_dashboard_are_sound_promql(self, promtool: str, tmp_path: Path) -> None:
        exprs = [target["expr"] for panel in shown_panels() for target in panel["targets"]]
        whole = [re.sub(r"\$__(rate_interval|range)", "5m", expr).replace("$corpus", ".*") for expr in exprs]
        lines = [{"record": f"panel:{number}", "expr": expr} for number, expr in enumerate(whole)]
        file = tmp_path / "panels.yaml"
        file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": lines}]}))
        assert f"{len(exprs)} rules found" in run(promtool, "check", "rules", file)


class TestAlerts:
    def test_rules_and_configuration_are_sound(self, promtool: str, tmp_path: Path) -> None:
        run(promtool, "check", "rules", METRICS / "alerts.yaml")
        for file in ("alerts.yaml", "targets/serve.yaml", "targets/vllm.yaml"):
            (tmp_path / file).parent.mkdir(exist_ok=True)
            (tmp_path / file).write_bytes((METRICS / file).read_bytes())
        (tmp_path / "key").touch()
        content = (METRICS / "prometheus.yaml").read_text(encoding="utf-8")
        mounted = "/run/secrets/phrasemill_api_key"
        assert mounted in content
        (tmp_path / "prometheus.yaml").write_text(content.replace(mounted, "key"))
        assert "1 rule files found" in run(promtool, "check", "config", tmp_path / "prometheus.yaml")

    def test_fire_when_they_should_and_only_then(self, promtool: str) -> None:
        assert "SUCCESS" in run(promtool, "test", "rules", Path(__file__).with_name("alert_tests.yaml"))

    def test_each_is_tried_with_series_that_fire_and_that_do_not(self) -> None:
        tried = yaml.safe_load(Path(__file__).with_name("alert_tests.yaml").read_text(encoding="utf-8"))["tests"]
        fired: dict[str, set[bool]] = {}
        for one in tried:
            for check in one["alert_rule_test"]:
                fired.setdefault(check["alertname"], set()).add(bool(check.get("exp_alerts")))
        assert fired == {alert["alert"]: {True, False} for alert in alerts()}

    @pytest.mark.parametrize("alert", alerts(), ids=lambda alert: alert["alert"])
    def test_each_says_what_to_do_and_leads_to_it(self, alert: dict[str, Any]) -> None:
        assert alert["labels"]["severity"] in {"critical", "warning"}
        annotations = alert["annotations"]
        assert set(annotations) == {"summary", "description", "runbook"}
        path, _, anchor = annotations["runbook"].partition("#")
        headings = re.findall(r"^#+ (.+)$", (ROOT / path).read_text(encoding="utf-8"), re.MULTILINE)
        anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
        assert anchor in anchors


class TestDashboard:
    def test_panels_have_ids_of_their_own_and_do_not_overlap(self) -> None:
        content = dashboard()
        assert content["schemaVersion"] >= 36
        assert content["uid"]
        panels = content["panels"]
        assert len({panel["id"] for panel in panels}) == len(panels)
        for panel in panels:
            place = panel["gridPos"]
            assert place["x"] >= 0
            assert place["x"] + place["w"] <= 24
        for one, other in combinations((panel["gridPos"] for panel in panels), 2):
            beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
            below = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
            assert beside or below

    def test_rows_are_those_of_the_documentation(self) -> None:
        rows = [panel["title"] for panel in dashboard()["panels"] if panel["type"] == "row"]
        assert rows == ["Progress", "Rejects by reason", "Engines and GPUs", "Request lists", "Airflow", "Failures"]
        documented = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
        for title in rows:
            assert f"*{title}*" in documented

    def test_every_panel_asks_the_provisioned_data_source_by_its_uid(self) -> None:
        provisioned = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yaml").read_text())
        (source,) = provisioned["datasources"]
        wanted = {"type": "prometheus", "uid": source["uid"]}
        (corpus,) = dashboard()["templating"]["list"]
        assert corpus["datasource"] == wanted
        for panel in shown_panels():
            assert panel["datasource"] == wanted
            assert {json.dumps(target["datasource"]) for target in panel["targets"]} == {json.dumps(wanted)}
        assert source["jsonData"]["timeInterval"] == "15s"

    def test_every_panel_has_a_title_a_unit_and_legends(self) -> None:
        titles = [panel["title"] for panel in shown_panels()]
        assert len(set(titles)) == len(titles)
        for panel in shown_panels():
            assert panel["fieldConfig"]["defaults"]["unit"] in UNITS, panel["title"]
            references = [target["refId"] for target in panel["targets"]]
            assert len(set(references)) == len(references)
            if panel["type"] != "table":
                assert all(target["legendFormat"] for target in panel["targets"]), panel["title"]

    def test_the_corpora_to_choose_from_are_those_that_tell_a_target(self) -> None:
        (corpus,) = dashboard()["templating"]["list"]
        assert corpus["name"] == "corpus"
        assert corpus["query"]["query"] == corpus["definition"]
        name, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", corpus["definition"]).groups()
        assert label in known_series()[name]


class TestDocumentation:
    def test_has_every_metric_with_kind_unit_tags_and_meaning(self) -> None:
        text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
        wanted = [
            f"| `{metric.name}` | {metric.kind} | {metric.unit} | {', '.join(metric.tags)} | {metric.meaning} |"
            for metric in SENT
        ]
        wanted += [
            f"| `{metric.name}` | {metric.kind} | {metric.unit} | {', '.join(metric.labels)} | {metric.meaning} |"
            for metric in ON_PAGE
        ]
        assert [line for line in text.splitlines() if re.match(r"\| `phrasemill[._]", line)] == wanted

    def test_has_every_alert(self) -> None:
        text = (ROOT / "docs" / "metrics.md").read_text(encoding="utf-8")
        named = re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE)
        assert [name for name in named if name[0].isupper()] == [alert["alert"] for alert in alerts()]
