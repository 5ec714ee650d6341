"""TokenBound: how many tokens a request can take, before the server has counted them."""

TEMPLATE_TOKENS = 64
"""What a server's chat template may add to a prompt; the longest of the usual families adds some 40."""
ANSWERS_TO_LEARN = 8
MARGIN = 1.25
"""On the most tokens a byte that answers have told so far; prompts of one corpus differ by a few percent."""
SLOWNESS = 0.1
"""Of the running mean: the last twenty answers or so decide."""


class TokenBound:
    """Bounds from bytes, since no tokenizer makes more tokens than a text has bytes; closer once answers are there."""

    def __init__(self) -> None:
        self._answers = 0
        self._most = 0.0
        self._taken = 1.0

    @staticmethod
    def sure(prompt_bytes: int) -> int:
        """No prompt of so many bytes has more tokens."""
        return prompt_bytes + TEMPLATE_TOKENS

    def prompt(self, prompt_bytes: int) -> int:
        """The bound that rates are kept by: learnt, with a margin, and never above the sure one."""
        sure = self.sure(prompt_bytes)
        if self._answers < ANSWERS_TO_LEARN:
            return sure
        return min(sure, 1 + int(sure * self._most * MARGIN))

    def expected(self, tokens: int) -> float:
        """How many of the tokens reserved are taken on average."""
        return tokens * self._taken

    def learn(self, *, prompt_bytes: int, prompt_tokens: int, reserved: int, taken: int) -> None:
        """An answer told how many tokens the prompt had, and how many were taken of those reserved."""
        self._answers += 1
        self._most = max(self._most, prompt_tokens / self.sure(prompt_bytes))
        self._taken += SLOWNESS * (taken / max(1, reserved) - self._taken)
