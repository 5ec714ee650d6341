"""Lane: what one share has let through of late, and when it lets the next request through. Pure: times are given."""

from collections import deque
from dataclasses import dataclass

from phrasemill.allowance.shares import TRAVEL_S, WINDOW_S, Share

GUARD_S = 2.0
"""The end of a window is left unused by who does not hold the next: machines read the bucket's clock to a second."""


@dataclass(slots=True)
class Charge:
    """What one request has taken of a lane."""

    sent: float
    tokens: int
    """Prompt and completion: as reserved, then as settled."""
    completion: int


class Lane:
    """One share, and the windows (minutes since the epoch) for which this task holds it. Times are epoch seconds."""

    def __init__(self, number: int, share: Share) -> None:
        self.number = number
        self.share = share
        self.windows: set[int] = set()
        self.free_from = 0.0
        self.closing = False
        """Nothing new is sent, since the lane is being given back."""
        self.in_flight = 0
        self.busy_until = 0.0
        """When the completion tokens sent for are written, at tokens_per_second."""
        self._next = 0.0
        self._last: Charge | None = None
        self._charges: deque[Charge] = deque()
        self._tokens = 0

    def held_at(self, time: float) -> bool:
        """Whether a request may be sent then, as far as windows go."""
        window = int(time // WINDOW_S)
        at_end = time >= (window + 1) * WINDOW_S - GUARD_S
        return window in self.windows and (not at_end or window + 1 in self.windows)

    def ready_at(self, tokens: int, *, now: float) -> float | None:
        """When a request of so many tokens may be sent at the earliest; None: not before something else happens."""
        if self.closing or (self.share.concurrent is not None and self.in_flight >= self.share.concurrent):
            return None
        self._forget(now)
        time = max(now, self.free_from, self._next, self.busy_until)
        if self.share.tokens is not None:
            excess = self._tokens + tokens - self.share.tokens
            for charge in self._charges:
                if excess <= 0:
                    break
                excess -= charge.tokens
                time = max(time, charge.sent + WINDOW_S + TRAVEL_S)
        return time if self.held_at(time) else None

    def send(self, tokens: int, *, completion: int, expected: float, now: float) -> Charge:
        """Take a request's part; `expected` is how many of the tokens it probably takes, for even pacing."""
        charge = self._last = Charge(now, tokens, completion)
        self.in_flight += 1
        paced = expected * WINDOW_S / self.share.tokens if self.share.tokens else 0.0
        self._next = now + max(self.share.spacing_s, paced)
        if self.share.tokens is not None:
            self._charges.append(charge)
            self._tokens += tokens
        if self.share.tokens_per_second:
            self.busy_until = max(now, self.busy_until) + completion / self.share.tokens_per_second
        return charge

    def settle(self, charge: Charge, *, tokens: int, completion: int) -> None:
        """The request is over, and took so many tokens."""
        self.in_flight -= 1
        if self._charges and charge.sent >= self._charges[0].sent:
            self._tokens += tokens - charge.tokens
        more = completion - charge.completion
        # Time that was saved is over where another request has been sent since.
        if self.share.tokens_per_second and (more > 0 or charge is self._last):
            self.busy_until += more / self.share.tokens_per_second
        charge.tokens, charge.completion = tokens, completion

    def _forget(self, now: float) -> None:
        while self._charges and self._charges[0].sent <= now - WINDOW_S - TRAVEL_S:
            self._tokens -= self._charges.popleft().tokens
