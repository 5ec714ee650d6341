"""Bad models on a fake engine: each fails by the rule or the expectation that is there for it, in the right words."""

from collections.abc import Iterator
from typing import NamedTuple

import pytest

from phrasemill.corpus_file import find_corpus, load_corpus
from phrasemill.engines.fake.process import FakeEngineProcess
from phrasemill.errors import GateFailed, ShardHopeless
from phrasemill.gate import Verdict
from phrasemill.spec import CorpusSpec
from phrasemill.steps import Workplace, generate, publish, validate
from phrasemill.store.bucket import Bucket
from phrasemill.store.corpus_store import CorpusStore
from phrasemill.store.quarantine import quarantined
from tests.grinding import QUICK
from tests.servers import S3Server

MODEL = "bad-model"
PHRASES = 480  # more than the 300 outputs after which a shard can be given up


class Bad(NamedTuple):
    """A way to write badly, the reject reasons that are right for it, and words of its own texts by language."""

    mode: str
    rejects: frozenset[str]
    said: dict[str, str] = {}  # noqa: RUF012


STOPPED_BY_A_RULE = [
    Bad("refusals", rejects=frozenset({"meta"}), said={"en": "As an AI", "ru": "Как языковая модель"}),
    Bad("repetitive", rejects=frozenset({"repetition"}), said={"en": "and", "ru": "и"}),
    Bad("truncated", rejects=frozenset({"no_sentence"})),
    # Instructions that say "vivid sentence" are talk about the task before they are an echo.
    Bad("echo", rejects=frozenset({"echo", "meta"}), said={"en": "Write one ", "ru": "Напиши одно "}),
    Bad("duplicates", rejects=frozenset({"duplicate"})),
    Bad("wrong_language", rejects=frozenset({"wrong_language", "wrong_script"})),
]


@pytest.fixture(params=["en", "ru"])
def spec(request: pytest.FixtureRequest, s3_server: S3Server) -> CorpusSpec:
    """The shipped corpus of a language with its own prompts, rules and thresholds, in small shards."""
    whole = load_corpus(find_corpus(f"hyperphrases_{request.param}"))
    fields = whole.model_dump(mode="json")
    fields |= {"target_phrases": PHRASES, "shard_phrases": PHRASES, "block_phrases": 80, "oversample": 0}
    fields["model"]["name"] = MODEL
    fields["model"]["adapter"] = None
    fields["rules"]["max_attempts"] = 300  # so that it is not the unluckiest phrase that ends a shard
    fields["engines"] |= {"list_size": 16, "in_flight": 64}
    fields["storage"]["bucket"] = S3Server.new_bucket(s3_server.endpoint)
    return CorpusSpec.model_validate(fields)


@pytest.fixture
def write(spec: CorpusSpec, s3_server: S3Server) -> Iterator["Write"]:
    with Write(spec, s3_server) as write:
        yield write


class Write:
    """Generates a shard with a model that is bad in one way, or good."""

    def __init__(self, spec: CorpusSpec, server: S3Server) -> None:
        self.spec = spec
        self.store = CorpusStore(Bucket(S3Server.client(server.endpoint), spec.storage.bucket), spec)
        self._engine: FakeEngineProcess | None = None

    def __enter__(self) -> "Write":
        return self

    def __exit__(self, *_: object) -> None:
        if self._engine:
            self._engine.stop()

    def __call__(self, mode: str | None, *, share: float = 1.0) -> Workplace:
        text = "good" if self.spec.language == "en" else "good_ru"
        bad = {"bad_modes": (mode,), "bad_share": share} if mode else {}
        self._engine = FakeEngineProcess(model=MODEL, text=text, seed=5, **bad)
        self._engine.start()
        place = Workplace(self.spec, self.store, (self._engine.url,), run_id="run-1", patience=QUICK)
        generate(place, 0)
        return place


@pytest.mark.parametrize("bad", STOPPED_BY_A_RULE, ids=lambda bad: bad.mode)
def test_a_model_that_only_writes_so_is_given_up_at_once_with_the_reason(write: Write, bad: Bad) -> None:
    with pytest.raises(ShardHopeless) as error:
        write(bad.mode)
    message = str(error.value)
    named = message.partition("Rejects: ")[2].partition(".")[0]
    common = named.split(", ")[0].split()[0]
    assert common in bad.rejects, message
    assert f"Examples of {common}: " in message
    if word := bad.said.get(write.spec.language):
        assert word in message


@pytest.mark.parametrize("bad", STOPPED_BY_A_RULE, ids=lambda bad: bad.mode)
def test_a_model_that_mostly_writes_so_fails_by_its_share_of_rejects(write: Write, bad: Bad) -> None:
    place = write(bad.mode, share=0.85)
    with pytest.raises(GateFailed, match=r"share of outputs rejected: 8\d.* \(limit: at most 70 %") as error:
        validate(place, 0)
    [held] = quarantined(place.store)
    assert place.store.url(held.key) in str(error.value)
    verdict = Verdict.model_validate(held.verdict)
    assert [failure.name for failure in verdict.failures] == ["share of outputs rejected"]
    [why] = {row.why.split()[2].rstrip(",") for row in verdict.samples[:1]}
    assert why in bad.rejects


def test_near_duplicates_fail_by_their_share_and_are_shown(write: Write) -> None:
    place = write("near_duplicates")
    with pytest.raises(GateFailed, match=r"near-duplicate phrases: 9.* share 70 % of their words with an earlier one"):
        validate(place, 0)
    [held] = quarantined(place.store)
    verdict = Verdict.model_validate(held.verdict)
    failed = [failure.name for failure in verdict.failures]
    assert failed[0] == "near-duplicate phrases"
    assert "compression ratio" in failed
    assert {"near-duplicate phrases"} <= {row.expectation for row in verdict.samples}
    pair = verdict.near_duplicates[0]
    assert pair.similarity >= 0.7
    assert set(pair.text.split()) & set(pair.earlier_text.split())
    assert place.store.committed() == []


def test_a_good_model_passes_without_a_warning(write: Write) -> None:
    place = write(None)
    assert validate(place, 0)["passed"]
    assert publish(place, 0)["committed"]
    manifest = place.store.manifest(0)
    assert manifest is not None
    verdict = Verdict.model_validate(manifest.verdict)
    assert [expectation.name for expectation in verdict.expectations if not expectation.passed] == []
    assert verdict.metrics["language_share"] > 0.98
    assert verdict.metrics["near_duplicate_share"] < 0.02
