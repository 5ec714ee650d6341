"""Mistakes in a model's parts, each told at its own place and all at once."""

from pydantic_core import InitErrorDetails, PydanticCustomError, ValidationError

MISTAKE = "mistake"  # the pydantic error type of our own words

Place = tuple[str | int, ...]


class Mistakes:
    """Gathers what is wrong with the parts of a value that is being validated."""

    def __init__(self) -> None:
        self._found: list[InitErrorDetails] = []

    def add(self, place: Place, words: str, *, value: object = None) -> None:
        """Note a mistake at a place below the value, such as ("lexicons", "object", 3)."""
        error = PydanticCustomError(MISTAKE, "{words}", {"words": words})
        self._found.append(InitErrorDetails(type=error, loc=place, input=value))

    def tell(self) -> None:
        """Raise all mistakes, if there are any; pydantic puts the value's own place before theirs.

        Raises:
            ValidationError: to be raised inside a validator.
        """
        if self._found:
            raise ValidationError.from_exception_data("mistakes", self._found)
