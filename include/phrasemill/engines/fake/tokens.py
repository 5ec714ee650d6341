"""The toy tokenizer: exactly reversible.

Four UTF-8 bytes make one token, special tokens apart, which is near what real tokenizers need for English
(4 characters a token) and Russian (2 to 2.4). A piece's id says its bytes, so all fake engines agree on ids.
"""

import re
from collections.abc import Sequence

SPECIALS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|begin|>")
BEGIN = SPECIALS.index("<|begin|>")
PIECE_BYTES = 4
# Ids of pieces of 1, 2, 3, 4 bytes begin here, each range right after the one before.
PIECE_BASES = (16, 16 + 256, 16 + 256 + 256**2, 16 + 256 + 256**2 + 256**3)
VOCABULARY = PIECE_BASES[3] + 256**4

_SPECIAL = re.compile("(" + "|".join(map(re.escape, SPECIALS)) + ")")


class UnknownToken(ValueError):
    """A token id that the tokenizer never gives out."""


def encode(text: str, *, add_special_tokens: bool = False) -> list[int]:
    """Token ids of a text; `add_special_tokens` puts <|begin|> first, as a real tokenizer puts its BOS."""
    ids = [BEGIN] if add_special_tokens else []
    for part in _SPECIAL.split(text):
        if part in SPECIALS:
            ids.append(SPECIALS.index(part))
            continue
        data = part.encode("utf-8", "surrogatepass")
        for at in range(0, len(data), PIECE_BYTES):
            piece = data[at : at + PIECE_BYTES]
            ids.append(PIECE_BASES[len(piece) - 1] + int.from_bytes(piece, "big"))
    return ids


def decode(ids: Sequence[int]) -> str:
    """The text of token ids, special tokens included; bytes that are no UTF-8 become U+FFFD.

    Raises UnknownToken.
    """
    return b"".join(map(_piece, ids)).decode("utf-8", "replace")


def count(text: str) -> int:
    """How many tokens `encode` makes of a text, without making them."""
    if "<|" not in text:
        return (len(text.encode("utf-8", "surrogatepass")) + PIECE_BYTES - 1) // PIECE_BYTES
    parts = _SPECIAL.split(text)
    return len(parts) // 2 + sum(
        (len(part.encode("utf-8", "surrogatepass")) + PIECE_BYTES - 1) // PIECE_BYTES for part in parts[::2]
    )


def clip(text: str, tokens: int) -> str:
    """The whole characters that the first `tokens` tokens of a text hold; the text has no special tokens."""
    return text.encode("utf-8", "surrogatepass")[: tokens * PIECE_BYTES].decode("utf-8", "ignore")


def _piece(token: int) -> bytes:
    if 0 <= token < len(SPECIALS):
        return SPECIALS[token].encode()
    if PIECE_BASES[0] <= token < VOCABULARY:
        for size in range(PIECE_BYTES, 0, -1):
            if token >= PIECE_BASES[size - 1]:
                return (token - PIECE_BASES[size - 1]).to_bytes(size, "big")
    raise UnknownToken(f"token id {token} is outside the vocabulary of {VOCABULARY} ids")
