from typing import Any

import pytest

from phrasemill.corpus_file import dump_corpus, parse_corpus
from phrasemill.fingerprint import differing_fields, fingerprint
from phrasemill.spec import CorpusSpec
from tests.specs import make_spec, merged

TEMPLATES = make_spec().model_dump(mode="json")["prompts"]["templates"]
LEXICONS = make_spec().model_dump(mode="json")["prompts"]["lexicons"]

DECIDING = {
    "language": {"language": "ru"},
    "shard_phrases": {"shard_phrases": 120},
    "model.name": {"model": {"name": "other-model"}},
    "model.adapter": {"model": {"adapter": "harbour"}},
    "model.chat": {"model": {"chat": False}},
    "sampling.temperature": {"sampling": {"temperature": 0.7}},
    "sampling.top_p": {"sampling": {"top_p": 0.9}},
    "sampling.max_tokens": {"sampling": {"max_tokens": 48}},
    "sampling.n": {"sampling": {"n": 2}},
    "sampling.phrases_per_prompt": {"sampling": {"phrases_per_prompt": 2}},
    "sampling.stop": {"sampling": {"stop": ["\n"]}},
    "prompts.examples": {"prompts": {"examples": [{"prompt": "A bell.", "phrase": "A bell rang over the pier."}]}},
    "prompts.system": {"prompts": {"system": "You write poems."}},
    "prompts.scene_phrases": {"prompts": {"scene_phrases": 10}},
    "prompts.templates[0].text": {
        "prompts": {"templates": [TEMPLATES[0] | {"text": "{object} {place.at}"}, TEMPLATES[1]]}
    },
    "prompts.templates[1].weight": {"prompts": {"templates": [TEMPLATES[0], TEMPLATES[1] | {"weight": 2}]}},
    "prompts.templates[1].name": {"prompts": {"templates": [TEMPLATES[0], TEMPLATES[1] | {"name": "work"}]}},
    "prompts.lexicons.trade[0]": {"prompts": {"lexicons": {"trade": ["a cook", *LEXICONS["trade"][1:]]}}},
    "prompts.lexicons.trade": {"prompts": {"lexicons": {"trade": [*LEXICONS["trade"], "a cook"]}}},
    "prompts.lexicons.place[0].at": {
        "prompts": {"lexicons": {"place": [{"name": "the pier", "at": "by the pier"}, *LEXICONS["place"][1:]]}}
    },
    "prompts.first_forms.place": {
        "prompts": {"lexicons": {"place": [{"at": p["at"], "name": p["name"]} for p in LEXICONS["place"]]}}
    },
    "rules.min_chars": {"rules": {"min_chars": 30}},
    "rules.max_chars": {"rules": {"max_chars": 150}},
    "rules.min_words": {"rules": {"min_words": 6}},
    "rules.max_words": {"rules": {"max_words": 30}},
    "rules.min_script_share": {"rules": {"min_script_share": 0.8}},
    "rules.max_attempts": {"rules": {"max_attempts": 10}},
    "rules.min_language_score": {"rules": {"min_language_score": 0.5}},
    "rules.off": {"rules": {"off": ["contacts"]}},
    "rules.patterns": {"rules": {"patterns": [{"name": "no_fog", "pattern": "fog"}]}},
    "rules.plugins": {"rules": {"plugins": [{"name": "no_rhyme", "version": "1.0"}]}},
    "prompts.templates[1].required_lexemes": {
        "prompts": {"templates": [TEMPLATES[0], TEMPLATES[1] | {"required_lexemes": 1}]}
    },
}
NOT_DECIDING: dict[str, dict[str, Any]] = {
    "title": {"title": "Another title"},
    "release": {"release": {"order": "shuffled", "gate": {"min_mtld": 40}}},
    "description": {"description": "For people."},
    "name": {"name": "another"},
    "target_phrases": {"target_phrases": 480},
    "oversample": {"oversample": 0.1},
    "block_phrases": {"block_phrases": 30},
    "schedule.start_date": {"schedule": {"start_date": "2027-01-01"}},
    "schedule.cron": {"schedule": {"cron": None}},
    "schedule.timezone": {"schedule": {"timezone": "UTC"}},
    "schedule.shards_per_night": {"schedule": {"shards_per_night": 4}},
    "schedule.catchup": {"schedule": {"catchup": True}},
    "schedule.deadline_hours": {"schedule": {"deadline_hours": 9}},
    "gate": {"gate": {"max_reject_share": 0.5, "min_mean_chars": 50}},
    "storage": {"storage": {"bucket": "elsewhere", "prefix": "", "connection": "other"}},
    "engines": {"engines": {"list_size": 8, "in_flight": 16, "connection": "other"}},
    "engines.limits": {"engines": {"limits": {"requests_per_minute": 60}}},
    "price": {"price": {"per_gpu_hour": 2.5}},
}


def leaves(value: Any, path: str = "") -> list[str]:
    """Dotted names of all fields, templates and lexicons taken as one."""
    if isinstance(value, dict) and path != "prompts.lexicons":
        return [leaf for key, below in value.items() for leaf in leaves(below, f"{path}.{key}".lstrip("."))]
    return [path]


@pytest.mark.parametrize("field", DECIDING)
def test_what_decides_the_text_is_in(field: str) -> None:
    assert fingerprint(make_spec(**DECIDING[field])) != fingerprint(make_spec())


@pytest.mark.parametrize("field", NOT_DECIDING)
def test_what_decides_no_text_is_out(field: str) -> None:
    changed = make_spec(**NOT_DECIDING[field])
    assert changed != make_spec()
    assert fingerprint(changed) == fingerprint(make_spec())
    assert differing_fields(make_spec(), changed) == []


def test_every_field_was_thought_of() -> None:
    """A new field must be put into one of the two tables above, and into or out of the fingerprint."""
    tested = [name.partition("[")[0] for name in (*DECIDING, *NOT_DECIDING)]
    for field in leaves(make_spec().model_dump(mode="json")):
        assert any(f"{field}.".startswith(f"{name}.") or name.startswith(field) for name in tested), field


class TestStability:
    def test_it_is_16_hex_digits_and_the_same_on_every_machine(self) -> None:
        assert fingerprint(make_spec()) == "77bf87b1f74a9c28"

    def test_it_survives_being_written_and_read(self) -> None:
        spec = make_spec(prompts={"system": "Ты — «писатель»."})
        assert fingerprint(parse_corpus(dump_corpus(spec), source="tiny.yaml")) == fingerprint(spec)

    def test_the_order_of_lexicons_is_out(self) -> None:
        fields = make_spec().model_dump(mode="json")
        fields["prompts"]["lexicons"] = dict(reversed(fields["prompts"]["lexicons"].items()))
        assert fingerprint(CorpusSpec.model_validate(fields)) == fingerprint(make_spec())

    def test_the_order_of_lexemes_is_in(self) -> None:
        turned = make_spec(prompts={"lexicons": {"trade": LEXICONS["trade"][::-1]}})
        assert fingerprint(turned) != fingerprint(make_spec())

    def test_a_whole_number_and_its_float_are_one(self) -> None:
        whole, point = make_spec(sampling={"temperature": 1}), make_spec(sampling={"temperature": 1.0})
        assert fingerprint(whole) == fingerprint(point)


class TestDifferingFields:
    @pytest.mark.parametrize("field", DECIDING)
    def test_the_field_is_named(self, field: str) -> None:
        (difference,) = differing_fields(make_spec(), make_spec(**DECIDING[field]))[:1]
        assert difference.startswith(f"{field} (")

    def test_both_values_are_told(self) -> None:
        assert differing_fields(make_spec(sampling={"temperature": 0.7}), make_spec()) == [
            "sampling.temperature (1.0 there, 0.7 in the corpus file)"
        ]

    def test_all_differences_are_told(self) -> None:
        theirs = make_spec(**merged(DECIDING["language"], DECIDING["rules.min_chars"]))
        assert differing_fields(make_spec(), theirs) == [
            "language ('ru' there, 'en' in the corpus file)",
            "rules.min_chars (30 there, 20 in the corpus file)",
        ]

    def test_lists_of_other_lengths_are_told_by_their_lengths(self) -> None:
        theirs = make_spec(**DECIDING["prompts.lexicons.trade"])
        assert differing_fields(make_spec(), theirs) == [
            "prompts.lexicons.trade (8 entries there, 7 entries in the corpus file)"
        ]

    def test_a_field_that_is_not_set_is_nothing(self) -> None:
        assert differing_fields(make_spec(), make_spec(model={"adapter": "harbour"})) == [
            "model.adapter ('harbour' there, nothing in the corpus file)"
        ]

    def test_long_values_are_shortened(self) -> None:
        (difference,) = differing_fields(make_spec(), make_spec(prompts={"system": "word " * 100}))
        assert len(difference) < 160
        assert "... there, 'You write short stories.' in the corpus file" in difference

    def test_equal_specs_differ_in_nothing(self) -> None:
        assert differing_fields(make_spec(), make_spec()) == []
