"""Pages in Airflow's UI: who may see them, and what they show."""

from collections.abc import Iterator
from typing import Any

import pytest

pytestmark = pytest.mark.usefixtures("airflow_database")

ROUTE = "/phrasemill/dags/corpus_demo/runs/some_run/report"


@pytest.fixture(scope="module")
def client() -> Iterator[Any]:
    from airflow.api_fastapi.app import create_app, purge_cached_app
    from starlette.testclient import TestClient

    purge_cached_app()
    with TestClient(create_app(apps="core"), base_url="http://testserver") as client:
        yield client
    purge_cached_app()


class TestThePlugin:
    def test_it_adds_a_report_tab_to_runs(self) -> None:
        from airflow.plugins_manager import get_plugin_info

        (ours,) = [plugin for plugin in get_plugin_info() if plugin["name"] == "phrasemill"]
        assert [view["destination"] for view in ours["external_views"]] == ["dag_run"]
        assert [app["url_prefix"] for app in ours["fastapi_apps"]] == ["/phrasemill"]


class TestEveryRouteAsksWhoIsThere:
    def test_without_a_login_it_is_refused(self, client: Any) -> None:
        assert client.get(ROUTE).status_code == 401

    def test_with_a_wrong_token_it_is_refused(self, client: Any) -> None:
        assert client.get(ROUTE, headers={"Authorization": "Bearer nonsense"}).status_code in {401, 403}

    def test_no_other_route_is_open(self, client: Any) -> None:
        from phrasemill.web.app import app

        run = "/dags/{dag_id}/runs/{run_id}"
        files = ["report", "report.html", "data_docs/{name:path}"]
        assert {route.path for route in app.routes} == {f"{run}/{name}" for name in files}
        for path in ("/phrasemill/docs", "/phrasemill/openapi.json", "/phrasemill/"):
            assert client.get(path).status_code == 404
