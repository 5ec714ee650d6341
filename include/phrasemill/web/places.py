"""Where the pages are within Airflow's UI: their names in its navigation and tabs, and the way to them there."""

from typing import Any
from urllib.parse import quote, urlsplit

from airflow.configuration import conf

from phrasemill.web.pages import URL_PREFIX

CORPORA_PAGE = "phrasemill-corpora"
FORECAST_PAGE = "phrasemill-forecast"
CORPUS_TAB = "phrasemill-corpus"
HYPERTEXT_TAB = "phrasemill-hypertext"
REPORT_TAB = "phrasemill-report"
QUALITY_TAB = "phrasemill-quality"

# 24 by 24, in the blue of Airflow's own icons on a light ground and the grey of those on a dark one. An image does not
# turn white where Airflow's do, on the dark blue of the page that is open: there the white rim is what is seen of it.
BLUE, GREY = "#32486e", "#d4d4d8"
SHARDS = "M4 4h6v6H4zM14 4h6v6h-6zM4 14h6v6H4zM14 14h6v6h-6z"
CURVE = "M4 4v16h16M7 16c5 0 4-9 12-9"


def base_path() -> str:
    """The path that Airflow itself lies under, such as /airflow; empty for none."""
    return urlsplit(conf.get("api", "base_url", fallback="")).path.rstrip("/")


def in_ui(page: str) -> str:
    """The address at which Airflow's UI shows one of our pages beside its navigation, for a link to it."""
    return f"{base_path()}/plugin/{CORPORA_PAGE}{at(page)}"


def at(page: str) -> str:
    """The address of one of our pages alone."""
    return f"{base_path()}{URL_PREFIX}{page}"


def external_views() -> list[dict[str, Any]]:
    """What the plugin tells Airflow; the UI fills in {DAG_ID} and {RUN_ID}, percent-encoded."""
    run = "/dags/{DAG_ID}/runs/{RUN_ID}"
    return [
        _in_navigation("Corpora", "/corpora", CORPORA_PAGE, drawing=SHARDS),
        _in_navigation("Forecast", "/forecast", FORECAST_PAGE, drawing=CURVE),
        _tab("Corpus", "/dags/{DAG_ID}/corpus", CORPUS_TAB, of="dag"),
        _tab("Hypertext", "/dags/{DAG_ID}/hypertext", HYPERTEXT_TAB, of="dag"),
        _tab("Report", f"{run}/report", REPORT_TAB, of="dag_run"),
        _tab("Quality", f"{run}/quality", QUALITY_TAB, of="dag_run"),
    ]


def _in_navigation(name: str, page: str, route: str, *, drawing: str) -> dict[str, Any]:
    return {
        "name": name,
        "href": at(page),
        "destination": "nav",
        "nav_top_level": True,
        "url_route": route,
        "icon": _icon(drawing, BLUE, rim="white"),
        "icon_dark_mode": _icon(drawing, GREY, rim="none"),
    }


def _tab(name: str, page: str, route: str, *, of: str) -> dict[str, Any]:
    return {"name": name, "href": at(page), "destination": of, "url_route": route}


def _icon(drawing: str, colour: str, *, rim: str) -> str:
    path = f'<path d="{drawing}"/>'
    svg = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="none" stroke-linecap="round" '
        f'stroke-linejoin="round"><g stroke="{rim}" stroke-width="5" opacity=".8">{path}</g>'
        f'<g stroke="{colour}" stroke-width="2">{path}</g></svg>'
    )
    return f"data:image/svg+xml,{quote(svg)}"
