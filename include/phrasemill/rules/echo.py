"""The echo rule, as far as it needs no prompt: a phrase that repeats the instructions of the corpus.

A phrase that repeats its own prompt is found by `phrasemill.copying`, which the mill asks.
"""

from phrasemill.listing import list_request
from phrasemill.rules.phrase import Phrase, fold, folded_words
from phrasemill.rules.repetition import runs
from phrasemill.spec import CorpusSpec
from phrasemill.templates import SLOT

ECHO_WORDS = 5


class EchoRule:
    """Rejects ECHO_WORDS words in a row of the system prompt, of an example, or of a template's words between slots.

    An example's phrase of fewer words is rejected as a whole.
    """

    def __init__(self, spec: CorpusSpec) -> None:
        texts = [spec.prompts.system or "", list_request(spec.language, spec.sampling.phrases_per_prompt)]
        for template in spec.prompts.templates:
            texts += SLOT.split(template.text)[::2]
        for example in spec.prompts.examples:
            texts += [example.prompt, example.phrase]
        self._instructions = frozenset(run for text in texts for run in runs(folded_words(text), ECHO_WORDS))
        self._shown = frozenset(fold(example.phrase) for example in spec.prompts.examples)
        # No run is in a phrase without its longest word, and long words are rare.
        self._telling_words = frozenset(
            max(run, key=len) for run in (*self._instructions, *(shown.split() for shown in self._shown))
        )

    def objects(self, phrase: Phrase) -> bool:
        """Whether a phrase repeats the instructions."""
        if self._telling_words.isdisjoint(phrase.distinct):
            return False
        return phrase.folded in self._shown or not self._instructions.isdisjoint(runs(phrase.words, ECHO_WORDS))

    def tells(self, phrase: Phrase) -> str:
        """The words that it repeats."""
        if phrase.folded in self._shown:
            return repr(phrase.folded)
        said = (run for run in runs(phrase.words, ECHO_WORDS) if run in self._instructions)
        return repr(" ".join(run)) if (run := next(said, None)) else ""
