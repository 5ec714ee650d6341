"""The grid of shards in Chromium: built from lines of text, read by pointer, keyboard and finger, inert inside."""

import re
import shutil
from importlib import resources

import pytest
from starlette.requests import Request

from phrasemill.corpus_state import corpus_state, shard_cells
from phrasemill.web.corpus_figures import corpus_figures
from phrasemill.web.pages import POLICY, page
from phrasemill.web.phrases import Drawn, Filter
from phrasemill.web.rate_chart import rate_chart
from phrasemill.web.reject_lines import rejects_of
from phrasemill.web.shard_grid import shard_grid
from tests.hostile import HOSTILE
from tests.snapshots import NOW, entry, saved, snapshot_of
from tests.specs import make_spec

pytestmark = pytest.mark.browser

NIGHTS, A_NIGHT = 10, 20
SPEC = make_spec(target_phrases=60 * NIGHTS * A_NIGHT, schedule={"shards_per_night": A_NIGHT}, title=HOSTILE[0])


class Task:
    """The task of shard 1, as `phrasemill.web.airflow_runs` tells it."""

    url = "/dags/corpus_tiny/runs/night%3A1/tasks/shard.publish/mapped/1"


@pytest.fixture
def corpus_page(tmp_path, serve):
    """A corpus's page, served with its script and its style sheet: shards 0, 1 committed, 25 held, 30 running."""
    snapshot = snapshot_of(
        [entry(SPEC, 0, rejected=3), entry(SPEC, 1)], staged={30: saved(5)}, held={25: HOSTILE[0], 26: HOSTILE[4]}
    )
    state = corpus_state(SPEC, snapshot, now=NOW)
    path = "/dags/corpus_tiny/corpus"
    request = Request({"type": "http", "method": "GET", "path": path, "root_path": "", "headers": []})
    answer = page(
        request,
        "corpus.html.j2",
        title=SPEC.title,
        dag_id="corpus_tiny",
        name=SPEC.name,
        problem=None,
        state=state,
        figures=corpus_figures(SPEC, state, paused=False),
        grid=shard_grid(shard_cells(SPEC, snapshot, now=NOW), state.nights, {1: Task()}),
        chart=rate_chart([]),
        rejects=rejects_of(SPEC, snapshot.shards.values()),
        nights=[],
        by_hand=[],
        nights_said="",
        more_nights=0,
        language="en",
        templates=["seen"],
        lexemes={"place": ["the pier"]},
        wanted=Filter(),
        drawn=Drawn(phrases=(), shards=(), fitting=0, next_seed=7),  # else the script would load some at once
        said="",
        mistake=False,
    )
    (tmp_path / "page.html").write_bytes(answer.body)
    with resources.as_file(resources.files("phrasemill.web") / "static") as static:
        shutil.copytree(static, tmp_path / "static")
    return f"{serve(tmp_path, policy=POLICY)}/page.html"


def told(tab):
    return tab.locator("#detail p").inner_text()


class TestTheGrid:
    def test_has_a_cell_for_each_shard_named_by_number_and_state(self, visit, corpus_page):
        tab = visit(corpus_page)
        assert tab.locator("a.cell").count() == NIGHTS * A_NIGHT
        names = tab.locator("a.cell").evaluate_all("cells => cells.map(cell => cell.getAttribute('aria-label'))")
        assert names[:3] == ["Shard 0, committed", "Shard 1, committed", "Shard 2, missing"]
        assert (names[25], names[30]) == ("Shard 25, quarantined", "Shard 30, running")

    def test_leads_to_the_task_where_one_is_known_and_else_to_the_shard(self, visit, corpus_page):
        tab = visit(corpus_page)
        with_task, without = (tab.locator("a.cell").nth(number) for number in (1, 2))
        assert with_task.get_attribute("href") == Task.url
        assert with_task.get_attribute("data-airflow") is not None
        assert without.get_attribute("href") == "/dags/corpus_tiny/shards/2"
        assert without.get_attribute("data-airflow") is None

    def test_hostile_reasons_are_text(self, visit, corpus_page):
        tab = visit(corpus_page)
        tab.locator("a.cell").nth(25).hover()
        assert "<script>document.title = 'stolen'</script>" in told(tab)
        tab.locator("a.cell").nth(26).hover()
        assert "\u202e" not in told(tab)
        assert "stolen" not in tab.title().replace(HOSTILE[0], "")


class TestTheKeyboard:
    def test_reaches_one_cell_by_tab_and_the_others_by_arrows(self, visit, corpus_page):
        tab = visit(corpus_page)
        assert tab.locator("a.cell[tabindex='0']").get_attribute("aria-label") == "Shard 30, running"
        tab.locator("a.cell[tabindex='0']").focus()
        reached = []
        for key in ("ArrowRight", "Home", "PageUp", "ArrowLeft", "End", "PageDown", "Control+Home", "ArrowLeft"):
            tab.keyboard.press(key)
            reached.append(int(re.match(r"Shard (\d+)", told(tab))[1]))
        assert reached == [31, 20, 0, 0, 19, 20, 0, 0]
        assert tab.locator("a.cell[tabindex='0']").count() == 1

    def test_up_and_down_keep_to_the_column(self, visit, corpus_page):
        tab = visit(corpus_page)
        tab.locator("a.cell").nth(22).focus()
        left = tab.evaluate("document.activeElement.offsetLeft")
        for key in ("ArrowDown", "ArrowUp"):
            before = tab.evaluate("document.activeElement.offsetTop")
            tab.keyboard.press(key)
            assert (tab.evaluate("document.activeElement.offsetTop") > before) is (key == "ArrowDown")
            assert tab.evaluate("document.activeElement.offsetLeft") == left

    def test_goes_on_to_the_links_of_the_shard(self, visit, corpus_page):
        tab = visit(corpus_page)
        tab.locator("a.cell").nth(1).focus()
        tab.keyboard.press("Tab")
        assert tab.evaluate("document.activeElement.getAttribute('href')").endswith(Task.url)
        tab.keyboard.press("Tab")
        assert tab.evaluate("document.activeElement.getAttribute('href')") == "/dags/corpus_tiny/shards/1"


class TestAPhone:
    def test_nothing_is_wider_than_the_screen_and_work_is_in_sight(self, visit, corpus_page):
        tab = visit(corpus_page, phone=True)
        assert tab.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
        grid, cell = (tab.locator(what).bounding_box() for what in ("#grid", "a.cell.running"))
        assert grid["y"] <= cell["y"] <= grid["y"] + grid["height"]


class TestPhrases:
    def test_of_the_last_question_stay_although_an_older_answer_comes_later(self, visit, corpus_page):
        tab = visit(corpus_page)
        asked = []

        def hold(route):
            asked.append(route)

        tab.route("**/corpus/phrases?*", hold)
        for query in ("template=&", "template=seen&"):
            tab.get_by_label("Template").select_option(query[len("template=") : -1])
            with tab.expect_request(lambda request, query=query: query in request.url):
                tab.get_by_role("button", name="Another ten").click()
        for route, words in zip(reversed(asked), ("the newer", "the older"), strict=True):
            body = f'<div id="drawn" data-said="{words}" data-next-seed="1"><p>{words}</p></div>'
            route.fulfill(content_type="text/html", body=body)
            tab.wait_for_load_state("networkidle")
            tab.locator("#drawn", has_text="the newer").wait_for()
            assert tab.locator("#drawn").inner_text() == "the newer"

    def test_that_cannot_be_loaded_leave_a_line(self, visit, watch, corpus_page):
        tab = visit(corpus_page)
        tab.get_by_role("button", name="Another ten").click()
        status = tab.locator("#phrases-section [role=status]", has_text="could not be loaded")
        status.wait_for(state="attached")
        assert all("404" in complaint for complaint in watch.complaints)
        watch.complaints.clear()
