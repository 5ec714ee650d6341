"""The questions that tell whether a server works. Each answers False while it does not."""

from typing import Any

import httpx

from phrasemill.demo.layout import MODEL

TIMEOUT_S = 5.0


def ask(url: str) -> dict[str, Any] | None:
    """The JSON object, or {} for another body, that `url` answers 200 with; None when it does not."""
    try:
        answer = httpx.get(url, timeout=TIMEOUT_S, trust_env=False)
    except httpx.HTTPError:
        return None
    if answer.status_code != httpx.codes.OK:
        return None
    try:
        body = answer.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def s3_is_up(base: str) -> bool:
    """The S3 server answers."""
    return ask(f"{base}/_ministack/health") is not None


def engine_is_up(base: str) -> bool:
    """The engine's core lives, and it serves the demo's model."""
    if ask(f"{base}/health") is None:
        return False
    models = ask(f"{base}/v1/models") or {}
    return any(model["id"] == MODEL for model in models.get("data", []))


def airflow_is_up(base: str, component: str) -> bool:
    """A component of Airflow (metadatabase, scheduler, dag_processor, triggerer) says that it is healthy."""
    health = ask(f"{base}/api/v2/monitor/health") or {}
    return bool(health.get(component, {}).get("status") == "healthy")
