"""What tuning tries: candidates, and how long each is looked at. Pure functions of a profile and the axes asked for.

A candidate's text is decided by its quantisation and its samples a prompt (n), its speed by all its settings. So
candidates race in heats: those of one heat differ in engines a GPU, list size and prompts in flight alone.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

from pydantic import Field, ValidationError

from phrasemill.fields import StrictModel
from phrasemill.serving.errors import ProfileError
from phrasemill.serving.profiles import Profile

FINALISTS = 2  # a winner has beaten somebody over the longest window
LISTS_IN_FLIGHT = 2  # fewer a window, and an engine waits for the list that is on its way
LARGEST_LIST = 1024  # vLLM refuses longer lists of prompts
EAGER_START_S, COMPILED_START_S = 40, 120  # measured: 25 to 41 on a CPU; 75 to 170 on an H100, 92 compiled on a CPU


class Candidate(StrictModel):
    """Settings to be measured. `in_flight` counts prompts an engine."""

    quantization: str | None = None
    max_num_seqs: int = Field(ge=1)
    engines_per_gpu: int = Field(ge=1)
    list_size: int = Field(ge=1, le=LARGEST_LIST)
    in_flight: int = Field(ge=1)
    n: int = Field(default=1, ge=1)

    @property
    def start(self) -> tuple[str | None, int]:
        """What engines must be started anew for."""
        return self.quantization, self.max_num_seqs

    @property
    def heat(self) -> tuple[str | None, int, int]:
        """What it shares with those that it races against."""
        return self.quantization, self.max_num_seqs, self.n

    @property
    def writes(self) -> tuple[str | None, int]:
        """What decides its text, and so how much of it is accepted."""
        return self.quantization, self.n

    @property
    def settings(self) -> dict[str, object]:
        """Its figures in a profile; n is the corpus's."""
        return self.model_dump(exclude={"n"})

    def words(self) -> str:
        """It on one line."""
        engines = engines_in_words(self.engines_per_gpu)
        extra = (f", n {self.n}" if self.n > 1 else "") + (f", {self.quantization}" if self.quantization else "")
        return (
            f"{engines} of {self.max_num_seqs} sequences, lists of {self.list_size}, {self.in_flight} in flight{extra}"
        )


def engines_in_words(count: int) -> str:
    """Engines of one GPU, or of a CPU."""
    return f"{count} engine{'s' if count > 1 else ''} a device"


def with_settings(profile: Profile, settings: Mapping[str, object], *, source: str) -> Profile:
    """A profile with some figures changed, and the source of these.

    Raises:
        ProfileError: the profile's other figures do not go with them.
    """
    sources = {name: words for name, words in profile.sources.items() if name not in settings}
    sources |= {name: source for name, value in settings.items() if value is not None}
    try:
        return Profile.model_validate(profile.model_dump(exclude_unset=True) | {**settings, "sources": sources})
    except ValidationError as error:
        mistakes = "; ".join(str(one["msg"]) for one in error.errors())
        raise ProfileError(f"profile {profile.name} does not go with {dict(settings)}: {mistakes}") from error


@dataclass(frozen=True, slots=True)
class Race:
    """How a heat is run: successive halving (Jamieson and Talwalkar 2016; the inner loop of Hyperband, Li et al. 2018).

    All candidates are looked at for the first, shortest window; the best share `keep` goes on to the next longer one,
    and so on. The window grows as the field shrinks, so the time goes to telling the good ones apart, and a clear
    loser costs the shortest window only. The true best is lost only if chance lifts FINALISTS or more others over it
    in a short window, and then those are nearly as good.

    Every measurement begins with a ramp that is left out: at least `ramp_s`, and until each prompt of the window has
    been answered once, but no longer than `longest_ramp_s`.
    """

    windows_s: tuple[float, ...]
    ramp_s: float
    longest_ramp_s: float
    keep: float = 1 / 3

    def rungs(self, count: int) -> list[tuple[int, float]]:
        """How many of `count` candidates are looked at for how long, in seconds.

        A window that would throw nobody out is left out, but never the last.
        """
        sizes = [count]
        for _ in self.windows_s[1:]:
            sizes.append(min(sizes[-1], max(FINALISTS, math.ceil(sizes[-1] * self.keep))))
        last = len(sizes) - 1
        return [
            (size, self.windows_s[rung]) for rung, size in enumerate(sizes) if rung == last or sizes[rung + 1] < size
        ]


FULL = Race(windows_s=(10, 20, 40), ramp_s=5, longest_ramp_s=20)
QUICK = Race(windows_s=(10, 15), ramp_s=3, longest_ramp_s=10)
"""With six candidates under four minutes, on the one CPU engine of the demo too: 64 prompts take it 4 s."""


@dataclass(frozen=True, slots=True)
class TunePlan:
    """What to try, from which profile, and how. `profile` gives all settings that are no candidate's."""

    profile: Profile
    candidates: tuple[Candidate, ...]
    race: Race = FULL

    def heats(self) -> list[list[Candidate]]:
        """The candidates by heat, those that share a start of engines side by side, else in their order."""
        starts = list(dict.fromkeys(candidate.start for candidate in self.candidates))
        heats: dict[tuple[str | None, int, int], list[Candidate]] = {}
        for candidate in sorted(self.candidates, key=lambda candidate: starts.index(candidate.start)):
            heats.setdefault(candidate.heat, []).append(candidate)
        return list(heats.values())

    def left(self, is_measured: Callable[[Candidate, float], bool] = lambda _candidate, _window_s: False) -> "Left":
        """What is still to be done, given what is measured; a race may end earlier, never later.

        The length of a ramp hangs on the engines: its least length is reckoned with.
        """
        measurements, seconds = 0, 0.0
        starts = set()
        for heat in self.heats():
            for size, window_s in self.race.rungs(len(heat)):
                done = sum(is_measured(candidate, window_s) for candidate in heat)
                if missing := max(0, size - done):
                    starts.add(heat[0].start)
                    measurements += missing
                    seconds += missing * (self.race.ramp_s + window_s)
        start_s = EAGER_START_S if self.profile.enforce_eager else COMPILED_START_S
        seconds += len(starts) * (start_s + self.race.ramp_s)
        return Left(measurements, seconds)


@dataclass(frozen=True, slots=True)
class Left:
    """Measurements to be made at most, and how many seconds they take, starting engines included."""

    measurements: int
    seconds: float


def plan_candidates(
    profile: Profile,
    *,
    ns: Sequence[int],
    quick: bool = False,
    engines: Sequence[int] | None = None,
    list_sizes: Sequence[int] | None = None,
    in_flights: Sequence[int] | None = None,
    quantisations: Sequence[str | None] | None = None,
    max_num_seqs: Sequence[int] | None = None,
) -> tuple[Candidate, ...]:
    """All combinations of the axes given; the rest vary around the profile's own values, which are always among them.

    Without values of its own, an axis takes: engines a GPU half, whole and one and a half times the profile's and 1
    (a CPU's and `quick`: the profile's alone); lists of half, whole and double size; in flight 1, 1.5, 2 and 3 times
    max_num_seqs (`quick`: the profile's, and 1 or 2 times); quantisation and max_num_seqs the profile's alone.
    Left out: windows that hold fewer than LISTS_IN_FLIGHT lists, and lists that hold no whole prompt of n samples.

    Raises:
        ProfileError: nothing is left.
    """
    candidates = [
        Candidate(
            quantization=quantization,
            max_num_seqs=seqs,
            engines_per_gpu=engine_count,
            list_size=list_size,
            in_flight=in_flight,
            n=n,
        )
        for quantization, seqs, n in product(
            quantisations or [profile.quantization], max_num_seqs or [profile.max_num_seqs], ns
        )
        for engine_count in engines or _engine_counts(profile, quick=quick)
        for list_size in list_sizes or _around(profile.list_size)
        for in_flight in in_flights or _windows(profile, seqs, quick=quick)
        if n <= list_size <= LARGEST_LIST and LISTS_IN_FLIGHT * list_size <= in_flight
    ]
    if not candidates:
        raise ProfileError(
            f"profile {profile.name}: of the settings asked for none can be measured: a list must hold n samples, and "
            f"{LISTS_IN_FLIGHT} lists must fit into what is in flight; ask for smaller lists or more in flight"
        )
    return tuple(dict.fromkeys(candidates))


def _around(value: int) -> list[int]:
    return sorted({max(1, value // 2), value, min(LARGEST_LIST, value * 2)})


def _engine_counts(profile: Profile, *, quick: bool) -> list[int]:
    whole = profile.engines_per_gpu
    if quick or profile.is_cpu:
        return [whole]
    half = max(1, whole // 2)
    return sorted({1, half, whole, whole + half})


def _windows(profile: Profile, seqs: int, *, quick: bool) -> list[int]:
    own = profile.in_flight
    if quick:
        return sorted({own, 2 * seqs if own < 1.5 * seqs else seqs})
    return sorted({own, seqs, seqs * 3 // 2, 2 * seqs, 3 * seqs})
