"""E-mail addresses and telephone numbers are rejected; years, weights and times are not."""

import pytest

from phrasemill.rules import RuleBook
from tests.specs import make_spec

BOOKS = {language: RuleBook(make_spec(language=language, rules={"off": ["wrong_script"]})) for language in ("en", "ru")}


@pytest.mark.parametrize(
    "contact",
    [
        "keeper@harbour.example",
        "old.bell+pier@mail.harbour.co.uk",
        "+44 20 7946 0958",
        "+1 (555) 123-4567",
        "(555) 123-4567",
        "555-123-4567",
        "555.123.4567",
        "555-0123",
        "020 7946 0958",
        "+7 912 345-67-89",
        "+79123456789",
        "8 (912) 345-67-89",
        "8-800-555-35-35",
        "8 800 555 35 35",
        "(495) 123-45-67",
        "123-45-67",
        "89123456789",
    ],
)
def test_they_are_rejected(contact: str) -> None:
    assert BOOKS["en"].judge(f"For the old bell, ask at {contact} before the tide.").reason == "contacts"
    assert BOOKS["ru"].judge(f"Про старый колокол спросите: {contact}, до прилива.").reason == "contacts"


@pytest.mark.parametrize(
    "sentence",
    [
        "From 1914 to 1918 the old bell was silent over the pier.",
        "The war of 1914-1918 silenced the old bell of the pier.",
        "The pier held 10000000 gulls and one old bell.",
        "The ship cost 1,250,000 pounds and the bell 12.50 more.",
        "On 23.11.2026 at 22:15 the old bell rang for the pier.",
        "On 2026-11-23 the old bell rang for the whole pier.",
        "Room 12, house 34, street 56: the bell rang there for all.",
        "The tide rose 3.5 metres at 51.5074 north and the bell rang.",
    ],
)
def test_other_numbers_pass(sentence: str) -> None:
    assert BOOKS["en"].judge(sentence).reason is None


@pytest.mark.parametrize(
    "sentence",
    [
        "В 1914-1918 годах старый колокол молчал над пирсом.",
        "Пароход стоил 1 250 000 рублей, а колокол ещё 12.50.",
        "Вечером 23.11.2026 в 22:15 был слышен старый колокол.",
        "В доме № 12, квартира 34, был старый колокол.",
    ],
)
def test_russian_numbers_pass(sentence: str) -> None:
    assert BOOKS["ru"].judge(sentence).reason is None


def test_the_explanation_does_not_repeat_the_address() -> None:
    _, told = BOOKS["en"].explain("For the old bell, ask keeper@harbour.example before the tide.")
    (contacts,) = [one for one in told if one.rule == "contacts"]
    assert contacts.verdict == "rejects"
    assert "harbour" not in contacts.told
