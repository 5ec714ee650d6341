"""Range: a figure that is not known exactly, as the least, the likely and the most it may be."""

from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator


class Range(BaseModel):
    """Three values of one figure, in its unit. `low` is the smallest number, not the worst outcome."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    low: float
    likely: float
    high: float

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if not self.low <= self.likely <= self.high:
            raise ValueError(f"must rise: low {self.low:g}, likely {self.likely:g}, high {self.high:g}")
        return self

    @classmethod
    def exactly(cls, value: float) -> Self:
        """A figure that is known."""
        return cls(low=value, likely=value, high=value)

    def times(self, factor: float) -> "Range":
        """All three, times a factor that is not negative."""
        return Range(low=self.low * factor, likely=self.likely * factor, high=self.high * factor)

    def over(self, amount: float) -> "Range":
        """What an amount gives when it is shared by this: a time from a rate, say.

        Raises:
            ZeroDivisionError: the range begins at 0.
        """
        return Range(low=amount / self.high, likely=amount / self.likely, high=amount / self.low)
