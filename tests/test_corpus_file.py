"""Corpus files: where they are found, that they survive being written, and how every mistake is told."""

import os
from pathlib import Path

import pytest

from phrasemill.corpus_file import (
    corpora_folders,
    corpus_files,
    dump_corpus,
    find_corpus,
    load_corpus,
    parse_corpus,
)
from phrasemill.errors import SpecError
from tests.specs import SPEC_YAML, make_spec

JARGON = ["Input should", "Field required", "Extra inputs", "validation error", "Value error", "type=", "None", "\n"]

# What is changed in the tiny corpus's text -> the one line that tells it, without the file's name.
ONE_MISTAKE = {
    # fields and sections
    ("target_phrases: 240", "target_phrase: 240"): (
        "4: target_phrase: is an unknown field (with the value 240); did you mean target_phrases?"
    ),
    ("schedule:", "shedule:"): "7: shedule: is an unknown field; did you mean schedule?",
    ("prompts:", "promts:"): "14: promts: is an unknown field; did you mean prompts?",
    ("weight: 3", "wieght: 3"): (
        "18: prompts.templates[0].wieght: is an unknown field (with the value 3); did you mean weight?"
    ),
    ("min_chars: 20", "seed: 7"): (
        "32: rules.seed: is an unknown field (with the value 7); remove it, or use one of these: "
        "min_chars, max_chars, min_words, max_words, min_script_share, min_language_score, max_attempts, "
        "off, patterns, plugins"
    ),
    ("title: Tiny harbour\n", ""): "1: title: is missing; add it",
    ("  start_date: 2026-11-01\n", ""): "7: schedule.start_date: is missing; add it",
    ("  name: tiny-model", "  chat: true"): "12: model.name: is missing; add it",
    ("rules:", "target_phrases: 480\nrules:"): "31: target_phrases: is given twice, first in line 4; remove one",
    ("weight: 3", "weight: 3\n      weight: 4"): (
        "19: prompts.templates[0].weight: is given twice, first in line 18; remove one"
    ),
    ("model:\n  name: tiny-model", "model: tiny-model"): (
        "12: model: 'tiny-model' must be a mapping with these fields: name, adapter, chat"
    ),
    ("min_chars: 20\n  max_chars: 160\n  min_words: 4", ""): (
        "31: rules: is empty; must be a mapping with these fields: "
        "min_chars, max_chars, min_words, max_words, min_script_share, min_language_score, max_attempts, "
        "off, patterns, plugins"
    ),
    # kinds of value
    ("target_phrases: 240", "target_phrases: many"): "4: target_phrases: 'many' must be a whole number",
    ("target_phrases: 240", "target_phrases: 240.5"): "4: target_phrases: 240.5 must be a whole number",
    ("target_phrases: 240", "target_phrases: yes"): (
        "4: target_phrases: yes is read by YAML as true; write a number"
    ),
    ("target_phrases: 240", "target_phrases: [240]"): "4: target_phrases: must be a whole number",
    ("target_phrases: 240", "target_phrases:"): "4: target_phrases: is empty; must be a whole number",
    ("target_phrases: 240", "target_phrases: " + "9" * 30): (
        f"4: target_phrases: {'9' * 30} must be at most 1000000000000"
    ),
    ("  name: tiny-model", "  name: tiny-model\n  chat: 7"): "14: model.chat: 7 must be true or false",
    ("title: Tiny harbour", "title: 12"): "2: title: 12 is read by YAML as a number; put it in quotes",
    ("title: Tiny harbour", "title: {harbour}"): (
        "2: title: must be text, and YAML reads this as a mapping; put it in quotes if it is text"
    ),
    ("title: Tiny harbour", "title: ''"): "2: title: '' must not be empty",
    ("title: Tiny harbour", "title:"): "2: title: is empty; must be text",
    ("object: [a bell", "object: a bell #"): "29: prompts.lexicons.object: 'a bell' must be a list",
    # sizes
    ("target_phrases: 240", "target_phrases: -240"): "4: target_phrases: -240 must be at least 1",
    ("shard_phrases: 60", "shard_phrases: 0"): "5: shard_phrases: 0 must be at least 1",
    ("target_phrases: 240", "target_phrases: 250"): (
        "5: shard_phrases: 60 does not divide target_phrases 250; make target_phrases 240 or 300"
    ),
    ("block_phrases: 20", "block_phrases: 25"): (
        "6: block_phrases: 25 does not divide shard_phrases 60; the next smaller that does: 20"
    ),
    ("rules:", "sampling:\n  n: 3\nrules:"): (
        "32: sampling.n: 3 must divide block_phrases 20, so that samples of a prompt lie in one block"
    ),
    ("shard_phrases: 60\nblock_phrases: 20", "shard_phrases: 1\nblock_phrases: 1\noversample: 1.5"): (
        "7: oversample: 1.5 must be at most 1"
    ),
    ("s: 240\nshard_phrases: 60\nblock_phrases: 20", "s: 200000\nshard_phrases: 1\nblock_phrases: 1"): (
        "5: shard_phrases: 1 makes 200000 shards, more than 100000; raise it"
    ),
    # the schedule
    ("cron: 0 22 * * *", "cron: 0 25 * * *"): (
        "9: schedule.cron: '0 25 * * *' must be a cron expression of five fields such as \"0 22 * * *\", or null"
    ),
    ("cron: 0 22 * * *", "cron: '@daily'"): (
        "9: schedule.cron: '@daily' must be a cron expression of five fields such as \"0 22 * * *\", or null"
    ),
    ("cron: 0 22 * * *", "cron: 0 0 31 2 *"): (
        "9: schedule.cron: '0 0 31 2 *' names a day that never comes; correct day and month"
    ),
    ("cron: 0 22 * * *", "cron: 22"): "9: schedule.cron: 22 is read by YAML as a number; put it in quotes",
    ("Europe/Berlin", "Berlin"): (
        "10: schedule.timezone: 'Berlin' must be an IANA time zone such as Europe/Berlin"
    ),
    ("shards_per_night: 2", "shards_per_night: 1025"): (
        "11: schedule.shards_per_night: 1025 must be at most 1024, all that Airflow maps in one run; "
        "raise shard_phrases for more phrases a night"
    ),
    ("2026-11-01", "01.11.2026"): (
        "8: schedule.start_date: '01.11.2026' must be a date such as 2026-11-23, without a time"
    ),
    ("2026-11-01", "2026-13-01"): (
        "8: schedule.start_date: '2026-13-01' must be a date such as 2026-11-23, without a time"
    ),
    ("2026-11-01", "2026-11-01T22:00:00"): (
        "8: schedule.start_date: 2026-11-01T22:00:00 must be a date such as 2026-11-23, without a time"
    ),
    ("2026-11-01", "2026-11-01 00:00:00"): (
        "8: schedule.start_date: 2026-11-01 00:00:00 must be a date such as 2026-11-23, without a time"
    ),
    ("2026-11-01", "20261101"): (
        "8: schedule.start_date: 20261101 must be a date such as 2026-11-23, without a time"
    ),
    # templates
    ("{object} {place.at}", "{objct} {place.at}"): (
        '19: prompts.templates[0].text: "Write one sentence. Scene number {i}: {objct} {place.at}." has slot {objct}, '
        "but there is no lexicon 'objct'; add it, or use one of these: object, place, trade"
    ),
    ("{object} {place.at}", "{object} {place.in}"): (
        '19: prompts.templates[0].text: "Write one sentence. Scene number {i}: {object} {place.in}." '
        "has slot {place.in}, which that lexicon does not offer; use {place.name}, {place.at}"
    ),
    ("{object} {place.at}", "{object} {place}"): (
        '19: prompts.templates[0].text: "Write one sentence. Scene number {i}: {object} {place}." '
        "has slot {place}, which that lexicon does not offer; use {place.name}, {place.at}"
    ),
    ("{object} {place.at}", "{object.at} {place.at}"): (
        '19: prompts.templates[0].text: "Write one sentence. Scene number {i}: {object.at} {place.at..." '
        "has slot {object.at}, which that lexicon does not offer; use {object}"
    ),
    ("{object} {place.at}", "{object {place.at}"): (
        '19: prompts.templates[0].text: "Write one sentence. Scene number {i}: {object {place.at}." '
        "has an unpaired brace; write slots as {lexicon}"
    ),
    ("{object} {place.at}", "a bell"): (
        '19: prompts.templates[0].text: "Write one sentence. Scene number {i}: a bell." '
        "has no slot, so all its prompts would be alike; write a {lexicon} into it"
    ),
    ("{object} {place.at}", "{object} {object}"): (
        '19: prompts.templates[0].text: "Write one sentence. Scene number {i}: {object} {object}." '
        "uses lexicon 'object' twice; split it into two lexicons"
    ),
    ("name: made", "name: seen"): (
        "20: prompts.templates[1].name: 'seen' names a second template; give each its own name"
    ),
    ("weight: 3", "weight: 0"): "18: prompts.templates[0].weight: 0 must be at least 1",
    # lexicons
    ("object: [a bell", "object: [] #"): "29: prompts.lexicons.object: is empty; give it at least one entry",
    ("a bell, a key", "a bell, A Bell"): (
        "29: prompts.lexicons.object[1]: 'A Bell' repeats entry [0], 'a bell'; remove one of them"
    ),
    ("a bell, a key", 'a bell, " "'): (
        '29: prompts.lexicons.object[1]: " " is an empty entry; remove it or write it out'
    ),
    ("a bell, a key", "a bell, no"): (
        "29: prompts.lexicons.object[1]: no is read by YAML as false; put it in quotes"
    ),
    ("a bell, a key", "a bell, 1984"): (
        "29: prompts.lexicons.object[1]: 1984 is read by YAML as a number; put it in quotes"
    ),
    ("a bell, a key", "a bell, 2026-11-01"): (
        "29: prompts.lexicons.object[1]: 2026-11-01 is read by YAML as a date; put it in quotes"
    ),
    ("a bell, a key", "a bell, [a key]"): (
        "29: prompts.lexicons.object[1]: must be text, and YAML reads this as a list; put it in quotes if it is text"
    ),
    ("a bell, a key", "a bell, ~"): "29: prompts.lexicons.object[1]: ~ must be text",
    ("{name: the attic, at: in the attic}", "{name: the attic, by: the attic}"): (
        "26: prompts.lexicons.place[1]: must have the forms name, at, in this order, as the lexicon's first entry has"
    ),
    ("{name: the attic, at: in the attic}", "{at: in the attic, name: the attic}"): (
        "26: prompts.lexicons.place[1]: must have the forms name, at, in this order, as the lexicon's first entry has"
    ),
    ("{name: the attic, at: in the attic}", "the attic"): (
        "26: prompts.lexicons.place[1]: 'the attic' must have the forms name, at, in this order, "
        "as the lexicon's first entry has"
    ),
    ("a bell, a key", "a bell, {name: a key}"): (
        "29: prompts.lexicons.object[1]: must have no forms (plain text), as the lexicon's first entry has"
    ),
    ("{name: the attic, at: in the attic}", "{name: the attic, at: on}"): (
        "26: prompts.lexicons.place[1].at: on is read by YAML as true; put it in quotes"
    ),
    ("    trade:", "    spare: [x, y]\n    trade:"): (
        "30: prompts.lexicons.spare: is used by no template; write {spare} in one or remove it"
    ),
    ("    trade:", "    i: [x, y]\n    trade:"): (
        "30: prompts.lexicons.i: is the scene number's slot; call the lexicon something else"
    ),
    ("    trade:", "    Trade Names: [x]\n    trade:"): (
        "30: prompts.lexicons.Trade Names: must be 1 to 64 small letters (a to z), digits and _, a letter first"
    ),
    # rules, gate, storage
    ("min_chars: 20", "min_chars: 200"): (
        "32: rules.min_chars: 200 must not be above max_chars, which is 160"
    ),
    ("min_chars: 20\n  max_chars: 160", "max_chars: 30"): (
        "31: rules.min_chars: 40 (its default) must not be above max_chars, which is 30"
    ),
    ("min_words: 4", "min_script_share: .nan"): "34: rules.min_script_share: .nan must be a finite number",
    ("rules:", "gate:\n  min_mean_chars: 150\nrules:"): (
        "32: gate.min_mean_chars: 150 must not be above max_mean_chars, which is 140"
    ),
    ("rules:", "storage:\n  bucket: My_Bucket\nrules:"): (
        "32: storage.bucket: 'My_Bucket' must be 3 to 63 small letters, digits, dots and hyphens, "
        "a letter or digit at both ends"
    ),
    ("rules:", "storage:\n  prefix: /corpora/\nrules:"): (
        "32: storage.prefix: '/corpora/' must be words of letters (a to z), digits, dots, - and _, "
        "with / between them and at no end"
    ),
    # names and languages
    ("language: en", "language: german"): "3: language: 'german' must be 'en' or 'ru'",
    ("language: en", "language: no"): "3: language: no must be 'en' or 'ru'",
    ("name: tiny\n", "name: teeny\n"): (
        "1: name: 'teeny' differs from the file's name; call the file teeny.yaml or the corpus tiny"
    ),
    ("name: tiny\n", "name: Tiny\n"): (
        "1: name: 'Tiny' must be 1 to 64 small letters (a to z), digits and _, a letter first"
    ),
}  # fmt: skip

HINT = "indent with spaces, pair quotes and brackets, and put text that holds ': ' or begins with a sign in quotes"
NOT_YAML = {
    ("title: Tiny harbour", "title: Tiny: harbour"): (
        f":2: is not valid YAML (mapping values are not allowed in this context); {HINT}"
    ),
    ("title: Tiny harbour", "title: *harbour"): f":2: is not valid YAML (found undefined alias); {HINT}",
    ("title: Tiny harbour", "\ttitle: Tiny harbour"): (
        f":2: is not valid YAML (while scanning a plain scalar found a tab character that violates indentation); {HINT}"
    ),
    ("title: Tiny harbour", "title: [Tiny harbour"): (
        f":3: is not valid YAML (while parsing a flow sequence did not find expected ',' or ']'); {HINT}"
    ),
    ("title: Tiny harbour", "title: Tiny\x00harbour"): ":2: holds a character that YAML does not allow; remove it",
    ("title: Tiny harbour", "title: !!python/name:os.system"): (
        ":2: is not valid YAML (could not determine a constructor for the tag "
        f"'tag:yaml.org,2002:python/name:os.system'); {HINT}"
    ),
    ("rules:", "---\nrules:"): (
        f":31: is not valid YAML (expected a single document in the stream but found another document); {HINT}"
    ),
}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "tiny.yaml"


def refusal(file: Path, content: str | bytes) -> str:
    """What the user reads, without the folder."""
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SpecError) as refused:
        load_corpus(file)
    assert str(refused.value).startswith(f"{file}")
    return str(refused.value).replace(f"{file.parent}{os.sep}", "")


def changed(old: str, new: str) -> str:
    assert old in SPEC_YAML
    return SPEC_YAML.replace(old, new, 1)


class TestOneMistake:
    @pytest.mark.parametrize(("change", "told"), ONE_MISTAKE.items(), ids=[new for _, new in ONE_MISTAKE])
    def test_it_is_told_in_one_line(self, file: Path, change: tuple[str, str], told: str) -> None:
        line = refusal(file, changed(*change))
        assert line == f"tiny.yaml:{told}"
        assert not [word for word in JARGON if word in line]

    @pytest.mark.parametrize(("change", "told"), NOT_YAML.items(), ids=[repr(new) for _, new in NOT_YAML])
    def test_broken_yaml_is_told_with_its_line(self, file: Path, change: tuple[str, str], told: str) -> None:
        assert refusal(file, changed(*change)) == f"tiny.yaml{told}"

    def test_the_unchanged_file_has_none(self, file: Path) -> None:
        file.write_text(SPEC_YAML)
        assert load_corpus(file) == make_spec()


class TestFilesThatAreNoCorpus:
    @pytest.mark.parametrize("content", ["", "\n\n", "# only a comment\n", "---\n", "{}"])
    def test_empty(self, file: Path, content: str) -> None:
        assert refusal(file, content) == "tiny.yaml: is empty; see include/corpora/demo.yaml for an example"

    @pytest.mark.parametrize("content", ["hello", "- a\n- b\n", "42"])
    def test_not_a_mapping(self, file: Path, content: str) -> None:
        assert refusal(file, content).startswith("tiny.yaml:1: must be a mapping of fields to values; see include")

    def test_not_utf8(self, file: Path) -> None:
        content = changed("harbour", "havré").encode("latin-1")
        assert refusal(file, content).startswith("tiny.yaml:2: is not UTF-8 text (")

    def test_utf16(self, file: Path) -> None:
        line = refusal(file, SPEC_YAML.encode("utf-16"))
        assert line == "tiny.yaml:1: is not UTF-8 text (invalid start byte); save the file as UTF-8"

    def test_a_byte_order_mark_does_no_harm(self, file: Path) -> None:
        file.write_bytes(SPEC_YAML.encode("utf-8-sig"))
        assert load_corpus(file) == make_spec()

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(SpecError, match=r"cannot be read \(Is a directory\); give the path of a readable file"):
            load_corpus(tmp_path)

    def test_a_file_that_is_not_there(self, file: Path) -> None:
        with pytest.raises(SpecError, match=r"tiny\.yaml: cannot be read \(No such file or directory\)"):
            load_corpus(file)


class TestSeveralMistakes:
    def test_all_are_told_at_once_in_the_files_order(self, file: Path) -> None:
        text = SPEC_YAML
        for old, new in [
            ("title: Tiny harbour", "title: Tiny harbour\ntitle: Tiny again"),
            ("target_phrases: 240", "target_phrases: 250"),
            ("Europe/Berlin", "Berlin"),
            ("name: tiny-model", "nme: tiny-model"),
            ("{object} {place.at}", "{objct} {place.at}"),
            ("a baker, a diver", "a baker, a baker"),
            ("min_chars: 20", "min_char: 20"),
        ]:
            text = text.replace(old, new, 1)
        lines = refusal(file, text).splitlines()
        assert [line.split(": ")[:2] for line in lines] == [
            ["tiny.yaml:3", "title"],
            ["tiny.yaml:6", "shard_phrases"],
            ["tiny.yaml:11", "schedule.timezone"],
            ["tiny.yaml:14", "model.nme"],
            ["tiny.yaml:20", "prompts.templates[0].text"],
            ["tiny.yaml:31", "prompts.lexicons.trade[1]"],
            ["tiny.yaml:33", "rules.min_char"],
        ]

    def test_two_in_one_lexicon_are_two_lines(self, file: Path) -> None:
        lines = refusal(file, changed("a bell, a key, a map", "no, 7, a map")).splitlines()
        assert lines == [
            "tiny.yaml:29: prompts.lexicons.object[0]: no is read by YAML as false; put it in quotes",
            "tiny.yaml:29: prompts.lexicons.object[1]: 7 is read by YAML as a number; put it in quotes",
        ]

    def test_a_lexeme_that_is_no_text_hides_nothing(self, file: Path) -> None:
        text = changed("a bell, a key", "no, a key").replace("{trade}", "{trad}").replace("a diver", "a baker")
        assert [line.split(": ")[1] for line in refusal(file, text).splitlines()] == [
            "prompts.templates[1].text",
            "prompts.lexicons.object[0]",
            "prompts.lexicons.trade[1]",
        ]

    def test_lexicons_named_like_booleans_are_told_so(self, file: Path) -> None:
        lines = refusal(file, changed("    trade:", "    on: [x, y]\n    trade:")).splitlines()
        assert lines[0] == (
            "tiny.yaml:30: prompts.lexicons.on: is a name that YAML reads as true or false; put it in quotes"
        )


class TestWhatYamlOffers:
    def test_anchors_are_followed(self, file: Path) -> None:
        text = changed("object: [", "object: &things [")
        text = text.replace(
            "trade: [a baker, a diver, a pilot, a mender, a roofer, a cooper, a glazier]", "trade: *things"
        )
        file.write_text(text)
        assert load_corpus(file).prompts.lexicons["trade"] == make_spec().prompts.lexicons["object"]

    def test_an_anchor_within_itself_is_refused(self, file: Path) -> None:
        line = refusal(file, SPEC_YAML + "loop: &loop [*loop]\n")
        assert line.startswith("tiny.yaml:35: loop: is an unknown field; remove it")

    def test_merged_mappings_are_read(self, file: Path) -> None:
        text = changed("rules:\n", "rules:\n  <<: {min_words: 3, max_words: 30}\n")
        file.write_text(text)
        assert (load_corpus(file).rules.min_words, load_corpus(file).rules.max_words) == (4, 30)

    def test_block_text_is_shown_on_one_line(self, file: Path) -> None:
        text = changed(
            'text: "Write one sentence. Scene number {i}: {object}', "text: >-\n        Write.\n        {objct}"
        )
        line = refusal(file, text.replace('{place.at}."', "{place.at}.", 1))
        assert "text: 'Write. {objct} {place.at}.' has slot {objct}" in line


class TestRoundTrip:
    @pytest.mark.parametrize(
        "spec",
        [
            make_spec(),
            make_spec(schedule={"cron": None}, model={"adapter": "harbour", "chat": False}),
            make_spec(title="Гавань: «тихая»", description="a: b\n- c\n", prompts={"system": "no"}),
            make_spec(prompts={"lexicons": {"trade": ["yes", "1984", "2026-11-01", "null", " padded ", "#x", "ёж"]}}),
        ],
        ids=["tiny", "by hand", "russian", "traps"],
    )
    def test_what_is_dumped_is_read_back(self, spec: object) -> None:
        assert parse_corpus(dump_corpus(spec), source="dumped.yaml") == spec  # type: ignore[arg-type]

    def test_every_field_is_written_out(self) -> None:
        text = dump_corpus(make_spec())
        for field in ("oversample: 0.0", "adapter: null", "max_top_opening_share: 0.3", "list_size: 64"):
            assert field in text

    def test_the_corpora_people_run_are_sound(self) -> None:
        shipped = sorted((Path(__file__).parents[1] / "include" / "corpora").glob("*.yaml"))
        assert "demo.yaml" in [path.name for path in shipped]
        for path in shipped:
            spec = load_corpus(path)
            assert parse_corpus(dump_corpus(spec), source=path.name) == spec


class TestFinding:
    @pytest.fixture
    def folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        for name in ("tiny", "other"):
            (tmp_path / f"{name}.yaml").write_text(SPEC_YAML)
        (tmp_path / "notes.txt").write_text("no corpus")
        monkeypatch.setenv("PHRASEMILL_CORPORA", str(tmp_path))
        return tmp_path

    def test_the_folders_files_are_listed_by_name(self, folder: Path) -> None:
        assert corpus_files() == [folder / "other.yaml", folder / "tiny.yaml"]

    def test_several_folders_may_be_named(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("PHRASEMILL_CORPORA", f"{folder}{os.pathsep}{os.pathsep}/elsewhere")
        assert corpora_folders() == [folder, Path("/elsewhere")]
        assert len(corpus_files()) == 2

    def test_without_folders_the_projects_own_are_taken(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("PHRASEMILL_CORPORA", raising=False)
        assert find_corpus("demo").parts[-3:] == ("include", "corpora", "demo.yaml")

    def test_by_name_or_by_path(self, folder: Path) -> None:
        assert find_corpus("tiny") == folder / "tiny.yaml"
        assert find_corpus(str(folder / "tiny.yaml")) == folder / "tiny.yaml"

    def test_an_unknown_name_is_answered_with_the_known_ones(self, folder: Path) -> None:
        with pytest.raises(SpecError, match=r"there is no corpus 'teeny'; known corpora: other, tiny"):
            find_corpus("teeny")

    def test_a_path_that_is_not_there(self, folder: Path) -> None:
        with pytest.raises(SpecError, match=r"teeny\.yaml: there is no such corpus file; check the path"):
            find_corpus(str(folder / "teeny.yaml"))


class TestReading:
    def test_a_changed_file_is_read_again(self, file: Path) -> None:
        file.write_text(SPEC_YAML)
        assert load_corpus(file).title == "Tiny harbour"
        file.write_text(changed("Tiny harbour", "Another harbour"))
        assert load_corpus(file).title == "Another harbour"

    def test_a_mended_file_is_read_again(self, file: Path) -> None:
        refusal(file, changed("weight: 3", "weight: 0"))
        file.write_text(SPEC_YAML)
        os.utime(file, ns=(1, 1))
        assert load_corpus(file) == make_spec()
