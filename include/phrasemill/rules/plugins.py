"""Rules in Python, by entry point: a package offers them in the group `phrasemill.rules`, a corpus file names them.

An entry point is a function of the corpus that returns the check: `def no_rhyme(spec) -> Callable[[str], bool]`. The
check is given a phrase as it would be stored, and returns whether it rejects it. The function's docstring tells what
is wrong with such a phrase.

The version stands in the corpus file, and must be the installed one: so it is in the fingerprint, and phrases judged
by two versions never mix unseen.
"""

from collections.abc import Callable
from importlib.metadata import EntryPoint, entry_points

from phrasemill.errors import PhrasemillError, SpecError
from phrasemill.rule_settings import PluginRule
from phrasemill.rules.phrase import Phrase
from phrasemill.rules.rule import Rule
from phrasemill.spec import CorpusSpec

GROUP = "phrasemill.rules"

Check = Callable[[str], bool]


class PluginFailed(PhrasemillError):
    """A rule of another package raised; the message names rule, package and text."""


def installed_plugins() -> dict[str, str]:
    """Installed rules: name -> 'package version'."""
    return {entry.name: _origin(entry) for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name)}


def plugin_rule(plugin: PluginRule, spec: CorpusSpec) -> Rule:
    """The rule that a plugin named in a corpus file makes.

    Raises:
        SpecError: it is not installed, or in another version.
        PluginFailed: it cannot be imported or made; the rule itself raises it when its check does.
    """
    entry = _find(plugin, spec)
    origin = f"rule {plugin.name} of {_origin(entry)}"
    try:
        make = entry.load()
        check: Check = make(spec)
    except Exception as error:
        raise PluginFailed(
            f"{spec.name}: {origin} cannot be made: {_told(error)}; mend it, or take it out of rules.plugins"
        ) from error
    if not callable(check):
        raise PluginFailed(f"{spec.name}: {origin} gave {check!r}, which is no function from a text to true or false")

    def objects(phrase: Phrase) -> bool:
        try:
            return bool(check(phrase.text))
        except Exception as error:
            raise PluginFailed(
                f"{spec.name}: {origin} raised {_told(error)} on {phrase.text!r}; mend it, "
                "or take it out of rules.plugins"
            ) from error

    meaning = next(iter((make.__doc__ or "").strip().splitlines()), "")
    return Rule(
        plugin.name,
        objects,
        settings={"package": _origin(entry)},
        meaning=meaning or f"rejected by {_origin(entry)}",
    )


def _find(plugin: PluginRule, spec: CorpusSpec) -> EntryPoint:
    found = list(entry_points(group=GROUP, name=plugin.name))
    if not found:
        known = ", ".join(f"{name} ({origin})" for name, origin in installed_plugins().items()) or "none"
        raise SpecError(
            f"{spec.name}: rules.plugins names {plugin.name}, and no package installed here offers such a rule; "
            f"install the one that does, or take it out; installed rules: {known}"
        )
    if len({_origin(entry) for entry in found}) > 1:
        raise SpecError(
            f"{spec.name}: rules.plugins names {plugin.name}, which several packages offer: "
            f"{', '.join(map(_origin, found))}; uninstall all but one"
        )
    installed = found[0].dist.version if found[0].dist else ""
    if installed != plugin.version:
        raise SpecError(
            f"{spec.name}: rules.plugins wants {plugin.name} in version {plugin.version}, and {_origin(found[0])} is "
            "installed; install that version, or write the installed one into a corpus of a new name"
        )
    return found[0]


def _origin(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist else entry.value


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"
