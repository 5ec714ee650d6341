"""Engines found by URL and by name: what is read as what, in which order, and what is refused how."""

import asyncio
import socket
import threading

import pytest

from phrasemill.engines import finding
from phrasemill.engines.finding import EngineFinder, EngineUrlWrong, find_engines, look_up, read_urls
from phrasemill.errors import EngineRefused
from tests.engines.names import UNKNOWN, Names


class TestUrls:
    def test_are_read_between_commas_spaces_and_line_ends(self) -> None:
        text = " http://a:1,https://b/x/v1\n\tdns+http://engines:8000 "
        assert read_urls(text, where="here") == ("http://a:1", "https://b/x/v1", "dns+http://engines:8000")
        assert read_urls(" ,\n", where="here") == ()

    @pytest.mark.parametrize(
        ("url", "why"),
        [
            ("127.0.0.1:8000", "it has no scheme"),
            ("localhost:8000", "it has no scheme"),
            ("gpu-1", "it has no scheme"),
            ("ftp://somewhere", "no engine speaks ftp"),
            ("dns+https://engines:8000", "names are looked up for http alone, since certificates do not match"),
            ("http://", "it has no host"),
            ("http:gpu-1:8000", "it has no host"),
            ("http://:8000", "it has no host"),
            ("http://gpu-1:port", "its port is no number"),
            ("http://gpu-1:70000", "its port is no number"),
            ("http://gpu-1:0", "it has no port"),
            ("dns+http://engines", "it has no port"),
            ("http://[::1:8000", "its brackets do not close"),
            ("http://[gpu-1]:8000", "its brackets do not close around an IPv6 address"),
        ],
    )
    def test_that_are_none_are_refused_in_one_line_with_their_place(self, url: str, why: str) -> None:
        with pytest.raises(EngineUrlWrong) as refused:
            read_urls(f"http://gpu-0:8000, {url}", where="connection 'gpus'")
        line = str(refused.value)
        assert line.startswith(f"connection 'gpus': {url}: is no URL of an engine; write for example http://gpu-1:8000")
        assert why in line
        assert "\n" not in line
        assert isinstance(refused.value, EngineRefused)

    @pytest.mark.parametrize(
        "url", ["http://me:s3cret@gpu-1:8000", "http://me:s3/cret@gpu-1", "dns+http://s3cret@gpu:1"]
    )
    def test_with_a_login_are_refused_without_showing_it(self, url: str) -> None:
        with pytest.raises(EngineUrlWrong, match=r"//\*\*\*@gpu") as refused:
            read_urls(url, where="--urls")
        assert "s3" not in str(refused.value)
        assert "cret" not in str(refused.value)

    @pytest.mark.parametrize(
        ("url", "shown", "why"),
        [
            ("me:s3cret@gpu-1:8000", "***@gpu-1:8000", "it has no scheme"),
            ("http:/me:s3cret@gpu-1:8000", "***@gpu-1:8000", "it has no host"),
            ("https://gpu-1/v1?key=s3cret", "https://gpu-1/v1?***", "it goes on behind its path"),
            ("https://gpu-1/v1#s3cret", "https://gpu-1/v1?***", "it goes on behind its path"),
        ],
    )
    def test_that_are_wrong_otherwise_show_no_secret_either(self, url: str, shown: str, why: str) -> None:
        with pytest.raises(EngineUrlWrong) as refused:
            read_urls(url, where="--urls")
        assert str(refused.value).startswith(f"--urls: {shown}: is no URL of an engine")
        assert why in str(refused.value)
        assert "s3cret" not in str(refused.value)


@pytest.mark.asyncio
class TestFinding:
    async def test_a_url_is_one_engine_and_looks_nothing_up(self) -> None:
        names = Names(error=UNKNOWN)
        found = await find_engines(["http://b:2/v1/", "https://a/vllm/v1", "http://[fe::1]:8000"], look_up=names)
        assert found.urls == ["http://b:2", "https://a/vllm", "http://[fe::1]:8000"]
        assert (found.lost, names.asked) == ({}, [])
        assert not EngineFinder(["http://b:2"]).has_names

    async def test_a_name_is_every_address_once_in_the_order_of_their_numbers(self) -> None:
        names = Names(["10.0.0.10", "fd00::2", "10.0.0.9", "10.0.0.10", "fd00::0:1"])
        found = await find_engines(["dns+http://engines.gpu.svc:8000/v1"], look_up=names)
        assert found.urls == [
            "http://10.0.0.9:8000",
            "http://10.0.0.10:8000",
            "http://[fd00::1]:8000",
            "http://[fd00::2]:8000",
        ]
        assert names.asked == [("engines.gpu.svc", 8000)]

    async def test_an_engine_that_is_found_twice_is_one(self) -> None:
        urls = ["http://10.0.0.2:8000", "dns+http://engines:8000", "http://10.0.0.2:8000/v1"]
        found = await find_engines(urls, look_up=Names(["10.0.0.3", "10.0.0.2"]))
        assert found.urls == ["http://10.0.0.2:8000", "http://10.0.0.3:8000"]

    async def test_an_engine_that_is_written_otherwise_is_the_same(self) -> None:
        urls = ["http://gpu-1:8000", "HTTP://GPU-1:8000/v1/", "http://gpu-1:8000//v1", "http://gpu-1:8000//"]
        assert (await find_engines(urls)).urls == ["http://gpu-1:8000"]

    @pytest.mark.parametrize(
        ("error", "why"),
        [
            (UNKNOWN, "Name or service not known"),
            (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), "Temporary failure"),
            (UnicodeError("label too long"), "label too long"),
        ],
    )
    async def test_a_name_that_cannot_be_looked_up_is_told_and_the_others_are_found(
        self, error: Exception, why: str
    ) -> None:
        found = await find_engines(["dns+http://nobody:8000", "http://a:1"], look_up=Names(error=error))
        assert found.urls == ["http://a:1"]
        told = found.lost["dns+http://nobody:8000"]
        assert told.startswith("dns+http://nobody:8000: the name nobody cannot be looked up (")
        assert why in told

    async def test_a_name_server_that_is_away_is_not_waited_for_without_end(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async def never(_name: str, _port: int) -> list[str]:
            await asyncio.Event().wait()
            return []

        monkeypatch.setattr(finding, "LOOK_UP_S", 0.05)
        found = await find_engines(["dns+http://engines:8000"], look_up=never)
        assert "no answer within 0.05 s" in found.lost["dns+http://engines:8000"]

    async def test_a_look_up_that_fails_keeps_what_was_known(self) -> None:
        names = Names(["10.0.0.2"])
        finder = EngineFinder(["dns+http://engines:8000"], names)
        await finder.find()
        names.error = UNKNOWN
        found = await finder.find()
        assert found.urls == ["http://10.0.0.2:8000"]
        assert list(found.lost) == ["dns+http://engines:8000"]
        names.error, names.addresses = None, ["10.0.0.7"]
        assert (await finder.find()).urls == ["http://10.0.0.7:8000"]

    async def test_this_machines_resolver_knows_this_machine(self) -> None:
        assert "127.0.0.1" in await look_up("localhost", 8000)


def test_a_resolver_that_hangs_holds_up_neither_the_end_of_a_loop_nor_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a task ends while a name server is away: the C library may be at it for a minute."""
    answers, threads = threading.Event(), []

    def hang(*_: object, **__: object) -> list[object]:
        threads.append(threading.current_thread())
        answers.wait(5)
        return []

    monkeypatch.setattr(finding, "LOOK_UP_S", 0.05)
    monkeypatch.setattr(socket, "getaddrinfo", hang)
    found = asyncio.run(find_engines(["dns+http://engines:8000"]))
    hung = [thread.is_alive() for thread in threads]
    answers.set()
    for thread in threads:
        thread.join()
    assert hung == [True]
    assert "no answer within 0.05 s" in found.lost["dns+http://engines:8000"]
