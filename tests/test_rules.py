from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from phrasemill.meta import GIVEAWAYS, OPENERS, is_meta
from phrasemill.reject_reasons import OF_THE_SHARD
from phrasemill.rules import HEAD_CHARS, REASONS, RuleBook, fold, text_hash
from tests.specs import make_spec

TEXTS = Path(__file__).parent / "texts"
GOOD = {language: (TEXTS / f"good_{language}.txt").read_text("utf-8").splitlines() for language in ("en", "ru")}


def book(language: str = "en", **rules: Any) -> RuleBook:
    """The rules of the tiny corpus: 20 to 160 characters, 4 to 40 words."""
    return RuleBook(make_spec(language=language, rules=rules))


def reason(answer: str, language: str = "en", **rules: Any) -> str | None:
    return book(language, **rules).judge(answer).reason


class TestGoodSentences:
    @pytest.mark.parametrize(("language", "sentence"), [(lang, text) for lang in GOOD for text in GOOD[lang]])
    def test_they_pass_unchanged(self, language: str, sentence: str) -> None:
        assert book(language).judge(sentence) == (sentence, None, text_hash(sentence))

    def test_there_are_enough_of_them(self) -> None:
        assert len(set(GOOD["en"])) >= 40
        assert len(set(GOOD["ru"])) >= 40

    @pytest.mark.parametrize("language", ["en", "ru"])
    def test_they_pass_under_the_demos_rules(self, language: str) -> None:
        strict = book(language, min_chars=40, min_words=6, max_words=30)
        rejected = {text: strict.judge(text).reason for text in GOOD[language]}
        assert {text: why for text, why in rejected.items() if why} == {}


class TestEmpty:
    @pytest.mark.parametrize("answer", ["", " ", "\n\t \r\n", "\u00a0", " " * 100_000])
    def test_nothing_or_white_space(self, answer: str) -> None:
        assert reason(answer) == "empty"


class TestControlCharacters:
    @pytest.mark.parametrize(
        "odd",
        [
            *("\x00", "\x1b[31m", "\x08", "\x7f", "\x85", "\u00ad", "\u200b", "\u202e", "\u2066", "\ufeff", "\ufffd"),
            *("\ud83d", "\udc00", "\ue000", "\U000e0041", "\u2028"),
        ],
    )
    def test_broken_or_hidden_ones(self, odd: str) -> None:
        assert reason(f"The old bell {odd} rang over the pier.") == "control_characters"
        assert reason(f"Старый колокол {odd} звонил над пирсом.", "ru") == "control_characters"

    def test_line_breaks_and_tabs_are_white_space(self) -> None:
        verdict = book().judge("The old bell\nrang\tover the pier.\r\n")
        assert verdict == ("The old bell rang over the pier.", None, verdict.text_hash)

    @pytest.mark.parametrize(
        "sentence",
        [
            "The café’s naïve garçon rang the bell of the pier at 5 °C.",
            "“Ÿes,” he rang — twice… and again.",
            "The El Niño of the year and its ñanduti Ñu rang twice.",
        ],
    )
    def test_accents_and_typographic_signs_pass(self, sentence: str) -> None:
        assert reason(sentence, min_script_share=0.5) is None

    def test_what_is_rejected_is_cut(self) -> None:
        assert len(book().judge("\x00" * 10_000).text) == 160


class TestMojibake:
    @pytest.mark.parametrize("odd", ["â€œ", "Ã©", "Ð¿Ñ€", "вЂ“", "Ã\xa0"])
    def test_letters_decoded_wrongly(self, odd: str) -> None:
        assert reason(f"The old bell {odd} rang over the pier.") == "mojibake"
        assert reason(f"Старый колокол {odd} звонил над пирсом.", "ru") == "mojibake"

    @pytest.mark.parametrize("encoding", ["cp1251", "latin-1", "cp1252"])
    def test_a_whole_russian_sentence(self, encoding: str) -> None:
        # Bytes that an encoding lacks come out as they do in web browsers.
        spoilt = GOOD["ru"][0].encode().decode(encoding, "replace").replace("\ufffd", "")
        spoilt = "".join(char for char in spoilt if char.isprintable())
        assert reason(spoilt, "ru") == "mojibake"

    @pytest.mark.parametrize(
        ("sentence", "language"),
        [
            ("The Ångström sisters of Málaga and São Paulo rang the bell.", "en"),
            ("Señor Muñoz of the Île de Ré paid £5 for the ½-ton bell.", "en"),
            ("Россия, Русь и РСФСР: всё было на той карте.", "ru"),
            ("ССРР и РСРС были написаны на старом борту.", "ru"),
        ],
    )
    def test_rare_letters_are_none(self, sentence: str, language: str) -> None:
        assert reason(sentence, language) is None


class TestOff:
    @pytest.mark.parametrize(
        ("rule", "answer"),
        [
            ("mojibake", "The old bell Ã© rang over the pier."),
            ("contacts", "The old bell of the pier rings at 555-123-4567 today."),
            ("markup", "The old **bell** rang over the pier."),
            ("no_capital", "the old bell rang over the pier."),
            ("meta", "Sure, here is one about the pier and the bell."),
            ("wrong_script", "The 12 34 56 78 90 21 43 65 87 bells of the pier."),
            ("repetition", "The old bell raaaang over the pier."),
            ("wrong_language", "Der alte Leuchtturm war so still."),
        ],
    )
    def test_a_rule_that_is_off_rejects_nothing(self, rule: str, answer: str) -> None:
        assert reason(answer) == rule
        assert reason(answer, off=[rule]) is None

    def test_echoes_too(self) -> None:
        prompts = {"system": "You answer with exactly one bright line about the harbour."}
        answer = "He shall answer with exactly one bright bell."
        assert RuleBook(make_spec(prompts=prompts, rules={"off": ["echo"]})).judge(answer).reason is None

    def test_others_cannot_be_off(self) -> None:
        with pytest.raises(ValidationError):
            make_spec(rules={"off": ["no_sentence"]})


class TestExplain:
    def test_it_tells_of_every_rule_also_after_the_first_that_rejects(self) -> None:
        verdict, told = book().explain("sure, the **bell** rang at 555-123-4567 today!!!!")
        assert verdict.reason == "contacts"
        rejecting = {one.rule for one in told if one.verdict == "rejects"}
        assert rejecting == {"contacts", "markup", "no_capital", "meta", "wrong_script", "repetition"}
        assert [one.rule for one in told] == [name for name in REASONS if name not in OF_THE_SHARD]

    @pytest.mark.parametrize("language", ["en", "ru"])
    def test_it_agrees_with_the_verdict(self, language: str) -> None:
        answers = [*GOOD[language], *GOOD["ru" if language == "en" else "en"], "", "<think>", "\x00", "no end", "Tiny."]
        rules = book(language)
        for answer in answers:
            verdict, told = rules.explain(answer)
            assert next((one.rule for one in told if one.verdict == "rejects"), None) == verdict.reason

    def test_what_has_no_sentence_is_not_asked_further(self) -> None:
        _, told = book(off=["meta"]).explain("The old bell rang over the")
        verdicts = {one.rule: one.verdict for one in told}
        assert verdicts["no_sentence"] == "rejects"
        assert verdicts["echo"] == "not asked"
        assert verdicts["meta"] == "off"


class TestNoSentence:
    @pytest.mark.parametrize(
        "answer",
        ["The old bell rang over the", "The Old Bell\n\nIt rang over the pier.", 'He said, "The bell rang. And then'],
    )
    def test_cut_or_fragment(self, answer: str) -> None:
        assert reason(answer) == "no_sentence"

    def test_in_russian(self) -> None:
        assert reason("Старый колокол звонил над", "ru") == "no_sentence"


class TestLength:
    def test_bounds_are_inclusive(self) -> None:
        sentence = "The old bell rang here."
        assert reason(sentence, min_chars=len(sentence), max_chars=len(sentence)) is None
        assert reason(sentence, min_chars=len(sentence) + 1) == "too_short"
        assert reason(sentence, min_chars=1, max_chars=len(sentence) - 1) == "too_long"

    def test_words_count_too(self) -> None:
        sentence = "The old bell rang here."
        assert reason(sentence, min_words=5, max_words=5) is None
        assert reason(sentence, min_words=6) == "too_short"
        assert reason(sentence, min_words=1, max_words=4) == "too_long"

    def test_russian_counts_characters_not_bytes(self) -> None:
        sentence = "Старый колокол звонил над пирсом."
        assert len(sentence.encode()) > 50
        assert reason(sentence, "ru", max_chars=33) is None

    def test_only_the_sentence_counts_not_the_answer(self) -> None:
        assert reason("The old bell rang over the pier. " * 50) is None


class TestMarkup:
    @pytest.mark.parametrize(
        "sentence",
        [
            "The old bell rang at https://example.com/a today.",
            "The old bell rang at www.example.com today.",
            "The old bell <b>rang</b> over the pier.",
            "The old bell rang &amp; fell over the pier.",
            "The old bell rang&#39;s over the pier.",
            "The old **bell** rang over the pier.",
            "The old *bell* rang over the pier.",
            "The old _bell_ rang over the pier.",
            "The old `bell` rang over the pier.",
            "The old [bell](pier) rang over the pier.",
            "The old {bell} rang over the pier.",
            "The old | bell | rang over the pier.",
            "The old ~~bell~~ rang over the pier.",
            "The old bell rang over the pier #sunset.",
            "Write to the keeper @bell about the pier today.",
            "- The old bell rang over the pier.",
            "• The old bell rang over the pier.",
            "1. The old bell rang over the pier.",
            "2) The old bell rang over the pier.",
        ],
    )
    def test_is_rejected(self, sentence: str) -> None:
        assert reason(sentence) == "markup"

    @pytest.mark.parametrize(
        "sentence",
        [
            "The old bell rang in flat #12 over the pier.",
            "The old bell weighed ~20 kilos on the pier.",
            "The old clerk proved that 2 + 2 = 4 on the pier.",
            "Salt & Sons rang the old bell over the pier.",
            "The old bell (a gift) rang over the pier.",
            "The old bell cost 5 % more on the pier.",
            "The old bell rang at 22:15 over the pier.",
            "The old bell's rope—half/half—hung over the pier.",
        ],
    )
    def test_ordinary_signs_pass(self, sentence: str) -> None:
        assert reason(sentence) is None

    def test_in_russian(self) -> None:
        assert reason("Старый **колокол** звонил над пирсом.", "ru") == "markup"
        assert reason("Старый колокол № 5 (подарок) звонил над пирсом.", "ru") is None


class TestNoCapital:
    @pytest.mark.parametrize(
        ("answer", "language"),
        [
            ("the old bell rang over the pier.", "en"),
            ("...and the old bell rang over the pier.", "en"),
            ("— and so the old bell rang over the pier.", "en"),
            ("старый колокол звонил над пирсом.", "ru"),
            ("12 bells rang over the pier.", "en"),
        ],
    )
    def test_is_rejected(self, answer: str, language: str) -> None:
        assert reason(answer, language) == "no_capital"

    @pytest.mark.parametrize(
        ("answer", "language"),
        [
            ("“Bells,” he said, “rang over the pier.”", "en"),
            ("«Колокол», — сказал он и вышел на пирс.", "ru"),
            ("— Колокол, — сказал он и вышел на пирс.", "ru"),
            ("Ёлка упала на старый пирс ночью.", "ru"),
            ("Élodie rang the old bell over the pier.", "en"),
            ("(The old bell rang over the pier.)", "en"),
        ],
    )
    def test_quotes_and_dashes_may_stand_before_it(self, answer: str, language: str) -> None:
        assert reason(answer, language) is None


class TestMeta:
    @pytest.mark.parametrize(
        "answer",
        [
            "Sure, I can write that sentence for you.",
            "Sure, here is a vivid sentence about the bell.",
            "Certainly, the following describes the pier.",
            "Of course, here is one about the pier.",
            "Here is a sentence about the old bell: it rang.",
            "Here's your vivid description of the old pier.",
            "Here are three phrases about the old pier.",
            "As an AI language model, I have never seen a pier.",
            "As an AI, I have never seen a pier.",
            "I'm sorry, but I can't help with the old pier.",
            "I’m sorry, but I can’t help with the old pier.",
            "I am sorry, but I cannot write about the pier.",
            "I cannot assist with writing about the pier.",
            "I am unable to provide a sentence on the pier.",
            "Unfortunately, I cannot do that on the pier.",
            "I'd be happy to write about the old pier.",
            "This sentence describes an old bell on a pier.",
            "A vivid sentence of the old bell on the pier.",
            "The bell rang in scene number 12 on the pier.",
            "The bell rang, exactly 80 characters long, on the pier.",
            "The user wants a sentence about the old pier.",
            "Below is a vivid scene about the old pier.",
            "Here you go with the old bell of the pier.",
            "Got it, the bell of the pier it is.",
            "My apologies for the bell of the old pier.",
            "As a language model, I have never seen a pier.",
            "I don't have personal memories of the pier.",
            "I must decline to write about the old pier.",
            "I've written the bell into the old pier.",
            "Please provide more details about the old pier.",
            "The salt wind, in this scene, is the beauty of the pier.",
            "A bell, and a scene set in a small town by the pier.",
            "The protagonist, a diver named Alex, finds the bell.",
        ],
    )
    def test_offers_refusals_and_task_talk_are_rejected(self, answer: str) -> None:
        assert reason(answer) == "meta"

    @pytest.mark.parametrize(
        "answer",
        [
            "Конечно, вот предложение о старом пирсе.",
            "Вот предложение о старом колоколе на пирсе.",
            "Вот ваше предложение о старом колоколе.",
            "Извините, но я не могу написать о пирсе.",
            "К сожалению, я не могу помочь вам с пирсом.",
            "Как ИИ, я никогда не видел старого пирса.",
            "Как языковая модель, я не видел пирса.",
            "Я не могу помочь с этим запросом о пирсе.",
            "Колокол звонил, сцена номер 12, над пирсом.",
            "Пожалуйста, уточните, какой это был пирс.",
            "Конечно! Старый колокол звонил над пирсом, как ты и просил.".replace("! ", "! вот что: "),
            "Ниже приведено описание старого пирса.",
            "По вашему запросу: колокол на старом пирсе.",
            "Вот несколько строк о старом пирсе.",
            "Простите, я не могу написать о пирсе.",
            "Я всего лишь языковая модель на старом пирсе.",
            "В этой сцене старый колокол звонит над пирсом.",
            "Пользователь просит описать старый пирс.",
            "Sure, I can write about the old pier.",
        ],
    )
    def test_in_russian_and_in_english_of_a_russian_corpus(self, answer: str) -> None:
        assert reason(answer, "ru") == "meta"

    @pytest.mark.parametrize(
        "answer",
        [
            "The judge read the sentence and left the pier.",
            "He wrote one sentence and went down to the pier.",
            "“I'm sorry,” she whispered over the old pier.",
            "I cannot forget the old bell over the pier.",
            "I can't help smiling at the old pier.",
            "It was certainly the old bell over the pier.",
            "Sure of his step, he walked along the pier.",
            "Of course, the old bell rang at midnight.",
            "Here is where the boats came in every spring.",
            "Here are gulls enough for a hundred piers.",
            "I hope this letter finds you on the old pier.",
            "Let me know when the old bell rings again.",
            "As an aide, he rang the old bell twice.",
            "The prompt ferry was the pride of the old pier.",
            "Every language of the bell was known on the pier.",
            "Scene after scene, the play sank into the pier.",
            "The characters of the play slept on the pier.",
            "She was able to create a garden on the pier.",
            "Below the pier a bell rang for the old boats.",
            "Note by note, the bell of the old pier sank.",
            "I must go down to the old pier and the bell.",
            "I don't have the key of the old pier.",
        ],
    )
    def test_fiction_with_the_same_words_passes(self, answer: str) -> None:
        assert reason(answer) is None

    @pytest.mark.parametrize(
        "answer",
        [
            "Конечно, старый колокол звонил над пирсом.",
            "Извините, но паром сегодня не пойдёт, сказал он.",
            "Я не могу забыть старый колокол над пирсом.",
            "Вот одно окно погасло над старым пирсом.",
            "Это предложение он отверг и вышел на пирс.",
            "Как Иисус на иконе, он поднял руку.",
            "К сожалению, я опоздал на последний паром.",
            "Искусственный интеллект маяка не спал ночью.",
            "Ниже по течению звонил старый колокол.",
            "С удовольствием он вышел на старый пирс.",
            "Вот несколько лодок вышли из старой бухты.".replace("Вот несколько", "Вот и несколько"),
            "Простите, я не видел вашей лодки у пирса.",
            "Сцена опустела, и над пирсом был слышен колокол.",
        ],
    )
    def test_russian_fiction_with_the_same_words_passes(self, answer: str) -> None:
        assert reason(answer, "ru") is None

    @pytest.mark.parametrize("opener", OPENERS)
    def test_every_opener_is_reached(self, opener: str) -> None:
        folded = fold(f"{opener} the rest of it")
        assert is_meta(folded, folded.split())

    @pytest.mark.parametrize("phrase", GIVEAWAYS.values())
    def test_every_giveaway_is_reached(self, phrase: str) -> None:
        folded = fold(f"it said {phrase} and so on")
        assert is_meta(folded, folded.split())


class TestEcho:
    def test_five_words_of_the_instructions_are_rejected(self) -> None:
        prompts = {"system": "You answer with exactly one bright line about the harbour."}
        rules = RuleBook(make_spec(prompts=prompts))
        assert rules.judge("He shall answer with exactly one bright bell.").reason == "echo"
        assert rules.judge("You answer with exactly one small bell.").reason == "echo"

    def test_four_words_are_not(self) -> None:
        prompts = {"system": "You answer with exactly one bright line about the harbour."}
        assert RuleBook(make_spec(prompts=prompts)).judge("They answer with exactly one small bell.").reason is None

    def test_words_of_slots_are_no_instructions(self) -> None:
        assert reason("Write a bell on the pier into a book.") is None

    def test_a_template_is_an_instruction_too(self) -> None:
        templates = make_spec().model_dump(mode="json")["prompts"]["templates"]
        templates[0]["text"] = "Опишите одним предложением то, что видит {object} {place.at}."
        rules = RuleBook(make_spec(language="ru", prompts={"templates": templates}))
        assert rules.judge("Опишите одним предложением то, что видит кот.").reason == "echo"
        assert rules.judge("Одним предложением он описал всё, что видит кот.").reason is None


class TestWrongScript:
    @pytest.mark.parametrize(
        ("answer", "language"),
        [
            ("Старый колокол звонил над пирсом.", "en"),
            ("The old bell rang over the pier.", "ru"),
            ("The old колокол звонил над over pier.", "en"),
            ("Старый bell звонил over the пирсом.", "ru"),
            ("The 古い鐘が桟橋の上で rang over the pier.", "en"),
            ("Старый 古い鐘が桟橋の上で звонил над ним.", "ru"),
            ("The 12 34 56 78 90 12 34 56 78 90 bells.", "en"),
            ("А 12 34 56 78 90 12 34 56 78 90 пирс.", "ru"),
            ("A — — — — — — — — — — — — — — — b c d.", "en"),
            ("Старый колокол звонил над 海 до рассвета.", "ru"),
            ("The old bell rang over the 海 until dawn.", "en"),
            ("The old bell rang over the pіer until dawn.", "en"),
            ("The old bell rang а little over the pier.", "en"),
            ("A потом пришёл паром, и старик подал ей фонарь.", "ru"),
            ("«C моря тянуло гарью», — сказал старик у пристани.", "ru"),
            ("Машина ГAЗ-69 стояла у старого сарая на берегу.", "ru"),
            ("Старый сторож увидел beautiful море у пристани.", "ru"),
            ("Старый колокол звонил над Harbour, и Lighthouse погас у мола.", "ru"),
        ],
    )
    def test_is_rejected(self, answer: str, language: str) -> None:
        assert reason(answer, language) == "wrong_script"

    @pytest.mark.parametrize(
        ("answer", "language"),
        [
            ("The naïve façade of the café über the pier.", "en"),
            ("The α bell rang over the old pier of the town.", "en"),
            ("By 1923 the 2 bells weighed 45 kilos each.", "en"),
            ("Ёжик съел её ёлку, и объём ещё вырос.", "ru"),
            ("Радио FM хрипело над старым пирсом всю ночь.", "ru"),
            ("На старом проигрывателе снова крутился альбом Pink Floyd, и дождь подпевал за окном.", "ru"),
            ("В XVIII веке здесь торговали солью, а теперь сушат бельё.", "ru"),
            ("Ржавый ГАЗ-69 стоял у сарая, а над ним прошёл МиГ-29.", "ru"),
            ("В 90-е годы здесь продавали джинсы Levi's и мёд.", "ru"),
            ("На Wi-Fi в деревне надеялись, как прежде на дождь.", "ru"),
            ("Доктор прописал витамин C и долгие прогулки по берегу.", "ru"),
            ("V-образный клин журавлей прошёл над элеватором.", "ru"),
            ("The bell — “Old Tom” — rang, low; they slept.", "en"),
        ],
    )
    def test_a_few_other_letters_and_signs_pass(self, answer: str, language: str) -> None:
        assert reason(answer, language) is None

    def test_the_share_is_the_corpuss(self) -> None:
        mixed = "The old колокол rang over the pier today."  # 25 of 32 letters
        assert reason(mixed, min_script_share=0.78) is None
        assert reason(mixed, min_script_share=0.79) == "wrong_script"


class TestRepetition:
    @pytest.mark.parametrize(
        ("answer", "language"),
        [
            ("The old bell raaaang over the pier.", "en"),
            ("The old bell rang over the pier!!!!", "en"),
            ("The old bell rang over the pier.... The gulls left.", "en"),
            ("The bell rang the the the old pier.", "en"),
            ("The bell rang, no, no, no, over the pier.", "en"),
            ("The old bell rang low and the old bell rang high.", "en"),
            ("Старый колокол звониииил над пирсом.", "ru"),
            ("Колокол звонил, да, да, да, над пирсом.", "ru"),
            ("Над старым пирсом звонил он, над старым пирсом звонил.", "ru"),
            ("The AaAa bell rang over the pier.", "en"),
        ],
    )
    def test_is_rejected(self, answer: str, language: str) -> None:
        assert reason(answer, language) == "repetition"

    @pytest.mark.parametrize(
        ("answer", "language"),
        [
            ("The bell rang and rang, and the pier rang too.", "en"),
            ("She had had enough of the old bell.", "en"),
            ("The pier held 10000 gulls and one old bell.", "en"),
            ("The bell rang... and the pier slept.", "en"),
            ("The bell rang over and over the old pier.", "en"),
            ("The old bell, the old pier, the old gulls.", "en"),
            ("Wait... what was it that rang?!!", "en"),
            ("Звонил, звонил старый колокол над пирсом.", "ru"),
            ("Длинношеее животное стояло на пирсе.", "ru"),
        ],
    )
    def test_ordinary_emphasis_passes(self, answer: str, language: str) -> None:
        assert reason(answer, language) is None


class TestVerdicts:
    def test_reasons_are_tried_in_their_listed_order(self) -> None:
        tried = [rule.name for rule in book().rules]
        assert tried == [name for name in REASONS if name in tried]
        before = {"thinking", "empty", "control_characters", "mojibake", "no_sentence"}
        assert set(REASONS) - set(tried) == before | set(OF_THE_SHARD)

    def test_the_text_is_the_sentence_freed_of_its_wrapping(self) -> None:
        assert (
            book().judge('Scene 12: "The old bell rang over the pier." It').text == "The old bell rang over the pier."
        )

    def test_a_rejected_sentence_is_told_too(self) -> None:
        assert book().judge("Tiny. And more of it follows here.").text == "Tiny."


class TestFolding:
    @pytest.mark.parametrize(
        ("one", "other"),
        [
            ("The Bell rang.", "the bell RANG."),
            ("The  bell\nrang.", "The bell rang."),
            ("The bell\u00a0rang.", "The bell rang."),
            ("ﬁne bell", "fine bell"),
            ("Ёлка", "ёлка"),
            ("и\u0306", "й"),
            ("Straße", "STRASSE"),
        ],
    )
    def test_the_same_phrase_has_one_hash(self, one: str, other: str) -> None:
        assert text_hash(one) == text_hash(other)

    @pytest.mark.parametrize(("one", "other"), [("The bell.", "The bell!"), ("ёлка", "елка"), ("a b", "ab")])
    def test_another_phrase_has_another(self, one: str, other: str) -> None:
        assert text_hash(one) != text_hash(other)

    def test_the_hash_is_that_of_every_version(self) -> None:
        assert text_hash("The old bell rang over the pier.") == 5313885424185517941

    def test_folding_twice_changes_nothing(self) -> None:
        for sentence in GOOD["en"] + GOOD["ru"]:
            assert fold(fold(sentence)) == fold(sentence)


class TestHostileAnswers:
    @pytest.mark.parametrize("language", ["en", "ru"])
    @pytest.mark.parametrize(
        "answer",
        [
            "a" * 2000,
            "a" * 2000 + ".",
            "!" * 2000,
            ". " * 1000,
            '"' * 2000,
            "A " * 999 + ".",
            "Aa. " * 500,
            "a" * 100_000,
            "The old bell rang over the pier " * 4_000 + ".",
            "(" * 1000 + ")" * 1000 + ".",
            "i can " * 300 + ".",
            "here is " * 250 + "sentence.",
            "& " * 1000 + ".",
            "# " * 1000 + ".",
            "1" * 2000 + ".",
            "\ud800" * 2000,
            "Ð" * 2000 + ".",
            "— " * 1000 + "А.",
            "🌊" * 2000 + ".",
        ],
        ids=lambda answer: f"{answer[:6]!a}x{len(answer)}",
    )
    def test_they_are_judged(self, answer: str, language: str) -> None:
        verdict = book(language, max_chars=10_000, max_words=10_000).judge(answer)
        assert verdict.reason in REASONS
        assert len(verdict.text) <= HEAD_CHARS

    def test_a_sentence_at_the_head_of_100_kb_is_found(self) -> None:
        sentence = "The old bell rang over the pier."
        assert book().judge(f"{sentence} " + "More of it. " * 9_000) == (sentence, None, text_hash(sentence))
