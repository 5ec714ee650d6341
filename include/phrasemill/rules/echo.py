"""The echo rule, as far as it needs no prompt: a phrase that repeats the instructions of the corpus.

A phrase that repeats its own prompt is found by `phrasemill.copying`, which the mill asks.
"""

from phrasemill.listing import list_request
from phrasemill.rules.phrase import Phrase, folded_words
from phrasemill.rules.repetition import runs
from phrasemill.spec import CorpusSpec
from phrasemill.templates import SLOT

ECHO_WORDS = 5


class EchoRule:
    """Rejects ECHO_WORDS words in a row of the system prompt, or of a template's own words between slots."""

    def __init__(self, spec: CorpusSpec) -> None:
        texts = [spec.prompts.system or "", list_request(spec.language, spec.sampling.phrases_per_prompt)]
        for template in spec.prompts.templates:
            texts += SLOT.split(template.text)[::2]
        self._instructions = frozenset(run for text in texts for run in runs(folded_words(text), ECHO_WORDS))
        # No run is in a phrase without its longest word, and long words are rare.
        self._telling_words = frozenset(max(run, key=len) for run in self._instructions)

    def objects(self, phrase: Phrase) -> bool:
        """Whether a phrase repeats the instructions."""
        if self._telling_words.isdisjoint(phrase.distinct):
            return False
        return not self._instructions.isdisjoint(runs(phrase.words, ECHO_WORDS))

    def tells(self, phrase: Phrase) -> str:
        """The words that it repeats."""
        said = (run for run in runs(phrase.words, ECHO_WORDS) if run in self._instructions)
        return repr(" ".join(run)) if (run := next(said, None)) else ""
