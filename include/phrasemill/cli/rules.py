"""Commands on phrase rules: `rules try` explains what each rule says of a text, `rules list` shows them all."""

import json
import re
import sys
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.table import Table

from phrasemill.copying import copies_prompt
from phrasemill.corpus_file import find_corpus, load_corpus
from phrasemill.facts import ENGINE_REASONS
from phrasemill.prompts import PromptBook
from phrasemill.rules import RuleBook, Told, Verdict, meanings
from phrasemill.rules.lexemes import LexemeRule
from phrasemill.rules.plugins import installed_plugins
from phrasemill.spec import CorpusSpec
from phrasemill.terminal import out

app = typer.Typer(no_args_is_help=True, help="Phrase rules: list them, and explain their verdicts on a text.")

CorpusName = Annotated[str | None, typer.Option("--corpus", help="A corpus's name or file; without it, all defaults.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
COLOURS = {"passes": "green", "rejects": "red", "off": "dim", "not asked": "dim"}
CYRILLIC = re.compile("[а-яё]", re.IGNORECASE)


@app.command("try")
def try_text(
    text: Annotated[str, typer.Argument(help="An engine's answer.")],
    corpus: CorpusName = None,
    prompt: Annotated[str | None, typer.Option(help="The prompt it answers, for the rule on echoes.")] = None,
    phrase_id: Annotated[
        int | None, typer.Option("--id", min=0, help="The phrase id it is for: gives prompt and lexemes.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Explain what every rule says of a text. Exit code 1 if it is rejected."""
    spec = load_corpus(find_corpus(corpus)) if corpus else _default_spec("ru" if CYRILLIC.search(text) else "en")
    verdict, told = RuleBook(spec).explain(text)
    beyond = _beyond_the_answer(spec, verdict.text, prompt=prompt, phrase_id=phrase_id if corpus else None)
    reason = verdict.reason or next((one.rule for one in beyond if one.verdict == "rejects"), None)
    if as_json:
        rules = [one._asdict() for one in (*told, *beyond)]
        answer = {"text": verdict.text, "accepted": reason is None, "reason": reason, "rules": rules}
        sys.stdout.write(json.dumps(answer, ensure_ascii=False, indent=1) + "\n")
    else:
        _print_verdict(Verdict(verdict.text, reason), [*told, *beyond])
    raise typer.Exit(0 if reason is None else 1)


@app.command("list")
def list_rules(corpus: CorpusName = None, as_json: AsJson = False) -> None:
    """Show the rules in their order: what each rejects, whether it is on, and its settings."""
    spec = load_corpus(find_corpus(corpus)) if corpus else _default_spec("en")
    rows = _listed(spec)
    if as_json:
        sys.stdout.write(
            json.dumps({"rules": rows, "plugins": installed_plugins()}, ensure_ascii=False, indent=1) + "\n"
        )
        return
    table = Table("rule", "on", "rejects", "settings")
    for row in rows:
        settings = ", ".join(f"{name} {value}" for name, value in row["settings"].items())
        table.add_row(row["name"], "yes" if row["on"] else "no", _plain(row["rejects"]), _plain(settings))
    out.print(table)
    for name, origin in installed_plugins().items():
        out.print(f"installed rule: {name}, of {origin}", markup=False, highlight=False)


def _listed(spec: CorpusSpec) -> list[dict[str, Any]]:
    settings = {rule.name: dict(rule.settings) for rule in RuleBook(spec).rules}
    required = {t.name: t.required_lexemes for t in spec.prompts.templates if t.required_lexemes}
    settings["missing_lexemes"] = required
    return [
        {
            "name": name,
            "on": name not in spec.rules.off and (name != "missing_lexemes" or bool(required)),
            "rejects": meaning,
            "settings": settings.get(name, {}),
        }
        for name, meaning in meanings(spec).items()
        if name not in ENGINE_REASONS
    ]


def _beyond_the_answer(spec: CorpusSpec, text: str, *, prompt: str | None, phrase_id: int | None) -> list[Told]:
    """What the rules say that need the prompt or its lexemes."""
    book = PromptBook(spec)
    asked = book.prompt(phrase_id) if phrase_id is not None else None
    told = []
    prompt = prompt or (asked.text if asked else None)
    if prompt is None or "echo" in spec.rules.off:
        told.append(Told("echo", "not asked" if prompt is None else "off", "its own prompt: give --prompt or --id"))
    else:
        told.append(Told("echo", "rejects" if copies_prompt(text, prompt) else "passes", f"its prompt: {prompt}"))
    told.append(Told("duplicate", "not asked", "needs the other phrases of the shard"))
    lexemes = LexemeRule.of(spec, book)
    if lexemes and asked:
        named = ", ".join(lexemes.named(text, asked.slots)) or "none"
        lacks = lexemes.lacks(text, asked.template, asked.slots)
        required = f"names {named}; {lexemes.required(asked.template)} of {', '.join(asked.slots.values())} required"
        told.append(Told("missing_lexemes", "rejects" if lacks else "passes", required))
    else:
        why = "give --id" if lexemes else "no template requires lexemes"
        told.append(Told("missing_lexemes", "not asked" if lexemes else "off", why))
    return told


def _print_verdict(verdict: Verdict, told: list[Told]) -> None:
    table = Table("rule", "verdict", "found")
    for one in told:
        table.add_row(one.rule, f"[{COLOURS[one.verdict]}]{one.verdict}[/]", _plain(one.told))
    out.print(table)
    out.print(f"rejected: {verdict.reason}" if verdict.reason else "accepted", style="bold", highlight=False)
    out.print(_plain(verdict.text), highlight=False)


def _plain(text: str) -> str:
    """Text for a terminal: what is not printable is written as an escape, and square brackets are no markup."""
    shown = "".join(char if char.isprintable() or char == " " else ascii(char)[1:-1] for char in text)
    return escape(shown)


def _default_spec(language: str) -> CorpusSpec:
    """A corpus whose rules are all defaults, and whose prompts no phrase can echo."""
    return CorpusSpec.model_validate(
        {
            "name": "defaults",
            "title": "Default rules",
            "language": language,
            "target_phrases": 1,
            "shard_phrases": 1,
            "block_phrases": 1,
            "schedule": {"start_date": "2026-01-01", "shards_per_night": 1},
            "model": {"name": "none"},
            "prompts": {"templates": [{"name": "any", "text": "{thing}"}], "lexicons": {"thing": ["thing"]}},
        }
    )
