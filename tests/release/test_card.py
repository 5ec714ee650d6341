"""The data card: Hugging Face reads its header, people its body, and no text in it is read as markup."""

import json
import re
from itertools import pairwise
from typing import Any

import datasets
import pytest
import yaml
from huggingface_hub import DatasetCard, DatasetCardData
from markdown_it import MarkdownIt
from markdown_it.token import Token

from phrasemill.facts import Facts
from phrasemill.manifest import Acceptance
from phrasemill.release.card import CARD
from phrasemill.release.card_header import LICENCES, licence_fields, size_category
from phrasemill.release.markdown import fenced, inline
from phrasemill.release.publish import publish
from phrasemill.spec import CorpusSpec
from phrasemill.visible import visible
from tests.hostile import HOSTILE
from tests.release.committing import memory_store, objects_of
from tests.release.releasing import FIGURES, KEPT, NOW, made_release, put_quality, release_spec

MARKDOWN = [
    "```\n# Mine\n```",
    "~~~~\nbroken out\n~~~~",
    "a | b | c\n|---|---|\n| 1 |",
    "---\nlicense: mit\n---",
    "\n\n# Heading\n\n- entry\n1. entry\n> quote\n***\n===",
    "[click](https://example.invalid) ![x](https://example.invalid/x.png) <https://example.invalid>",
    "*bold* _slanted_ ~~struck~~ `code` $x$ &lt; &#35; \\",
    "[label]: https://example.invalid 'title'",
    "- entry",
    "1. entry",
    "2) entry",
    "+ entry",
    "    indented",
    "{{ 7 * 7 }}{% raw %}",
    "{: .class }  {#id}",
    "\ttab | ` `` ```` backticks",
]
ALL = [*MARKDOWN, *(text for text in HOSTILE if len(text) < 1000)]
PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def card_of(spec: CorpusSpec | None = None, **how: Any) -> str:
    place = made_release(memory_store(spec or release_spec()), **how)
    publish(place)
    return objects_of(place.store)[place.keys.file(CARD)].decode()


def body(card: str) -> str:
    return card.split("\n---\n", 1)[1]


def blocks(card: str) -> list[Token]:
    return PARSER.parse(body(card))


def inlines(tokens: list[Token]) -> set[str]:
    return {child.type for token in tokens for child in token.children or ()}


def hostile_spec(number: int) -> CorpusSpec:
    """Every text of the corpus file that the card shows, from the hostile ones, turn by turn."""
    texts = [ALL[(number + place) % len(ALL)].strip() for place in range(len(ALL))]
    lexemes = [f"{text} {place}".replace("\n", " ") for place, text in enumerate(texts)]
    return release_spec(
        title=texts[0],
        description=texts[1],
        model={"name": texts[2], "adapter": texts[3]},
        prompts={
            "system": texts[4],
            "templates": [
                {"name": "seen", "weight": 3, "text": f"{_no_slots(texts[5])} {{object}} {{place.at}}"},
                {"name": "made", "text": f"{{trade}}\n{_no_slots(texts[6])}\n{{object}}"},
            ],
            "lexicons": {"object": lexemes},
        },
        rules={"patterns": [{"name": "own", "pattern": re.escape(texts[7])}]},
        release={"licence": texts[8], "model_licence": texts[9]},
    )


def _no_slots(text: str) -> str:
    return text.replace("{", "(").replace("}", ")")


class TestHeader:
    def test_hugging_face_reads_it(self) -> None:
        data = DatasetCard(card_of(release_spec(release={"licence": "cc-by-4.0"}))).data
        assert isinstance(data, DatasetCardData)
        assert (data.license, data.language, data.pretty_name) == ("cc-by-4.0", ["en"], "Tiny harbour (tiny v1)")
        assert (data.size_categories, data.task_categories) == (["n<1K"], ["text-generation"])
        assert data.to_dict() == yaml.safe_load(data.to_yaml())

    def test_datasets_reads_features_and_sizes(self) -> None:
        info = datasets.DatasetInfo.from_dict(_info(card_of()))
        assert info.splits["train"].num_examples == 180
        assert info.features["slots"] == {name: datasets.Value("string") for name in ("object", "place", "trade")}
        assert info.features["text_hash"] == datasets.Value("uint64")
        assert info.features["template"] == datasets.Value("string")

    def test_a_licence_of_ones_own_has_a_name(self) -> None:
        assert licence_fields("House Licence 1.0!") == {"license": "other", "license_name": "house-licence-1.0"}
        link = "https://example.invalid/licence"
        assert licence_fields(link)["license_link"] == link
        assert licence_fields("CC-BY-4.0") == {"license": "cc-by-4.0"}
        assert licence_fields(None) == {"license": "unknown"}
        assert licence_fields("«»") == {"license": "other", "license_name": "own-licence"}
        assert "cc-by-4.0" in LICENCES

    @pytest.mark.parametrize(
        ("phrases", "category"),
        [(999, "n<1K"), (1000, "1K<n<10K"), (10**7, "10M<n<100M"), (10**9, "1B<n<10B"), (10**12, "n>1T")],
    )
    def test_size_categories_are_hugging_faces(self, phrases: int, category: str) -> None:
        assert size_category(phrases) == category

    @pytest.mark.parametrize("number", range(len(ALL)))
    def test_hostile_titles_stay_in_their_value(self, number: int) -> None:
        card = card_of(release_spec(title=ALL[number].strip() or "x", release={"licence": ALL[number - 1].strip()}))
        told = yaml.safe_load(card.split("\n---\n", 1)[0].removeprefix("---\n"))
        assert told["pretty_name"] == visible(f"{ALL[number].strip()} (tiny v1)")
        assert told["language"] == ["en"]
        assert DatasetCard(card).data.pretty_name == told["pretty_name"]


def _info(card: str) -> dict[str, Any]:
    told = yaml.safe_load(card.split("\n---\n", 1)[0].removeprefix("---\n"))["dataset_info"]
    features = datasets.Features._from_yaml_list(told["features"])
    return told | {"features": features.to_dict(), "splits": {split["name"]: split for split in told["splits"]}}


class TestBody:
    def test_it_tells_how_the_phrases_were_made(self) -> None:
        card = card_of()
        fences = [token.content for token in blocks(card) if token.type == "fence"]
        assert "You write short stories.\n" in fences
        assert "Write one sentence. Scene number {i}: {object} {place.at}.\n" in fences
        for told in ("tiny-model", "| object | 10 |", "| place | 4 | name, at |", "| completion tokens"):
            assert told in card

    def test_it_tells_what_was_counted_rejected_and_dropped(self) -> None:
        card = card_of()
        assert "| phrases of these shards | 240 |" in card
        assert "| echo | repeats the instructions or its own prompt instead of following them | 12 | 4.7 % |" in card
        assert "| exact: the same text, case and spaces folded | 1 |" in card
        assert "| near: at least 70 % of the words in common (words in both, of words in either) | 1 |" in card

    def test_it_shows_the_figures_that_are_there(self) -> None:
        card = card_of()
        assert "| heaps exponent | 0.62 |" in card
        assert "self bleu" not in card
        assert FIGURES["self_bleu"] is None

    def test_limits_are_those_of_this_release(self) -> None:
        card = card_of()
        assert "partial release" not in card
        assert "not stated" in card
        assert "96 % of the phrases asked about read as English" in card
        assert "The corpus gate warns: Zipf slope: 0.61" in card

    def test_a_partial_release_says_so(self) -> None:
        assert "180 of 240 phrases" in card_of(release_spec(target_phrases=240, oversample=0.0), partial=True)

    def test_a_corpus_without_search_for_near_duplicates_says_so(self) -> None:
        card = card_of(release_spec(release={"near_duplicates": None}))
        assert "| near | not looked for |" in card
        assert "eight keys" not in card

    def test_phrases_beyond_the_target_are_counted(self) -> None:
        assert "58 more are unique and come after the target is full" in card_of()

    def test_a_system_prompt_that_no_base_model_was_shown_is_not_told(self) -> None:
        card = card_of(release_spec(model={"chat": False}))
        assert "There was no system prompt." in card
        assert "You write short stories." not in card
        assert "| prompt | as it is written |" in card

    def test_lists_are_told_with_their_request(self) -> None:
        card = card_of(release_spec(sampling={"phrases_per_prompt": 4}))
        assert "answered with a numbered list of 4" in card
        assert "Answer with a numbered list from 1 to 4, one sentence a line, and nothing else.\n```" in card
        assert "numbered list" not in card_of()

    def test_limits_of_a_rule_that_is_off_are_not_claimed(self) -> None:
        card = card_of(release_spec(rules={"off": ["wrong_script"]}))
        assert "of its letters are of the script" not in card
        assert "It scores at least 0.3 of 1 as a text of its language." in card
        assert "It scores" not in card_of(release_spec(rules={"off": ["wrong_language"]}))

    def test_top_up_shards_are_of_no_night(self) -> None:
        card = card_of(release_spec(target_phrases=KEPT, oversample=0.0))
        assert "| nights that own them | 2 |" in card
        assert "| of them written to top up | 1 |" in card
        assert "to top up" not in card_of()

    def test_hundreds_of_lexicons_take_one_line_of_the_columns(self) -> None:
        names = [f"lexicon_{number}" for number in range(120)]
        text = "{object} {place.at} {trade} " + " ".join(f"{{{name}}}" for name in names)
        lexicons = {name: ["a"] for name in names}
        card = card_of(release_spec(prompts={"templates": [{"name": "seen", "text": text}], "lexicons": lexicons}))
        assert "| slots | struct of 123 fields, each a string |" in card

    def test_softened_expectations_of_the_corpus_gate_are_limits(self) -> None:
        gate = {"severity": {"lexical diversity (MTLD)": "off", "template coverage": "critical"}}
        card = card_of(release_spec(release={"gate": gate}))
        assert 'The expectation "lexical diversity (MTLD)" of the corpus gate is set to off' in card
        assert '"template coverage" of the corpus gate' not in card

    def test_rules_that_are_off_and_softened_expectations_are_limits(self) -> None:
        spec = release_spec(rules={"off": ["markup"]}, gate={"severity": {"near-duplicate phrases": "off"}})
        card = card_of(spec)
        assert "Rules turned off: markup." in card
        assert "| markup |" not in card
        assert 'The expectation "near-duplicate phrases" is set to off' in card

    def test_shards_accepted_from_quarantine_are_limits_without_a_name(self) -> None:
        place = made_release()
        key = place.store.keys.manifest(1)
        failed = ("mean characters: 41",)
        word = Acceptance(by="somebody", at=NOW, reason="short | by design", failed=failed, quarantine_key="x")
        manifest = json.loads(objects_of(place.store)[key]) | {"accepted": word.model_dump(mode="json")}
        objects_of(place.store)[key] = json.dumps(manifest).encode()
        publish(place)
        card = objects_of(place.store)[place.keys.file(CARD)].decode()
        assert (
            r"Shard 1 failed the gate and was accepted all the same (short \| by design): mean characters: 41." in card
        )
        assert "somebody" not in card


class TestHostile:
    @pytest.mark.parametrize("number", range(0, len(ALL), 3))
    def test_no_text_changes_the_structure_of_the_card(self, number: int) -> None:
        plain = release_spec(
            description="Plain.",
            model={"name": "a", "adapter": "b"},
            prompts={"system": "c", "lexicons": {"object": list(map(str, range(len(ALL))))}},
            rules={"patterns": [{"name": "own", "pattern": "x"}]},
        )
        hostile, calm = blocks(card_of(hostile_spec(number))), blocks(card_of(plain))
        assert [token.type for token in hostile] == [token.type for token in calm]
        assert inlines(hostile) == inlines(calm) <= {"text", "softbreak", "code_inline"}

    def test_prompts_stand_whole_in_their_blocks(self) -> None:
        for number in range(0, len(ALL), 4):
            spec = hostile_spec(number)
            fences = [token.content for token in blocks(card_of(spec)) if token.type == "fence"]
            for text in (spec.prompts.system or "", *(template.text for template in spec.prompts.templates)):
                assert "\n".join(map(visible, text.split("\n"))) + "\n" in fences

    def test_hostile_verdicts_and_reasons(self) -> None:
        place = made_release(memory_store(hostile_spec(3)))
        put_quality(place, warning={"name": MARKDOWN[4], "observed": MARKDOWN[2], "limit": MARKDOWN[0]})
        publish(place)
        tokens = blocks(objects_of(place.store)[place.keys.file(CARD)].decode())
        headings = [after.content for token, after in pairwise(tokens) if token.tag == "h1"]
        assert len(headings) == 2  # where it opens, and where it closes
        assert inlines(tokens) <= {"text", "softbreak", "code_inline"}

    @pytest.mark.parametrize("text", ALL)
    def test_a_text_is_read_as_it_was_written(self, text: str) -> None:
        for around in ("{}", "# {}", "- {}", "see {} there", "> {}"):
            tokens = PARSER.parse(around.format(inline(text)))
            [told] = [token for token in tokens if token.type == "inline"]
            assert "".join(child.content for child in told.children or ()).strip() == around.lstrip(
                "#->"
            ).strip().format(visible(text.strip(), most=100_000).strip())
            assert {child.type for child in told.children or ()} == {"text"}

    @pytest.mark.parametrize("text", ALL)
    def test_a_cell_stays_a_cell(self, text: str) -> None:
        tokens = PARSER.parse(f"| a | b |\n|---|---|\n| {inline(text)} | {inline(text)} |\n")
        assert [token.type for token in tokens].count("td_open") == 2
        cells = [after for token, after in pairwise(tokens) if token.type == "td_open"]
        for cell in cells:
            assert (
                "".join(child.content for child in cell.children or ()) == visible(text.strip(), most=100_000).strip()
            )

    @pytest.mark.parametrize("text", ALL)
    def test_a_code_block_ends_where_it_should(self, text: str) -> None:
        [fence] = PARSER.parse(str(fenced(text)))
        assert fence.type == "fence"
        assert fence.content == "\n".join(visible(line) for line in text.split("\n")) + "\n"


def test_facts_without_times_or_tokens_are_told_as_such() -> None:
    place = made_release()
    for shard in range(4):
        key = place.store.keys.manifest(shard)
        manifest = json.loads(objects_of(place.store)[key]) | {"facts": Facts(accepted=60).model_dump(mode="json")}
        objects_of(place.store)[key] = json.dumps(manifest).encode()
    publish(place)
    card = objects_of(place.store)[place.keys.file(CARD)].decode()
    assert "| prompt tokens | not reported |" in card
    assert "| time of generating | not reported |" in card
    assert "No output was rejected." in card
