"""Reject reasons of the built-in phrase rules: their names, their order, their meaning, and which may be off."""

from typing import Literal

REASONS = {
    "thinking": "the answer is the model's thinking, with no phrase after it",
    "empty": "the engine answered nothing, or white space",
    "control_characters": "control, direction-changing, private or broken Unicode characters",
    "mojibake": "letters decoded wrongly, such as “Ã©” or “РџСЂ”",
    "no_sentence": "nothing in the answer ends like a sentence: it was cut, or is a fragment",
    "too_short": "fewer characters or words than the rules ask for",
    "too_long": "more characters or words than the rules allow",
    "contacts": "an e-mail address or a telephone number",
    "markup": "a link, HTML, markdown, a list or brackets",
    "no_capital": "does not begin with a capital letter",
    "meta": "talks about itself or the task, or refuses it",
    "echo": "repeats the instructions or its own prompt instead of following them",
    "wrong_script": "too few letters, too few of the corpus's script, a word of two scripts, a letter of a distant one",
    "repetition": "a character run, a word said three times in a row, or a repeated run of four words",
    "wrong_language": "reads like another language than the corpus's",
    "duplicate": "the same text, case and spaces folded, is in this shard already",
    "missing_lexemes": "names fewer of its prompt's lexemes than its template requires",
}
"""Reasons in the order in which they are tried; a corpus's patterns and plugins come before wrong_language."""

OffRule = Literal[
    "mojibake",
    "contacts",
    "markup",
    "no_capital",
    "meta",
    "echo",
    "wrong_script",
    "repetition",
    "wrong_language",
]
"""A rule that `rules.off` may name. The others hold rows together, or have a threshold that lets all pass."""

OF_THE_SHARD = ("duplicate", "missing_lexemes")
"""Rules that the mill asks, since they need more than the answer: the shard's other phrases, the prompt's lexemes."""
