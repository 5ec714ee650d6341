"""What all pages share: the frame, the policy, 304, the static files, the palette."""

import datetime as dt
import re
from pathlib import Path

import pytest
from fastapi import FastAPI, Request
from jinja2 import UndefinedError
from starlette.testclient import TestClient

from phrasemill.web import pages
from phrasemill.web.pages import POLICY, fragment, note, page
from tests.airflow.browsers import browser, whole_app
from tests.hostile import HOSTILE

WEB = Path(pages.__file__).parent
TEMPLATES = sorted((WEB / "templates").glob("*.j2"))
STATIC = sorted(file.name for file in (WEB / "static").iterdir())
SEEN = dt.datetime(2026, 11, 23, 10, 5, tzinfo=dt.UTC)


@pytest.fixture
def client():
    """Some pages under a path of their own, as behind a proxy: /air."""
    ours = FastAPI()

    @ours.get("/corpora")
    def corpora(request: Request, message: str = "hello"):
        return page(request, "note.html.j2", title=message, message=message, seen=SEEN)

    @ours.get("/part")
    def part(request: Request, message: str = "hello"):
        return fragment(request, "note.html.j2", title="Part", message=message, seen=None)

    @ours.get("/wrong")
    def wrong(request: Request):
        return page(request, "note.html.j2", title="Wrong", status=400, message="no")

    @ours.get("/none")
    def none(request: Request, message: str = "gone"):
        return note(request, message, 404)

    @ours.get("/incomplete")
    def incomplete(request: Request):
        return page(request, "note.html.j2", title="Nothing")

    app = FastAPI(root_path="/air")
    app.mount("/phrasemill", ours)
    return TestClient(app, base_url="http://testserver/air/phrasemill/")


class TestAPage:
    def test_is_framed_by_the_navigation_with_the_present_page_marked(self, client):
        text = client.get("corpora").text
        assert '<html lang="en">' in text
        assert "<title>hello · phrasemill</title>" in text
        assert '<a class="skip" href="#main">' in text
        assert re.findall(r'<a href="(/air[^"]*)"( aria-current="page")?', text) == [
            ("/air/phrasemill/corpora", ' aria-current="page"'),
            ("/air/phrasemill/forecast", ""),
        ]

    def test_says_when_its_figures_were_seen(self, client):
        assert '<time datetime="2026-11-23T10:05:00+00:00">2026-11-23 10:05 UTC</time>' in client.get("corpora").text
        assert "Figures as of" not in client.get("none").text

    def test_stands_under_a_policy_that_allows_our_files_alone(self, client):
        for name in ("corpora", "part", "wrong", "none"):
            headers = client.get(name).headers
            assert headers["content-security-policy"] == POLICY
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["cache-control"].startswith("private, no-")
        assert "unsafe" not in POLICY
        assert "default-src 'none'" in POLICY

    @pytest.mark.parametrize("text", HOSTILE)
    def test_shows_text_and_never_runs_it(self, client, text):
        for name in ("corpora", "part", "none"):
            markup = client.get(name, params={"message": text}).text
            assert not re.search(r"<(script>|img|svg|h1>Mine|b>)|javascript:[^<]*\">", markup)
            assert not re.search("[\u202a-\u202e\u2066-\u2069\ufeff\x07\x1b]", markup)

    def test_fails_where_a_template_asks_for_what_is_not_given(self, client):
        with pytest.raises(UndefinedError):
            client.get("incomplete")


class TestAPageThatHasNotChanged:
    def test_is_not_sent_again(self, client):
        first = client.get("corpora")
        for known in (first.headers["etag"], f'"other", W/{first.headers["etag"]}', "*"):
            again = client.get("corpora", headers={"If-None-Match": known})
            assert (again.status_code, again.content) == (304, b"")
            assert again.headers["etag"] == first.headers["etag"]
            assert again.headers["content-security-policy"] == POLICY

    def test_one_that_has_is(self, client):
        known = client.get("corpora").headers["etag"]
        changed = client.get("corpora", params={"message": "other"}, headers={"If-None-Match": known})
        assert (changed.status_code, changed.headers["etag"] == known) == (200, False)

    def test_what_went_wrong_is_always_sent(self, client):
        for name in ("wrong", "none"):
            answer = client.get(name, headers={"If-None-Match": "*"})
            assert answer.status_code in {400, 404}
            assert "etag" not in answer.headers


class TestTemplates:
    @pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
    def test_none_has_what_the_policy_forbids(self, template):
        text = re.sub(r"\{#.*?#\}", "", template.read_text(encoding="utf-8"), flags=re.DOTALL)
        assert not re.search(r"\sstyle=|<style|\son[a-z]+=|javascript:|https?://", text)
        assert all("src=" in tag for tag in re.findall(r"<script[^>]*>", text))
        assert "| safe" not in text

    @pytest.mark.parametrize("template", TEMPLATES, ids=lambda path: path.name)
    def test_what_each_loads_is_among_the_static_files(self, template):
        names = re.findall(r"/static/([\w.-]+)", template.read_text(encoding="utf-8"))
        assert set(names) <= set(STATIC)


@pytest.mark.usefixtures("airflow_database")
class TestStaticFiles:
    @pytest.fixture(scope="class")
    def reader(self):
        return browser(whole_app(), role="viewer")

    @pytest.mark.parametrize("name", STATIC)
    def test_each_is_given_with_its_type_and_once(self, reader, name):
        answer = reader.get(f"/phrasemill/static/{name}")
        kind = {".css": "text/css", ".js": "text/javascript"}[Path(name).suffix]
        assert (answer.status_code, answer.content) == (200, (WEB / "static" / name).read_bytes())
        assert answer.headers["content-type"] == f"{kind}; charset=utf-8"
        assert answer.headers["x-content-type-options"] == "nosniff"
        known = {"If-None-Match": answer.headers["etag"]}
        assert reader.get(f"/phrasemill/static/{name}", headers=known).status_code == 304

    @pytest.mark.parametrize(
        "name", ["none.css", "..%2fpages.py", "%2e%2e%2fpages.py", "pages.css%00", "templates", "."]
    )
    def test_nothing_else_is_given(self, reader, name):
        answer = reader.get(f"/phrasemill/static/{name}")
        assert answer.status_code in {404, 422}
        assert "Jinja" not in answer.text


def palette() -> dict[str, tuple[str, str]]:
    """The colours of the style sheet by name: the light one and the dark one."""
    text = (WEB / "static" / "pages.css").read_text(encoding="utf-8")
    return {name: (light, dark) for name, light, dark in re.findall(r"--([\w-]+): light-dark\((\S+), (\S+)\)", text)}


def contrast(one: str, other: str) -> float:
    """As WCAG 2.2 reckons it, from #rrggbb."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


class TestColours:
    def test_are_those_of_the_reports(self):
        css = (WEB.parent / "report" / "templates" / "report.css").read_text(encoding="utf-8")
        light, dark = (dict(re.findall(r"--([\w-]+): (#\w+)", part)) for part in css.split("}", 2)[:2])
        ours = palette()
        assert {name: (light[name], dark[name]) for name in light} == {name: ours[name] for name in light}

    @pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
    def test_text_can_be_read_on_what_it_stands_on(self, theme):
        shades = {name: pair[theme] for name, pair in palette().items()}
        pairs = [(text, ground) for text in ("ink", "soft", "accent", "bad", "second") for ground in ("page", "card")]
        pairs += [(name, f"{name}-soft") for name in ("good", "bad", "warn")] + [
            ("ink", "accent-soft"),
            ("ink", "bad-soft"),
        ]
        assert {
            pair: contrast(*map(shades.get, pair)) for pair in pairs if contrast(*map(shades.get, pair)) < 4.5
        } == {}
        # Borders of fields: 3 to 1 by WCAG 1.4.11.
        assert contrast(shades["edge"], shades["card"]) >= 3
