"""Every route of our pages: who may see it, which ids it takes, under which policy, and when the bucket is down."""

import itertools
import json
import re
from pathlib import Path

import pytest

from tests.airflow.browsers import browser, token_of, whole_app
from tests.airflow.harbours import settled
from tests.airflow.rows import add_dag, add_plan, add_run
from tests.servers import S3Server, free_port
from tests.specs import SPEC_YAML

pytestmark = pytest.mark.usefixtures("airflow_database")

HOME = "/phrasemill"
RUN = "/dags/{dag_id}/runs/{run_id}"
SHARD = "/dags/{dag_id}/shards/{shard}"
ROUTES = [
    "/corpora",
    "/dags/{dag_id}/corpus",
    "/dags/{dag_id}/corpus/phrases",
    "/dags/{dag_id}/hypertext",
    "/dags/{dag_id}/hypertext/{view}",
    SHARD,
    f"{SHARD}/manifest.json",
    f"{SHARD}/verdict.json",
    f"{RUN}/quality",
    f"{RUN}/report",
    f"{RUN}/report.html",
    RUN + "/data_docs/{name:path}",
    "/forecast",
    "/forecast/answer",
    "/static/{name}",
]
OF_A_DAG = [route for route in ROUTES if "{dag_id}" in route]
OF_A_RUN = [route for route in ROUTES if "{run_id}" in route]
OF_A_SHARD = [route for route in ROUTES if "{shard}" in route]
SAMPLES = {
    "dag_id": "corpus_tiny",
    "run_id": "night",
    "shard": "2",
    "view": "phrase",
    "name": "pages.css",
    "name:path": "index.html",
}

HOSTILE = [
    "%2e%2e",
    "..%2f..",
    "%2E%2E%2F%2e%2e",
    "a%2fb",
    "a%5cb",
    "a%0ab",
    "%0d%0aSet-Cookie:%20a=b",
    "%00",
    "<b>",
    "~",
]
NO_CORPUS = ["another", "corpus_", "corpus_other", "corpus_tiny.yaml", "corpus_..", "CORPUS_TINY", "corpus_tiny%20"]
NO_SHARD = ["-1", "100000", "99999999999999999999", "two", "1e3", "1.5", "0x2", "2%0a", "", "%e2%91%a1"]


def at(route: str, **values: str) -> str:
    """An address of a route, with sample values where none are given."""
    known = SAMPLES | values
    return HOME + re.sub(r"\{([\w:]+)\}", lambda found: known[found[1]], route)


@pytest.fixture
def stranger(app):
    return browser(app)


@pytest.fixture
def unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in a web process that has just been started."""
    from phrasemill.web import corpus_cache

    monkeypatch.setattr(corpus_cache, "CORPORA", corpus_cache.CorpusCache())


@pytest.fixture
def tiny(corpora: Path, s3_server: S3Server, connect_s3: None, unseen: None) -> Path:
    """The file of a corpus of which nothing is written yet, with a run that planned its night."""
    path = corpora / "tiny.yaml"
    bucket = s3_server.new_bucket(s3_server.endpoint)
    path.write_text(f"{SPEC_YAML}storage: {{bucket: {bucket}}}\n", encoding="utf-8")
    return path


@pytest.fixture(scope="module", autouse=True)
def planned(airflow_database: Path) -> None:
    add_dag("corpus_tiny")
    add_run("corpus_tiny", "night")
    add_plan("corpus_tiny", "night", shards=[0, 1], label="2026-11-01")


class TestTheTableOfRoutes:
    def test_has_every_route_of_the_app(self):
        from phrasemill.web.app import app

        assert sorted({route.path for route in app.routes}) == sorted(ROUTES)
        assert {method for route in app.routes for method in route.methods} == {"GET"}

    def test_nothing_else_is_there(self, reader):
        for path in ("/", "/docs", "/redoc", "/openapi.json", "/static/", "/static", "/dags/corpus_tiny"):
            assert reader.get(HOME + path).status_code in {307, 404}, path
        assert "phrasemill" not in reader.get("/openapi.json").text

    @pytest.mark.parametrize("route", ROUTES)
    def test_no_route_takes_more_than_a_get(self, reader, route):
        for method in ("HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE", "NONSENSE"):
            assert reader.request(method, at(route)).status_code == 405


@pytest.mark.parametrize("route", ROUTES)
class TestWhoMaySee:
    def test_nobody_without_a_login(self, stranger, route):
        assert stranger.get(at(route)).status_code == 401

    def test_nobody_with_a_wrong_token(self, app, route):
        for token in ("nonsense", token_of("viewer")[:-4] + "AAAA"):
            assert browser(app, token=token).get(at(route)).status_code == 403

    def test_nobody_with_the_token_in_the_address(self, stranger, route):
        token = token_of("viewer")
        for name in ("token", "_token", "access_token", "jwt"):
            assert stranger.get(at(route), params={name: token}).status_code == 401

    def test_nobody_whose_role_may_see_no_dag(self, app, route):
        assert browser(app, token=token_of(None)).get(at(route)).status_code == 403

    def test_a_viewer_by_header_or_by_cookie(self, app, tiny, route):
        by_cookie = browser(app)
        by_cookie.cookies.set("_token", token_of("viewer"))
        for client in (browser(app, role="viewer"), by_cookie):
            # Nothing is written yet, so some have nothing to show.
            assert settled(client, at(route)).status_code in {200, 404}


class TestWhoMaySeeWhichDag:
    @pytest.fixture(scope="class")
    def guarded(self):
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("AIRFLOW__CORE__AUTH_MANAGER", "tests.airflow.doorkeeper.Doorkeeper")
            yield whole_app()
        whole_app()

    @pytest.fixture
    def other(self, tiny):
        """A second corpus with a Dag of its own."""
        text = tiny.read_text(encoding="utf-8")
        tiny.with_name("other.yaml").write_text(text.replace("name: tiny", "name: other", 1), encoding="utf-8")
        add_dag("corpus_other")

    @pytest.mark.parametrize("route", OF_A_DAG)
    def test_each_dag_is_asked_for_by_itself(self, guarded, other, route):
        client = browser(guarded, role="viewer")
        assert settled(client, at(route)).status_code in {200, 404}
        assert client.get(at(route, dag_id="corpus_other")).status_code == 403
        # Another Dag in the query takes no permission from there.
        assert client.get(at(route, dag_id="corpus_other"), params={"dag_id": "corpus_tiny"}).status_code == 403

    def test_the_list_of_corpora_has_those_that_may_be_read(self, guarded, app, other):
        some = browser(guarded, role="viewer").get(at("/corpora")).text
        assert ("/dags/corpus_tiny/" in some, "corpus_other" in some) == (True, False)

    def test_no_other_corpus_is_reckoned_with_in_the_forecast(self, guarded, other):
        client = browser(guarded, role="viewer")
        for route in ("/forecast", "/forecast/answer"):
            mine, theirs, nobodys = (
                client.get(at(route), params={"corpus": name}) for name in ("tiny", "other", "nobody")
            )
            assert "that you may read" not in mine.text
            for answer in (theirs, nobodys):  # which of the two exists is not told
                assert (answer.status_code, "that you may read" in answer.text) == (400, True)


@pytest.mark.usefixtures("tiny")
class TestIds:
    @pytest.mark.parametrize(("route", "dag_id"), itertools.product(OF_A_DAG, [*HOSTILE, *NO_CORPUS]))
    def test_a_dag_that_is_no_corpus_has_no_page(self, reader, route, dag_id):
        answer = reader.get(at(route, dag_id=dag_id))
        assert answer.status_code in {404, 422}
        assert "set-cookie" not in answer.headers

    @pytest.mark.parametrize(("route", "run_id"), itertools.product(OF_A_RUN, [*HOSTILE, "other", "n" * 251]))
    def test_a_run_that_is_not_there_has_no_page(self, reader, route, run_id):
        answer = reader.get(at(route, run_id=run_id))
        assert answer.status_code in {404, 422}
        assert "set-cookie" not in answer.headers

    @pytest.mark.parametrize(("route", "shard"), itertools.product(OF_A_SHARD, [*HOSTILE, *NO_SHARD, "4", "99999"]))
    def test_a_shard_that_the_corpus_does_not_have_has_no_page(self, reader, route, shard):
        assert settled(reader, at(route, shard=shard)).status_code in {404, 422}

    @pytest.mark.parametrize(
        "name", [*HOSTILE, "../app.py", "%2e%2e/app.py", "pages.css%00", "/etc/passwd", "PAGES.CSS"]
    )
    def test_no_file_but_those_of_the_pages_is_given(self, reader, name):
        assert reader.get(at("/static/{name}")).status_code == 200
        assert reader.get(at("/static/{name}", name=name)).status_code in {404, 422}

    @pytest.mark.parametrize("route", OF_A_DAG)
    def test_what_is_refused_is_not_written_out_raw(self, reader, route):
        answer = reader.get(at(route, dag_id="<script>alert(1)<%2fscript>"))
        assert answer.status_code in {404, 422}
        assert "<script>alert(1)" not in answer.text or "text/html" not in answer.headers["content-type"]


def is_safe(answer) -> bool:
    """Whether a browser that gets this answer runs and loads nothing from elsewhere, and takes it for what it is."""
    policy = answer.headers.get("content-security-policy", "")
    return (
        "default-src 'none'" in policy
        and "frame-ancestors 'self'" in policy
        and not re.search(r"https?:|\*|unsafe-eval", policy)
        and answer.headers["x-content-type-options"] == "nosniff"
        and "private" in answer.headers["cache-control"]
    )


@pytest.mark.parametrize("route", ROUTES)
class TestWhateverIsAnswered:
    def test_stands_under_a_policy(self, reader, tiny, route):
        answers = [reader.get(at(route)), reader.get(at(route, dag_id="another", name="none"))]
        for answer in answers:
            if answer.headers["content-type"].startswith("text/html"):
                assert is_safe(answer), answer.headers
                assert token_of("viewer")[:20] not in answer.text

    def test_is_a_page_although_the_bucket_is_down(self, reader, tiny, monkeypatch, route):
        connection = {"conn_type": "aws", "login": "a", "password": "b"}
        connection["extra"] = {"endpoint_url": f"http://127.0.0.1:{free_port()}", "region_name": "us-east-1"}
        monkeypatch.setenv("AIRFLOW_CONN_PHRASEMILL_S3", json.dumps(connection))
        answer = settled(reader, at(route))
        if answer.status_code == 503:
            assert is_safe(answer)
        assert answer.status_code in {200, 503}
        assert "Traceback" not in answer.text
        if route in OF_A_DAG:
            assert re.search("cannot be|not been read", answer.text)

    def test_is_a_page_although_the_corpus_file_is_wrong(self, reader, tiny, route):
        tiny.write_text("name: [", encoding="utf-8")
        answer = settled(reader, at(route))
        assert answer.status_code in {200, 503}
        assert str(tiny.parent) not in answer.text
        if route in OF_A_DAG:
            assert "tiny.yaml:2: is not valid YAML" in answer.text


class TestADagThatIsNoCorpus:
    def test_is_told_so_in_its_tab(self, reader, tiny):
        for route in ("/dags/{dag_id}/corpus", f"{RUN}/report", f"{RUN}/quality"):
            answer = reader.get(at(route, dag_id="another"))
            assert (answer.status_code, "Only the Dags of corpora" in answer.text) == (404, True)


class TestThePlugin:
    def test_its_pages_stand_in_the_navigation_and_in_tabs(self, reader):
        views = {view["name"]: view for view in external_views(reader)}
        assert {name: (view["destination"], view["href"]) for name, view in views.items()} == {
            "Corpora": ("nav", "/phrasemill/corpora"),
            "Forecast": ("nav", "/phrasemill/forecast"),
            "Corpus": ("dag", "/phrasemill/dags/{DAG_ID}/corpus"),
            "Hypertext": ("dag", "/phrasemill/dags/{DAG_ID}/hypertext"),
            "Report": ("dag_run", "/phrasemill/dags/{DAG_ID}/runs/{RUN_ID}/report"),
            "Quality": ("dag_run", "/phrasemill/dags/{DAG_ID}/runs/{RUN_ID}/quality"),
        }
        # Without a route of its own in the UI a page opens in a new window.
        assert len({view["url_route"] for view in views.values() if view["url_route"]}) == len(views)

    def test_each_leads_to_a_route_of_the_app(self, reader):
        names = {"{DAG_ID}": "{dag_id}", "{RUN_ID}": "{run_id}"}
        for view in external_views(reader):
            path = view["href"].removeprefix(HOME)
            for theirs, ours in names.items():
                path = path.replace(theirs, ours)
            assert path in ROUTES

    def test_under_a_path_of_its_own_they_lead_there(self, monkeypatch):
        from phrasemill.web.places import external_views as views

        monkeypatch.setenv("AIRFLOW__API__BASE_URL", "https://house.example/airflow")
        assert {view["href"].partition("/phrasemill/")[0] for view in views()} == {"/airflow"}


def external_views(reader) -> list[dict[str, str]]:
    """What Airflow's UI is told."""
    answer = browser(reader.app, role="admin").get("/api/v2/plugins").json()
    (ours,) = [plugin for plugin in answer["plugins"] if plugin["name"] == "phrasemill"]
    return ours["external_views"]
