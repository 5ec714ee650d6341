"""Python rules by entry point: packages on disk, found as any installed one is."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from phrasemill.errors import SpecError
from phrasemill.fingerprint import fingerprint
from phrasemill.rules import RuleBook, check_rules, meanings
from phrasemill.rules.packages import PACKAGE_OF, RulePackageMissing
from phrasemill.rules.plugins import PluginFailed, installed_plugins
from phrasemill.spec import CorpusSpec
from tests.specs import make_spec

MODULE = '''
def no_bell(spec):
    """Names the bell, of which the corpus has enough.

    More of the docstring.
    """
    word = {"en": "bell", "ru": "колокол"}[spec.language]
    return lambda text: word in text


def raises(spec):
    def check(text):
        raise KeyError(text[:3])

    return check


def unmade(spec):
    raise RuntimeError("no licence")


def no_check(spec):
    return 5
'''
NAMES = ("no_bell", "raises", "unmade", "no_check")

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Put a package with rules on the path, as an installer would."""

    def put(package: str = "harbour-rules", version: str = "1.2") -> None:
        module = f"{package.replace('-', '_')}_{tmp_path.name.replace('-', '_')}"
        folder = tmp_path / package
        info = folder / f"{package.replace('-', '_')}-{version}.dist-info"
        info.mkdir(parents=True)
        (folder / f"{module}.py").write_text(MODULE)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        entries = "".join(f"{name} = {module}:{name}\n" for name in NAMES)
        (info / "entry_points.txt").write_text(f"[phrasemill.rules]\n{entries}missing = {module}:absent\n")
        monkeypatch.syspath_prepend(str(folder))

    return put


def with_plugin(name: str, version: str = "1.2", **changes: object) -> CorpusSpec:
    return make_spec(rules={"plugins": [{"name": name, "version": version}]}, **changes)


class TestARule:
    def test_it_rejects_by_its_name(self, install: Install) -> None:
        install()
        book = RuleBook(with_plugin("no_bell"))
        assert book.judge("The old bell rang over the pier.").reason == "no_bell"
        assert book.judge("The old horn rang over the pier.").reason is None

    def test_it_is_told_the_corpus(self, install: Install) -> None:
        install()
        book = RuleBook(with_plugin("no_bell", language="ru"))
        assert book.judge("Старый колокол был слышен над пирсом.").reason == "no_bell"
        assert book.judge("Старый гудок был слышен над пирсом.").reason is None

    def test_its_meaning_is_the_first_line_of_its_docstring(self, install: Install) -> None:
        install()
        assert meanings(with_plugin("no_bell"))["no_bell"] == "Names the bell, of which the corpus has enough."
        assert meanings(with_plugin("raises"))["raises"] == "rejected by harbour-rules 1.2"

    def test_installed_ones_are_listed_with_their_packages(self, install: Install) -> None:
        install()
        assert installed_plugins()["no_bell"] == "harbour-rules 1.2"

    def test_the_version_is_in_the_fingerprint(self) -> None:
        assert fingerprint(with_plugin("no_bell", "1.2")) != fingerprint(with_plugin("no_bell", "1.3"))


class TestWhatGoesWrong:
    def test_a_rule_that_is_not_installed(self, install: Install) -> None:
        install()
        with pytest.raises(SpecError, match=r"names no_rhyme, and no package .* no_bell \(harbour-rules 1\.2\)"):
            check_rules(with_plugin("no_rhyme"))

    def test_another_version(self, install: Install) -> None:
        install()
        with pytest.raises(SpecError, match=r"wants no_bell in version 1\.1, and harbour-rules 1\.2 is installed"):
            RuleBook(with_plugin("no_bell", "1.1"))

    def test_two_packages_with_one_name(self, install: Install) -> None:
        install()
        install("town-rules")
        with pytest.raises(SpecError, match=r"several packages offer: .*town-rules 1\.2"):
            RuleBook(with_plugin("no_bell"))

    @pytest.mark.parametrize(
        ("name", "told"),
        [
            ("unmade", "RuntimeError: no licence"),
            ("missing", "AttributeError"),
            ("no_check", "gave 5, which is no function"),
        ],
    )
    def test_a_rule_that_cannot_be_made(self, install: Install, name: str, told: str) -> None:
        install()
        with pytest.raises(PluginFailed, match=told):
            RuleBook(with_plugin(name))

    def test_a_check_that_raises_is_one_clear_error(self, install: Install) -> None:
        install()
        book = RuleBook(with_plugin("raises"))
        with pytest.raises(PluginFailed, match=r"rule raises of harbour-rules 1\.2 raised KeyError: 'The' on 'The old"):
            book.judge("The old bell rang over the pier.")


class TestPackagesOfRules:
    @pytest.mark.parametrize("rule", ["mojibake", "wrong_language"])
    def test_a_missing_one_is_named_before_the_night(self, rule: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "path", [])
        monkeypatch.setattr(sys, "path_importer_cache", {})
        monkeypatch.delitem(sys.modules, PACKAGE_OF[rule], raising=False)
        with pytest.raises(RulePackageMissing, match=f"rule {rule} needs"):
            check_rules(make_spec())
        check_rules(make_spec(rules={"off": ["mojibake", "wrong_language"]}))
