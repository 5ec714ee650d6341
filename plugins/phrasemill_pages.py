"""Registers phrasemill's pages with Airflow: a Report tab on every run of a corpus Dag."""

from airflow.plugins_manager import AirflowPlugin

from phrasemill.web.app import URL_PREFIX, app


class PhrasemillPages(AirflowPlugin):
    """The web app and where it appears."""

    name = "phrasemill"
    fastapi_apps = [{"app": app, "url_prefix": URL_PREFIX, "name": "phrasemill"}]  # noqa: RUF012
    external_views = [  # noqa: RUF012
        {
            "name": "Report",
            "href": URL_PREFIX + "/dags/{DAG_ID}/runs/{RUN_ID}/report",
            "destination": "dag_run",
            "url_route": "phrasemill-report",
        }
    ]
