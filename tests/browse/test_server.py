"""The pages of `phrasemill browse`: what they show and where they lead, and who gets none."""

import html
import re
from urllib.parse import parse_qs, urlsplit

import pytest
from starlette.testclient import TestClient

from phrasemill.browse.files import BucketFiles, FolderFiles
from phrasemill.browse.reader import ReleaseReader
from phrasemill.browse.server import HEADERS, NOTHING_HERE, browse_app, listen, new_token
from phrasemill.errors import PhrasemillError
from tests.browse.conftest import bucket_store
from tests.browse.releases import FolderBucket, browse_spec, phrases_of, write_release
from tests.hostile import HOSTILE

TOKEN = "secret-token"
HOME = f"/{TOKEN}"
PAGES = [
    "",
    "/phrase?id=41",
    "/scene?scene=9",
    "/lexeme?slot=trade&lexeme=a+diver",
    "/lexeme?slot=trade&lexeme=a+diver&n=2",
    "/word?q=diver",
    "/word?q=diver+story",
    "/word?q=w7+w8",
    "/walk?id=41&seed=3",
    "/walk?id=41",
]


def browser(reader: ReleaseReader, host: str = "127.0.0.1") -> TestClient:
    app = browse_app(reader, token=TOKEN)
    return TestClient(app, base_url=f"http://{host}", follow_redirects=False, raise_server_exceptions=False)


@pytest.fixture
def client(reader):
    return browser(reader)


def links_of(text: str) -> list[str]:
    """Addresses that a page leads to."""
    return [html.unescape(address) for address in re.findall(r'href="(/[^"]*)"', text)]


def plain(text: str) -> str:
    return " ".join(html.unescape(re.sub(r"<[^>]*>", " ", text.partition("<body>")[2])).split())


class TestPages:
    @pytest.mark.parametrize("path", PAGES)
    def test_are_whole_and_lead_nowhere_but_to_pages(self, client, path):
        answer = client.get(HOME + path)
        assert answer.status_code == 200
        assert answer.headers["content-security-policy"] == HEADERS["Content-Security-Policy"]
        assert answer.text.count("<h1") == 1
        addresses = links_of(answer.text)
        assert all(address == HOME or address.startswith(f"{HOME}/") for address in addresses)
        assert "http" not in "".join(re.findall(r'(?:href|src|action)="([^"]*)"', answer.text))
        for address in addresses[::7]:
            assert client.get(address).status_code in {200, 303}

    def test_of_a_phrase_has_its_lexemes_as_links_in_it(self, client, reader):
        phrase = reader.phrase(41)
        text = client.get(f"{HOME}/phrase?id=41").text
        shown = re.search(r'<p class="phrase"[^>]*>(.*?)</p>', text)[1]
        assert html.unescape(re.sub(r"<[^>]*>", "", shown)) == phrase.text
        asked = [parse_qs(urlsplit(address).query) for address in links_of(shown)]
        assert {(query["slot"][0], query["lexeme"][0]) for query in asked} == set(phrase.slots.items())

    def test_of_a_phrase_tells_where_it_leads_and_why(self, client, reader):
        told = plain(client.get(f"{HOME}/phrase?id=41").text)
        links = reader.links_from(41)
        for link, target in zip(links, reader.phrases([link.to_id for link in links]), strict=True):
            assert f"{link.in_words} {target.text}" in told
        for lexeme in reader.lexemes_of(reader.phrase(41).slots):
            assert f"{lexeme.slot} {lexeme.lexeme} {lexeme.phrases} phrases" in told
        assert all(phrase.text in told for phrase in reader.scene(reader.phrase(41).scene))

    def test_the_first_one_tells_what_the_release_has(self, client, reader):
        told = plain(client.get(HOME).text)
        counts = reader.counts
        assert f"{counts['phrases']} phrases, {counts['links']:,} links between them, 21 lexemes" in told
        assert "Tiny harbour" in told

    def test_the_first_one_shows_the_phrase_of_its_seed(self, client, reader):
        shown = re.search(r'<p class="phrase"[^>]*>(.*?)</p>', client.get(f"{HOME}?seed=5").text)[1]
        assert re.sub(r"<[^>]*>", "", shown) == reader.random_phrase(5).text

    def test_any_phrase_leads_on_to_one(self, client):
        answer = client.get(f"{HOME}/random?seed=5")
        assert (answer.status_code, answer.headers["cache-control"]) == (303, "private, no-store")
        assert client.get(answer.headers["location"]).status_code == 200

    def test_of_a_list_turn(self, client, reader):
        first = client.get(f"{HOME}/lexeme?slot=trade&lexeme=a+diver").text
        [following] = [address for address in links_of(first) if "n=2" in address]
        second = plain(client.get(following).text)
        assert all(phrase.text in second for phrase in reader.lexeme("trade", "a diver", 2).listing.phrases)

    def test_are_styled_by_files_of_this_server(self, client):
        for address in re.findall(r'<link rel="stylesheet" href="([^"]*)"', client.get(HOME).text):
            answer = client.get(address)
            assert (answer.status_code, answer.headers["content-type"]) == (200, "text/css; charset=utf-8")


class TestWhatIsNotThere:
    @pytest.mark.parametrize(
        ("path", "told"),
        [
            ("/phrase?id=16", "phrase 16 is not in release v1"),
            ("/phrase?id=99999999999999999999999", "has a whole number"),
            ("/phrase?id=-1", "has a whole number"),
            ("/phrase?id=٣", "has a whole number"),
            ("/phrase", "has a whole number"),
            ("/phrase?id=<script>", "“<script>” is none"),
            ("/scene?scene=0", "of scene 0"),
            ("/scene?scene=x", "has a whole number"),
            ("/lexeme?slot=trade&lexeme=<b>", "has “trade” “<b>”"),
            ("/lexeme", "no phrase of release v1 has"),
            ("/lexeme?slot=trade&lexeme=a+diver&n=99", "there is no page 99"),
            ("/lexeme?slot=trade&lexeme=a+diver&n=no", "has a whole number"),
            ("/word?q=", "there is no word"),
            ("/word?q=divers", "has the word “divers”"),
            ("/word?q=%00%e2%80%ae", "there is no word"),
            ("/walk?id=16", "phrase 16 is not"),
            ("/random?seed=x", "has a whole number"),
            ("?seed=x", "has a whole number"),
        ],
    )
    def test_is_told_with_404(self, client, path, told):
        answer = client.get(HOME + path)
        assert (answer.status_code, told.lower() in plain(answer.text).lower()) == (404, True)
        assert "<script>" not in answer.text

    def test_of_a_word_offers_those_that_begin_alike(self, client):
        assert f"{HOME}/word?q=diver" in links_of(client.get(f"{HOME}/word?q=divers").text)

    @pytest.mark.parametrize(
        "path", ["/other", "/app.css", "/pages.js", "/phrase/1", "/../pages.css", f"/word?q={'w' * 201}"]
    )
    def test_no_other_page_is(self, client, path):
        answer = client.get(HOME + path)
        assert (answer.status_code, answer.text) == (404, NOTHING_HERE)

    def test_only_gets_are_answered(self, client):
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
            assert client.request(method, HOME).status_code == 405


class TestWhoGetsNone:
    @pytest.mark.parametrize(
        "path", ["/", "/docs", "/openapi.json", "/secret", "/secret-token2", "/SECRET-TOKEN", "//", "/é"]
    )
    def test_whoever_does_not_know_the_token(self, client, path):
        for rest in ("", "/phrase?id=41", "/pages.css", "/other"):
            answer = client.get(path.rstrip("/") + rest)
            assert (answer.status_code, answer.text) == (404, NOTHING_HERE)

    @pytest.mark.parametrize(
        "host", ["evil.example", "127.0.0.1.evil.example", "0.0.0.0", "[::1]", "localhost.evil.example"]
    )
    def test_whoever_asks_under_another_host_name(self, readers, host):
        assert browser(readers["id", "folder"], host).get(HOME).status_code == 400

    def test_who_asks_under_this_machines_names_does(self, readers):
        for host in ("127.0.0.1:8123", "localhost", "localhost:8123"):
            assert browser(readers["id", "folder"], host).get(HOME).status_code == 200

    def test_tokens_are_long_and_never_the_same(self):
        tokens = {new_token() for _ in range(50)}
        assert len(tokens) == 50
        assert all(re.fullmatch(r"[\w-]{22}", token) for token in tokens)

    def test_nobody_from_elsewhere_reaches_the_port(self):
        with listen(0) as listener:
            assert listener.getsockname()[0] == "127.0.0.1"
            with pytest.raises(PhrasemillError, match="cannot be had"):
                listen(listener.getsockname()[1])


@pytest.fixture(scope="module")
def hostile(tmp_path_factory) -> ReleaseReader:
    """A release of hostile phrases, with hostile lexemes in a corpus of a hostile title."""
    lexemes = [{"name": f"{text[:300]} {number}", "at": "there"} for number, text in enumerate(HOSTILE)]
    spec = browse_spec(prompts={"scene_phrases": 5, "lexicons": {"place": lexemes}})
    count = 20 * len(HOSTILE)
    rows = phrases_of(spec, count, [f"{HOSTILE[number % len(HOSTILE)]} {number}" for number in range(count)])
    folder = write_release(tmp_path_factory.mktemp("hostile"), rows, title=HOSTILE[0])
    return ReleaseReader(FolderFiles(folder), threads=1)


class TestHostileText:
    def test_is_shown_and_does_nothing(self, hostile):
        client = browser(hostile)
        seen, todo = set(), [HOME, *(f"{HOME}/phrase?id={number}" for number in range(14))]
        while todo and len(seen) < 60:
            address = todo.pop()
            if address in seen or address.endswith((".css", "/random")):
                continue
            seen.add(address)
            answer = client.get(address)
            assert answer.status_code == 200, address
            assert not re.search(r"<(script|img|svg|h1>Mine|b>|a href=javascript)", answer.text)
            assert not re.search("[\u202a-\u202e\u2066-\u2069\u2028\ufeff\x07\x1b]", answer.text)
            todo += [link for link in links_of(answer.text) if link not in seen]
        assert len(seen) == 60

    def test_is_spelled_out(self, hostile):
        told = plain(browser(hostile).get(f"{HOME}/phrase?id=4").text)
        assert "[U+202E]right to left[U+2066]" in told


def test_a_bucket_that_is_down_is_told(released):
    bucket = FolderBucket(released["id"])
    reader = ReleaseReader(BucketFiles(bucket_store(bucket), "v1"), threads=1)
    bucket.down = True
    answer = browser(reader).get(f"{HOME}/phrase?id=41")
    assert (answer.status_code, "does not answer; retry later" in answer.text) == (503, True)
    bucket.down = False
    assert browser(reader).get(f"{HOME}/phrase?id=41").status_code == 200
