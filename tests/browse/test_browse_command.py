"""The command `phrasemill browse`: pages until Ctrl-C, or phrases in the terminal."""

import http.client
import shutil
import signal
import subprocess
import sys
from urllib.parse import urlsplit

import pytest
import typer
from typer.testing import CliRunner

from phrasemill.cli.browse import browse
from phrasemill.errors import PhrasemillError
from tests.browse.conftest import release_folder
from tests.browse.releases import browse_spec, phrases_of, write_release

PROGRAM = "import typer; from phrasemill.cli.browse import browse; typer.run(browse)"


@pytest.fixture
def folder(released):
    return release_folder(released["id"])


def run(*words: object) -> str:
    """What the command prints."""
    app = typer.Typer()
    app.command()(browse)
    done = CliRunner().invoke(app, [str(word) for word in words])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    assert done.exit_code == 0, done.output
    return done.output


class TestInTheTerminal:
    def test_a_phrase_is_printed_with_where_it_leads(self, folder, readers):
        reader = readers["id", "folder"]
        told = run("tiny", "--folder", folder, "--phrase", 41)
        links = reader.links_from(41)
        assert reader.phrase(41).text in told
        assert "-> next in the scene" in told
        assert all(target.text in told for target in reader.phrases([link.to_id for link in links]))

    def test_phrases_with_a_word_are_printed(self, folder):
        told = run("include/corpora/tiny.yaml", "--folder", folder, "--version", "v1", "--word", "Story 41")
        assert "story 41: 41 is written in 1 phrases" in told
        assert "Story 41 of week" in told

    def test_hostile_text_is_spelled_out(self, tmp_path):
        rows = phrases_of(browse_spec(), 10, [f"\x1b[31mred \u202e{number} [bold]" for number in range(10)])
        told = run("tiny", "--folder", write_release(tmp_path, rows), "--phrase", 3)
        assert "<U+001B>[31mred <U+202E>3 [bold]" in told


class TestARefusal:
    def test_of_a_folder_of_another_corpus_or_version(self, folder):
        for words in (["other"], ["tiny", "--version", "v2"]):
            with pytest.raises(PhrasemillError, match=f"holds release v1 of corpus 'tiny', not of '{words[0]}"):
                run(*words, "--folder", folder)

    def test_of_a_folder_without_a_release(self, tmp_path):
        with pytest.raises(PhrasemillError, match="give the folder that phrasemill get wrote"):
            run("tiny", "--folder", tmp_path)

    def test_of_what_is_not_there(self, folder):
        with pytest.raises(PhrasemillError, match="phrase 16 is not in release v1"):
            run("tiny", "--folder", folder, "--phrase", 16)


class TestTheServer:
    def test_serves_pages_at_the_address_it_prints_and_ends_quietly(self, folder, tmp_path):
        copy = shutil.copytree(folder, tmp_path / "release")
        command = [sys.executable, "-c", PROGRAM, "tiny", "--folder", str(copy)]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        try:
            assert "tiny v1, 753 phrases" in server.stdout.readline()
            address = urlsplit(server.stdout.readline().strip())
            assert (address.hostname, len(address.path)) == ("127.0.0.1", 23)
            for path, status in ((address.path, 200), ("/", 404), (f"{address.path}/phrase?id=41", 200)):
                asked = http.client.HTTPConnection("127.0.0.1", address.port, timeout=120)
                asked.request("GET", path)
                assert asked.getresponse().status == status
                asked.close()
            server.send_signal(signal.SIGINT)
            out, err = server.communicate(timeout=120)
        finally:
            server.kill()
            server.wait()
        assert (server.returncode, out, err) == (0, "", "")


def test_neither_the_command_nor_its_reader_imports_airflow():
    heavy = "airflow", "duckdb", "boto3", "fastapi", "uvicorn"
    code = f"import sys, phrasemill.cli.browse; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
    code = "import sys, phrasemill.browse.server, phrasemill.browse.files; print('airflow' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
