"""Talk about the task instead of the phrase: offers, refusals, and words of the instructions.

Ordinary fiction must pass ('The judge read the sentence.', '"I'm sorry," she said.'), so what fiction also says is
looked for only at the beginning, or only beside a word that gives it away. Both languages are looked for whatever
the corpus's: models fall back to English.
"""

import re
from collections.abc import Set

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
    "below is a ", "here you go", "got it, ", "absolutely! ", "of course! ", "my apologies", "feel free to ask",
    "note: ", "note that the sentence", "does this sentence", "i've written", "i have written a sentence",
    "the user wants", "the user asks", "okay, the user", "i hope this helps", "please provide ", "please specify ",
    "конечно, вот", "конечно, я могу", "разумеется, вот", "хорошо, вот", "вот предложение", "вот одно предложение",
    "вот пример", "вот яркое предложение", "вот вариант", "вот ваш", "это предложение описывает",
    "пожалуйста, уточните", "пожалуйста, предоставьте",
    "конечно! ", "разумеется! ", "хорошо, давайте", "с удовольствием напишу", "ниже приведен", "ниже приведён",
    "по вашему запросу", "в данном предложении", "в этой сцене", "сцена описывает", "сцена изображает",
    "предложение описывает", "надеюсь, это предложение", "вот несколько", "вот описание", "вот короткое предложение",
    "пользователь просит", "пользователь хочет", "хорошо, пользователь", "примечание:", "ниже представлен",
    "конечно, давайте", "конечно, напишу", "конечно, я напишу", "данное предложение", "это предложение передаёт",
    "это предложение передает", "это предложение показывает", "мне нужно написать предложение",
    "мне нужно придумать предложение", "нужно написать предложение", "нужно придумать предложение",
    # refusals
    "i'm sorry, but i c", "i am sorry, but i c", "i'm sorry, i c", "i'm sorry, but as", "sorry, but i c",
    "i apologize, but", "i apologize for the", "unfortunately, i c", "unfortunately, as an",
    "i'm an ai", "i am an ai", "i'm just an ai", "as a language model", "as a virtual assistant",
    "i won't be able to", "i must decline", "i'm not comfortable writing", "i don't have personal",
    "i do not have personal", "it is not appropriate to", "it's not appropriate to",
    "извините, но я не могу", "простите, но я не могу", "к сожалению, я не могу", "я не могу помочь с",
    "я не могу выполнить", "я не могу создать", "я не могу написать", "я не могу сгенерировать",
    "я не могу предоставить", "как ии ", "как ии,", "как ии-", "я не могу ответить на этот запрос",
    "я всего лишь языковая", "я — языковая", "я языковая модель", "прошу прощения, но я не", "мне жаль, но я не могу",
    "извините, я не могу", "простите, я не могу", "как виртуальный помощник", "как искусственный интеллект",
    "как языковая модель", "я искусственный интеллект", "я — искусственный интеллект", "я - искусственный интеллект",
    "я — ии", "я - ии", "я являюсь ии", "я являюсь искусственным", "будучи ии", "как большая языковая",
    "я не имею возможности", "я не в состоянии выполнить", "я не могу продолжить этот",
)
# The word that gives a phrase away -> the phrase, wherever it stands. The word is never the phrase's last one,
# which may carry a comma.
GIVEAWAYS = {
    "ai": "as an ai ", "ai,": "as an ai,", "language": "language model", "vivid": "vivid sentence",
    "scene": "scene number", "characters": "characters long", "your": "your prompt", "given": "given prompt",
    "know": "let me know if you need", "языковая": "языковая модель", "языковой": "языковой модел",
    "this": "in this scene", "set": "scene set in ", "protagonist": "the protagonist",
    "protagonist,": "the protagonist", "protagonist's": "the protagonist's", "сцена": "сцена номер",
    "номер": "номер сцены", "этом": "в этом предложении",
}
# fmt: on
OFFER = re.compile(
    r"here(?:'s| is| are) .{0,60}?\b(?:sentences?|phrases?|scenes?|descriptions?|examples?|responses?|answers?|"
    r"attempts?|versions?|prompts?)\b"
)
# "Вот одно короткое яркое предложение о маяке: ..."; without its colon it may be fiction.
RU_OFFER = re.compile(
    r"вот (?:[\w-]+,? ){0,4}?(?:предложени[ея]|варианты?|описание|фраз[аы]|примеры?|ответ)\b[^.!?:]{0,80}:"
)
REFUSAL = re.compile(
    r"\bi(?:'m| am)? (?:can(?:not|'t| not)|unable to|not able to) (?:assist|help with|provide|generate|create|"
    r"fulfill?|comply|produce|write an? |write that|complete (?:this|that|your))"
)

OPENERS_BY_WORD = {
    word: tuple(opener for opener in OPENERS if opener.split()[0] == word)
    for word in {opener.split()[0] for opener in OPENERS}
}
GIVEAWAY_WORDS = frozenset(GIVEAWAYS)


def is_meta(folded: str, words: Set[str]) -> bool:
    """Whether a folded text, given with the set of its words, talks about itself or the task, or refuses it."""
    if "’" in folded:
        folded = folded.replace("’", "'")
        words = set(folded.split())
    openers = OPENERS_BY_WORD.get(folded[: folded.find(" ")])
    if openers and folded.startswith(openers):
        return True
    if not GIVEAWAY_WORDS.isdisjoint(words) and any(map(folded.__contains__, GIVEAWAYS.values())):
        return True
    if folded.startswith("here") and OFFER.match(folded):
        return True
    if folded.startswith("вот ") and RU_OFFER.match(folded):
        return True
    return ("i can" in folded or "able to" in folded) and REFUSAL.search(folded) is not None
