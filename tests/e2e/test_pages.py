"""Our pages in the demo's Airflow, in Chromium: reached as users reach them, and true to `phrasemill status --json`."""

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import pytest
from playwright.sync_api import Browser, Frame, expect

from phrasemill.corpus_file import dump_corpus
from phrasemill.demo.airflow_api import DemoAirflow
from phrasemill.demo.keys import Keys
from phrasemill.demo.layout import BUCKET, Layout
from phrasemill.demo.storage import demo_store, s3_client
from phrasemill.report import words
from phrasemill.store.corpus_store import CorpusStore
from tests.e2e.airflow_ui import PHONE, WIDE, AirflowUi, accessibility, airflow_ui, fits
from tests.hostile import commit_hostile_corpus, hostile_spec

pytestmark = pytest.mark.e2e

DAG = "corpus_demo"
SHARDS = 4
LEXEME = re.compile(r"^(the|a|an|in|under|at|on|before|after|when|during) ")
"""A link to a lexeme, among those that link most phrases."""


@pytest.fixture(scope="module")
def ui(chromium: Browser, layout: Layout, keys: Keys) -> Iterator[AirflowUi]:
    with airflow_ui(chromium, layout.url("airflow"), password=keys.airflow_password, screen=WIDE) as ui:
        yield ui
        assert ui.complaints() == []


@pytest.fixture(scope="module")
def phone(chromium: Browser, layout: Layout, keys: Keys) -> Iterator[AirflowUi]:
    with airflow_ui(chromium, layout.url("airflow"), password=keys.airflow_password, screen=PHONE) as ui:
        yield ui
        assert ui.complaints() == []


@pytest.fixture(scope="module")
def status(layout: Layout, keys: Keys) -> dict[str, Any]:
    """What the command says of the demo corpus."""
    environment = os.environ | {
        "AWS_ENDPOINT_URL": layout.url("s3"),
        "AWS_ACCESS_KEY_ID": keys.s3_access_key,
        "AWS_SECRET_ACCESS_KEY": keys.s3_secret_key,
        "PHRASEMILL_CORPORA": str(layout.shipped_corpora),
    }
    command = [str(layout.python("airflow").with_name("phrasemill")), "status", "demo", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    seen: dict[str, Any] = json.loads(done.stdout)
    return seen


@pytest.fixture(scope="module")
def first_run(api: DemoAirflow) -> str:
    """The run that wrote the demo corpus."""
    return str(api.runs(DAG)[0]["dag_run_id"])


@pytest.fixture(scope="module")
def pictures(layout: Layout) -> Path:
    folder = layout.state / "pictures"
    folder.mkdir(exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def hostile(layout: Layout, keys: Keys) -> CorpusStore:
    """A corpus whose title, phrases, rejects and reasons are hostile, in the demo's bucket and among its corpora."""
    spec = hostile_spec(name="hostile", storage={"bucket": BUCKET, "prefix": "corpora"})
    layout.corpora.mkdir(exist_ok=True)
    (layout.corpora / "hostile.yaml").write_text(dump_corpus(spec), encoding="utf-8")
    store = demo_store(s3_client(layout, keys), spec)
    if not store.committed():
        commit_hostile_corpus(store)
    return store


def run_path(run_id: str) -> str:
    return f"/dags/{DAG}/runs/{quote(run_id, safe='')}"


def text_of(frame: Frame, selector: str = "main") -> str:
    return re.sub(r"\s+", " ", frame.locator(selector).first.inner_text())


def says_what_status_says(text: str, status: dict[str, Any]) -> None:
    """The figures of a corpus, as pages write them."""
    assert status["state"] in text
    assert words.share(status["target_share"]).replace(words.NO_BREAK, " ") in text
    assert f"{status['phrases']:,}" in text
    assert words.size(status["text_bytes"]) in text
    assert f"{status['committed_shards']} of {status['shards']}" in text


class TestFromTheNavigation:
    def test_corpora_has_the_figures_of_status(self, ui: AirflowUi, status: dict[str, Any], pictures: Path) -> None:
        ui.open("/")
        ui.page.get_by_role("link", name="Corpora").click()
        frame = ui.ours("/corpora")
        card = frame.locator("article", has_text="Harbour sketches").filter(has_text=re.compile(r"^\s*demo\b"))
        assert card.count() == 1
        says_what_status_says(re.sub(r"\s+", " ", card.inner_text()), status)
        ui.page.screenshot(path=pictures / "corpora.png")

    def test_a_corpus_shows_every_shard_by_pointer_and_keyboard(
        self, ui: AirflowUi, status: dict[str, Any], pictures: Path
    ) -> None:
        ui.open("/")
        ui.page.get_by_role("link", name="Corpora").click()
        ui.ours("/corpora").get_by_role("link", name="Harbour sketches", exact=True).click()
        frame = ui.ours("/corpus")
        cells = frame.locator("#grid a.cell")
        expect(cells).to_have_count(SHARDS)
        says_what_status_says(text_of(frame), status)
        expect(frame.locator("#grid a.cell.committed")).to_have_count(status["committed_shards"])
        detail = frame.locator("#detail")
        cells.nth(2).hover()
        expect(detail).to_contain_text(re.compile(r"shard 2", re.IGNORECASE))
        cells.nth(0).focus()
        ui.page.keyboard.press("ArrowRight")
        expect(detail).to_contain_text(re.compile(r"shard 1", re.IGNORECASE))
        ui.page.screenshot(path=pictures / "corpus.png")

    def test_a_shard_leads_to_its_airflow_task(self, ui: AirflowUi) -> None:
        ui.open(f"/dags/{DAG}/plugin/phrasemill-corpus")
        ui.page.frame_locator("iframe").locator("#grid a.cell").nth(3).click()
        ui.page.wait_for_url(re.compile(rf"/dags/{DAG}/runs/.+/tasks/shard\.\w+/mapped/\d+"))
        expect(ui.page.get_by_text("shard-00003").first).to_be_visible()

    def test_random_phrases_can_be_filtered(self, ui: AirflowUi) -> None:
        ui.open(f"/dags/{DAG}/plugin/phrasemill-corpus")
        frame = ui.page.frame_locator("iframe")
        frame.get_by_label("Template").select_option("heard")
        frame.get_by_role("button", name=re.compile("ten")).click()
        # The page has asked for ten of any template meanwhile: these words come with those that were asked for.
        expect(frame.locator("#drawn")).to_contain_text("with template heard")
        expect(frame.locator("ol.phrases li")).to_have_count(10)
        for told in frame.locator("ol.phrases li").all_inner_texts():
            assert "template heard" in told

    def test_what_matters_most_stands_on_the_forecast(self, ui: AirflowUi, pictures: Path) -> None:
        ui.open("/")
        ui.page.get_by_role("link", name="Forecast").click()
        text = text_of(ui.ours("/forecast"))
        assert "What matters most" in text
        for name in ("hosted", "one stream", "ten", "7B"):
            assert re.search(name, text, re.IGNORECASE), name
        ui.page.screenshot(path=pictures / "forecast.png")


class TestForecastSliders:
    def test_moving_one_changes_the_answer_and_the_url_keeps_it(self, ui: AirflowUi) -> None:
        ui.open("/phrasemill/forecast")
        page = ui.page
        figures = page.locator("#answer dl.figures")
        before = figures.inner_text()
        slider = page.locator("input[type=range][data-for=gpus]")
        slider.focus()
        for _ in range(3):
            page.keyboard.press("ArrowRight")
        field = page.locator("input[name=gpus]")
        expect(figures).not_to_have_text(before, use_inner_text=True)
        gpus = field.input_value()
        assert int(gpus) > 1
        expect(page).to_have_url(re.compile(rf"[?&]gpus={gpus}(&|$)"))
        page.get_by_label("Language").select_option("ru")
        expect(page).to_have_url(re.compile(r"[?&]language=ru(&|$)"))
        expect(page.locator("#answer")).not_to_have_attribute("aria-busy", "true")
        after = figures.inner_text()
        assert parse_qs(urlsplit(page.url).query)["gpus"] == [gpus]
        page.goto(page.url)
        assert page.locator("#answer dl.figures").inner_text() == after
        assert page.locator("input[name=gpus]").input_value() == gpus

    def test_a_corpus_is_asked_about_with_its_own_rates(self, ui: AirflowUi) -> None:
        ui.open("/phrasemill/forecast")
        ui.page.get_by_role("link", name="corpus demo", exact=True).click()
        expect(ui.page.locator("#answer")).to_contain_text("committed")

    def test_nonsense_is_told_beside_the_form(self, ui: AirflowUi) -> None:
        answer = ui.page.request.get(f"{ui.address}/phrasemill/forecast?gpus=-3")
        assert answer.status == 400
        assert "There is no forecast for this" in answer.text()


class TestFromAirflowsOwnPages:
    def test_a_dag_has_its_corpus(self, ui: AirflowUi, status: dict[str, Any]) -> None:
        ui.open(f"/dags/{DAG}")
        ui.page.get_by_role("link", name="Corpus", exact=True).click()
        says_what_status_says(text_of(ui.ours("/corpus")), status)

    def test_a_dag_has_its_release_as_a_hypertext(self, ui: AirflowUi, pictures: Path) -> None:
        ui.open(f"/dags/{DAG}")
        ui.page.get_by_role("link", name="Hypertext", exact=True).click()
        frame = ui.ours("/hypertext")
        assert "240 phrases" in text_of(frame)
        ui.page.screenshot(path=pictures / "hypertext.png")
        frame.get_by_role("link", name=LEXEME).first.click()
        shared = ui.ours("/lexeme")
        assert shared.locator("main a[href*='/hypertext/phrase?']").count() > 1
        shared.locator("main a[href*='/hypertext/phrase?']").first.click()
        expect(ui.ours("/phrase").locator("main")).to_contain_text("Its lexemes")

    def test_a_run_has_its_report_and_its_quality(self, ui: AirflowUi, first_run: str, pictures: Path) -> None:
        ui.open(run_path(first_run))
        ui.page.get_by_role("link", name="Report", exact=True).click()
        assert "240" in text_of(ui.ours("/report"), "body")
        ui.page.get_by_role("link", name="Quality", exact=True).click()
        frame = ui.ours("/quality")
        text = text_of(frame)
        assert "240 phrases in 4 of 4 shards are committed" in text
        frame.get_by_role("link", name="Data Docs of Great Expectations").click()
        expect(ui.page.frame_locator("iframe").get_by_text("all shards", exact=False).first).to_be_visible()
        ui.open(run_path(first_run) + "/plugin/phrasemill-quality")
        expect(ui.page.frame_locator("iframe").locator("table").first).to_be_visible()
        ui.page.screenshot(path=pictures / "quality.png")

    def test_a_mapped_task_leads_to_its_shard(self, ui: AirflowUi, first_run: str) -> None:
        ui.open(run_path(first_run) + "/tasks/shard.validate/mapped/1/details")
        for name, there in (("Shard", "/shards/1"), ("Manifest", "/shards/1/manifest.json")):
            link = ui.page.get_by_role("link", name=name, exact=True)
            assert (link.get_attribute("href") or "").endswith(there)
        ui.open(ui.page.get_by_role("link", name="Shard", exact=True).get_attribute("href") or "")
        expect(ui.page.frame_locator("iframe").locator("h1")).to_have_text("Shard 1")
        for name, field in (("manifest", "data_sha256"), ("verdict", "expectations")):
            answer = ui.page.request.get(f"{ui.address}/phrasemill/dags/{DAG}/shards/1/{name}.json")
            assert field in answer.json()


class TestLooks:
    def test_dark_where_airflow_is_dark(self, ui: AirflowUi) -> None:
        for theme in ("dark", "light"):
            ui.open("/")
            ui.page.evaluate("theme => localStorage.setItem('theme', theme)", theme)
            ui.page.get_by_role("link", name="Corpora").click()
            expect(ui.ours("/corpora").locator("html")).to_have_attribute("data-theme", theme)

    @pytest.mark.parametrize("theme", ["light", "dark"])
    def test_axe_finds_nothing(self, ui: AirflowUi, first_run: str, theme: str) -> None:
        # Without motion: a colour that is half faded in has no contrast of its own.
        ui.page.emulate_media(color_scheme="dark" if theme == "dark" else "light", reduced_motion="reduce")
        found = {}
        for path in every_page(first_run):
            ui.open(path)
            ui.page.evaluate("theme => localStorage.setItem('theme', theme)", theme)
            ui.page.reload(wait_until="networkidle")
            found[path] = accessibility(ui.page.main_frame)
        assert {path: broken for path, broken in found.items() if broken} == {}

    def test_a_phone_shows_every_page_whole(self, phone: AirflowUi, first_run: str, pictures: Path) -> None:
        for path in every_page(first_run):
            phone.open(path).wait_for_load_state("networkidle")
            assert fits(phone.page.main_frame), path
        phone.open(f"/phrasemill/dags/{DAG}/corpus")
        phone.page.screenshot(path=pictures / "corpus-phone.png")


def every_page(run_id: str) -> list[str]:
    return [
        "/phrasemill/corpora",
        f"/phrasemill/dags/{DAG}/corpus",
        f"/phrasemill/dags/{DAG}/shards/0",
        f"/phrasemill/dags/{DAG}/hypertext",
        f"/phrasemill/dags/{DAG}/hypertext/phrase?id=7",
        f"/phrasemill{run_path(run_id)}/quality",
        "/phrasemill/forecast",
    ]


class TestHostilePhrases:
    def test_are_shown_as_text_and_do_nothing(self, ui: AirflowUi, hostile: CorpusStore) -> None:
        dag = f"/phrasemill/dags/corpus_{hostile.spec.name}"
        for path in (f"{dag}/corpus?seed=1#phrases", f"{dag}/shards/0", f"{dag}/shards/2", "/phrasemill/corpora"):
            ui.open(path).wait_for_load_state("networkidle")
            assert ui.page.title() != "stolen", path
            assert ui.page.locator("main :is(img, iframe, script, svg[onload])").count() == 0, path
            assert ui.page.evaluate("document.querySelectorAll('h1').length") == 1, path
        ui.open(f"{dag}/corpus?seed=1#phrases").wait_for_load_state("networkidle")
        expect(ui.page.locator("ol.phrases").get_by_text("<script>", exact=False).first).to_be_visible()
        expect(ui.page.locator("h1")).to_contain_text("<script>")
        assert accessibility(ui.page.main_frame) == []


class TestWhoMaySeeThem:
    def test_nobody_without_a_login(self, chromium: Browser, layout: Layout, first_run: str) -> None:
        context = chromium.new_context()
        for path in every_page(first_run):
            assert context.request.get(layout.url("airflow") + path).status == 401, path
        context.close()
