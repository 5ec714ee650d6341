"""Registers phrasemill's pages with Airflow: in its navigation, as tabs of Dags and runs, as links on shards' tasks."""

from airflow.plugins_manager import AirflowPlugin

from phrasemill.airflow.links import SHARD_LINKS
from phrasemill.web.app import app
from phrasemill.web.pages import URL_PREFIX
from phrasemill.web.places import external_views


class PhrasemillPages(AirflowPlugin):
    """The web app and where it appears."""

    name = "phrasemill"
    fastapi_apps = [{"app": app, "url_prefix": URL_PREFIX, "name": "phrasemill"}]  # noqa: RUF012
    external_views = external_views()
    operator_extra_links = SHARD_LINKS
