"""What went wrong in a group of tasks, as one error."""

from phrasemill.errors import PhrasemillError


def first_error(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    """What went wrong, of all that then fell over: our own errors before others."""
    flat: list[BaseException] = []
    stack: list[BaseException] = [errors]
    while stack:
        error = stack.pop()
        if isinstance(error, BaseExceptionGroup):
            stack.extend(error.exceptions)
        else:
            flat.append(error)
    return min(flat, key=lambda error: not isinstance(error, PhrasemillError))
