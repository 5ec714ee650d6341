"""Talk about the task instead of the phrase: offers, refusals, and words of the instructions.

Ordinary fiction must pass ('The judge read the sentence.', '"I'm sorry," she said.'), so what fiction also says is
looked for only at the beginning, or only beside a word that gives it away. Both languages are looked for whatever
the corpus's: models fall back to English.
"""

import re

# All are matched against folded text: small letters, straight apostrophes, single spaces.
# fmt: off
OPENERS = (
    # offers and talk of the task
    "sure, ", "sure! ", "certainly, ", "certainly! ", "absolutely, here", "of course, here", "of course, i can ",
    "okay, here", "ok, here", "great, here", "i'd be happy to", "i'd be glad to", "i would be happy to",
    "this sentence", "in this sentence", "the sentence is a ", "the sentence describes", "the sentence captures",
    "the sentence conveys", "rearrange the sentence", "rewrite the sentence", "this scene", "in this scene",
    "the scene is set ", "the scene describes", "the scene depicts",
    "i'm here to assist", "i'm here to help you write", "i'm excited to share", "i'm sorry for the misunderstanding",
    "the user wants", "the user asks", "okay, the user", "i hope this helps", "please provide ", "please specify ",
    "конечно, вот", "конечно, я могу", "разумеется, вот", "хорошо, вот", "вот предложение", "вот одно предложение",
    "вот пример", "вот яркое предложение", "вот вариант", "вот ваш", "это предложение описывает",
    "пожалуйста, уточните", "пожалуйста, предоставьте",
    # refusals
    "i'm sorry, but i c", "i am sorry, but i c", "i'm sorry, i c", "i'm sorry, but as", "sorry, but i c",
    "i apologize, but", "i apologize for the", "unfortunately, i c", "unfortunately, as an",
    "i'm an ai", "i am an ai", "i'm just an ai",
    "извините, но я не могу", "простите, но я не могу", "к сожалению, я не могу", "я не могу помочь с",
    "я не могу выполнить", "я не могу создать", "я не могу написать", "я не могу сгенерировать",
    "я не могу предоставить", "как ии ", "как ии,", "как ии-", "как искусственный интеллект", "как языковая модель",
)
# The word that gives a phrase away -> the phrase, wherever it stands. The word is never the phrase's last one,
# which may carry a comma.
GIVEAWAYS = {
    "ai": "as an ai ", "ai,": "as an ai,", "language": "language model", "vivid": "vivid sentence",
    "scene": "scene number", "characters": "characters long", "your": "your prompt", "given": "given prompt",
    "know": "let me know if you need", "языковая": "языковая модель", "языковой": "языковой модели",
    "this": "in this scene", "set": "scene set in ", "protagonist": "the protagonist",
    "protagonist,": "the protagonist", "protagonist's": "the protagonist's", "сцена": "сцена номер",
    "номер": "номер сцены", "этом": "в этом предложении",
}
# fmt: on
OFFER = re.compile(
    r"here(?:'s| is| are) .{0,60}?\b(?:sentences?|phrases?|scenes?|descriptions?|examples?|responses?|answers?|"
    r"attempts?|versions?|prompts?)\b"
)
REFUSAL = re.compile(
    r"\bi(?:'m| am)? (?:can(?:not|'t| not)|unable to|not able to) (?:assist|help with|provide|generate|create|"
    r"fulfill?|comply|produce|write an? |write that|complete (?:this|that|your))"
)


OPENING_WORDS = frozenset(opener.split()[0] for opener in OPENERS)


def is_meta(folded: str, words: list[str]) -> bool:
    """Whether a folded text, given with its words, talks about itself or the task, or refuses it."""
    if "’" in folded:
        folded = folded.replace("’", "'")
        words = folded.split()
    if words[0] in OPENING_WORDS and folded.startswith(OPENERS):
        return True
    if not GIVEAWAYS.keys().isdisjoint(words) and any(map(folded.__contains__, GIVEAWAYS.values())):
        return True
    if folded.startswith("here") and OFFER.match(folded):
        return True
    return ("i can" in folded or "able to" in folded) and REFUSAL.search(folded) is not None
