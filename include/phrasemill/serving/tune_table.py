"""What tuning found, for people: lines, a Markdown table, notes, and the profile with its sources."""

from collections.abc import Callable, Sequence

from phrasemill.serving.profiles import Profile
from phrasemill.serving.tune_plan import with_settings
from phrasemill.serving.tune_race import is_client_bound, ranked, rates, unsteady
from phrasemill.serving.tune_record import Measurement

COLUMNS: dict[str, Callable[[Measurement], str]] = {
    "quantisation": lambda one: one.candidate.quantization or "none",
    "n": lambda one: str(one.candidate.n),
    "engines a device (running)": lambda one: f"{one.candidate.engines_per_gpu} ({one.resident_per_gpu})",
    "sequences": lambda one: str(one.candidate.max_num_seqs),
    "list": lambda one: str(one.candidate.list_size),
    "in flight": lambda one: str(one.candidate.in_flight),
    "window s": lambda one: f"{one.window_s:g}",
    "counted phrases/s": lambda one: f"{one.counted_phrases_per_s:.1f}",
    "engine tokens/s": lambda one: "" if one.engine_tokens_per_s is None else f"{one.engine_tokens_per_s:.0f}",
    "client tokens/s": lambda one: f"{one.client_tokens_per_s:.0f}",
    "rejected": lambda one: f"{one.reject_share:.0%}",
    "client CPU": lambda one: f"{one.client_cpu:.0%}" + (" (sets the pace)" if is_client_bound(one) else ""),
    "GPU": lambda one: "" if one.gpu_percent is None else f"{one.gpu_percent:.0f} %",
    "faults": lambda one: str(one.faults),
}
LEGEND = (
    "phrases/s are accepted ones: the engines' own tokens a second times the accepted phrases a token over all rows "
    "that write the same text. The count in the window alone is beside it; lists come back in bursts, so it is off by "
    "up to what is in flight. Without counters of the engines, or after a fault, it is the count. 'running' are the "
    "engines started on each device; those beyond a row's own number idled."
)


def measured_line(one: Measurement, phrases_per_s: float) -> str:
    """One measurement in a line."""
    if one.failed:
        return f"failed: {one.candidate.words()}: {one.failed}"
    bound = ", the client set the pace" if is_client_bound(one) else ""
    return (
        f"{phrases_per_s:.1f} phrases/s in {one.window_s:g} s: {one.candidate.words()} "
        f"({one.reject_share:.0%} rejected{bound})"
    )


def markdown_table(measurements: Sequence[Measurement], *, best: Measurement, title: str, notes: Sequence[str]) -> str:
    """All measurements as a Markdown page, long windows first, then the fastest; the best is in bold."""
    names = ["phrases/s", *COLUMNS]
    lines = [f"# {title}", "", "| " + " | ".join(names) + " |", "|" + " --- |" * len(names)]
    failures = []
    for one, rate in ranked(measurements):
        if one.failed:
            failures.append(f"- {one.candidate.words()}: {one.failed}")
            continue
        first = f"**{rate:.1f}**" if one is best else f"{rate:.1f}"
        lines.append("| " + " | ".join([first, *(words(one) for words in COLUMNS.values())]) + " |")
    lines += ["", LEGEND]
    if notes:
        lines += ["", *(f"- {note}" for note in notes)]
    if failures:
        lines += ["", "Failed:", "", *failures]
    return "\n".join(lines) + "\n"


def notes_on(best: Measurement, measurements: Sequence[Measurement], *, corpus_n: int) -> list[str]:
    """What to know before the result is believed, or to do to get more."""
    notes = []
    if is_client_bound(best):
        notes.append(
            f"the client used {best.client_cpu:.0%} of a core and set the pace: this measurement says what one client "
            "gives, and is no measure of the engines, which can do more"
        )
    if found := unsteady(measurements):
        notes.append(
            f"the machine was not steady: the same settings gave {found[0]:.1f} and {found[1]:.1f} phrases/s; let "
            "nothing else run on it, and tune again with another record"
        )
    if best.faults:
        notes.append(f"engines failed on {best.faults} lists while the best was measured; look into their logs")
    pairs = list(zip(measurements, rates(measurements), strict=True))
    mine = next(rate for one, rate in pairs if one is best)
    other_n = [(one, rate) for one, rate in pairs if one.candidate.n != best.candidate.n and rate > mine]
    if other_n:
        one, rate = max(other_n, key=lambda pair: pair[1])
        notes.append(
            f"sampling.n {one.candidate.n} gives {rate:.1f} phrases/s, {rate / mine - 1:.0%} more than n "
            f"{best.candidate.n}; set it in the corpus file, as it changes the text"
        )
    if best.candidate.n != corpus_n:
        notes.append(f"measured with sampling.n {best.candidate.n}, while the corpus file says {corpus_n}")
    for name in ("engines_per_gpu", "list_size", "in_flight"):
        values = {getattr(one.candidate, name) for one in measurements}
        if len(values) > 1 and getattr(best.candidate, name) == max(values):
            notes.append(f"the best has the greatest {name} that was tried ({max(values)}); more may be better yet")
    return notes


def tuned_profile(profile: Profile, best: Measurement, measurements: Sequence[Measurement], *, machine: str) -> Profile:
    """The profile with the best candidate's settings. Those that were varied, or are new, get a source of their own."""
    rate = next(rate for one, rate in zip(measurements, rates(measurements), strict=True) if one is best)
    told = f"measured {best.at.date().isoformat()} on {machine} by phrasemill tune: {rate:.1f} phrases/s"
    if is_client_bound(best):
        told += " (the client set the pace)"
    if unsteady(measurements):
        told += " (the machine was not steady)"
    named = {
        "name": f"{profile.name.removesuffix('_tuned')}_tuned",
        "title": f"{profile.title.removesuffix(', tuned')}, tuned",
    }
    settings = {
        name: value
        for name, value in best.candidate.settings.items()
        if value != getattr(profile, name) or any(one.candidate.settings[name] != value for one in measurements)
    }
    return with_settings(profile.model_copy(update=named), settings, source=told)
