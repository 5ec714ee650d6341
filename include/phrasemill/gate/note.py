"""The note that lies beside a quarantined shard: why it failed, for people, in plain text. Pure."""

from phrasemill.gate.verdict import Expectation, FailingRow, Verdict
from phrasemill.planning import Shard
from phrasemill.visible import visible


def quarantine_note(verdict: Verdict, *, corpus: str, shard: Shard, run_id: str) -> str:
    """What failed, what only warns, rows that show it, and what can be done."""
    lines = [f"{corpus} {shard.label} failed the gate in run {visible(run_id)}.", "", "Failed:"]
    lines += _entries(verdict.failures, verdict)
    if verdict.warnings:
        lines += ["", "Warnings, which do not fail a shard:", *_entries(verdict.warnings, verdict)]
    number = shard.number
    lines += [
        "",
        "What can be done:",
        f"  phrasemill quarantine show {corpus} {number}        look closer, with ten random rows",
        f"  clear task generate of {shard.label}, or phrasemill run {corpus} --shards {number}",
        "                                    write the shard anew, from prompts it has not had yet",
    ]
    if any(expectation.identity for expectation in verdict.failures):
        lines.append("It cannot be accepted as it is: these are not the rows that the shard must have.")
    else:
        lines.append(
            f"  phrasemill quarantine accept {corpus} {number} --reason '...'   commit these rows all the same"
        )
    return "\n".join(lines) + "\n"


def row_in_words(row: FailingRow) -> str:
    """A failing row on one line, its text visible and inert."""
    who = f"phrase {row.phrase_id}" if row.phrase_id is not None else "an output"
    return f"{who} {visible(row.why)}: {visible(row.text)}"


def _entries(failed: tuple[Expectation, ...], verdict: Verdict) -> list[str]:
    lines = []
    for expectation in failed:
        lines.append(f"- {visible(str(expectation))}")
        rows = [row for row in verdict.samples if row.expectation == expectation.name]
        lines += [f"    {row_in_words(row)}" for row in rows]
    return lines
