"""A corpus file as a question: what it asks for, in the forecast's words. Pure."""

import numpy as np

from phrasemill.errors import PhrasemillError
from phrasemill.forecast.book import Book, shipped_book
from phrasemill.forecast.question import NO_EVIDENCE, Evidence, Question
from phrasemill.prompts import PromptBook
from phrasemill.ranges import Range
from phrasemill.serving.errors import ModelNotFound, ProfileError
from phrasemill.serving.models import find_model
from phrasemill.spec import CorpusSpec

PROMPTS_READ = 200
CHAT_TOKENS = 13
"""Of a chat template of the ChatML kind around system prompt and message: 6 of marks, 3 of roles, 4 of line ends."""
PROMPT_SPREAD = 0.06
"""What prompts differ from other text in characters a token: the three shipped corpora's have 6 % more tokens than
this reckons (demo, 67) to 9 % fewer (hyperphrases_ru, 151), beyond the range that the book has for the language."""
LENGTH_SPREAD = 1 / 8
"""Of the room between the rules' limits, on either side of its middle: 40 to 160 characters give 85 to 115, and the
demo's model, asked for 60 to 120, writes 94 to 103 on average."""


class ModelUnknown(PhrasemillError):
    """The forecast's book has neither the corpus's model nor one of its size."""


def question_of(
    spec: CorpusSpec, *, evidence: Evidence = NO_EVIDENCE, book: Book | None = None, **changes: object
) -> Question:
    """What a corpus asks for: its whole target, with its model, prompts and price.

    Phrase length and prompt tokens, which only the corpus file can tell before anything is written, are left to
    `evidence` where it has them. Nothing in a corpus file names a GPU: without `gpu` among the changes it is `cpu` for
    a model of the smallest class and else what `Question` supposes; `gpus` are those that are paid for. A price of the
    GPU hour holds for each of other `gpus` too; behind a `hosted` API there is none to pay.

    Args:
        spec: the corpus.
        evidence: what the forecast will be given besides.
        book: the forecast's; the shipped one without it.
        changes: fields of `Question`, each in place of the corpus's own.

    Raises:
        ModelUnknown: the book has no such model, and its size is not known either.
        ValidationError: changes that are no fields of a question, or do not go together.
    """
    book = book or shipped_book()
    model = str(changes.get("model") or book_model(spec.model.name, book=book))
    fields: dict[str, object] = {
        "target": {"phrases": spec.target_phrases},
        "language": spec.language,
        "model": model,
        "lora": spec.model.adapter is not None,
        "n": spec.sampling.group,
        "oversample": spec.oversample,
        "shards": spec.shard_count,
        "price": spec.price,
    }
    if spec.price and spec.price.per_gpu_hour is not None:
        fields["gpus"] = spec.price.gpus
    if book.model(model).size == "0.1b":
        fields["gpu"] = "cpu"
    if spec.price and spec.price.per_gpu_hour is not None:
        if changes.get("gpu") == "hosted":
            fields["price"] = None
        elif "gpus" in changes:
            fields["price"] = spec.price.model_copy(update={"gpus": 1})
    if evidence.chars_per_phrase is None:
        fields["phrase_chars"] = phrase_chars(spec)
    if evidence.prompt_tokens_per_output is None:
        fields["prompt_tokens"] = prompt_tokens(spec, model=model, book=book)
    return Question.model_validate(fields | changes)


def book_model(name: str, *, book: Book) -> str:
    """The book's model for a name as engines serve it: the same one, else the first of its size.

    A name counts with or without its owner: SmolLM2-135M-Instruct is HuggingFaceTB/SmolLM2-135M-Instruct.

    Raises:
        ModelUnknown: there is none.
    """
    last = name.lower().rpartition("/")[2]
    for key, entry in book.models.items():
        if last in {key, entry.served.lower().rpartition("/")[2]}:
            return key
    try:
        size = find_model(name).size
    except (ModelNotFound, ProfileError) as error:
        raise ModelUnknown(
            f"the forecast knows nothing of the model {name} ({error}); name one that is as large, of these: "
            f"{', '.join(book.models)}"
        ) from error
    for key, entry in book.models.items():
        if entry.size == size:
            return key
    raise ModelUnknown(
        f"the forecast knows no model of the size of {name} ({size}); name one: {', '.join(book.models)}"
    )


def phrase_chars(spec: CorpusSpec) -> Range:
    """Characters of a phrase, on average: about the middle between the rules' limits."""
    shortest, longest = spec.rules.min_chars, spec.rules.max_chars
    middle, spread = (shortest + longest) / 2, LENGTH_SPREAD * (longest - shortest)
    return Range(low=middle - spread, likely=middle, high=middle + spread)


def prompt_tokens(spec: CorpusSpec, *, model: str, book: Book) -> Range:
    """Tokens of one prompt: the characters of some of the corpus's own by the characters a token, and its template.

    Raises:
        BookError: the book does not know the model.
    """
    ids = np.arange(0, spec.target_phrases, max(1, spec.target_phrases // PROMPTS_READ))[:PROMPTS_READ]
    texts = PromptBook(spec).texts(ids, np.zeros_like(ids))
    chars = sum(map(len, texts)) / len(texts)
    chars += len(spec.prompts.system or "")
    chars += sum(len(example.prompt) + len(example.phrase) for example in spec.prompts.examples)
    around = CHAT_TOKENS * (1 + len(spec.prompts.examples)) if spec.model.chat else 0
    per_token = book.constant("chars_per_token", book.model(model).tokenizer, spec.language).value
    return Range(
        low=chars / per_token.high * (1 - PROMPT_SPREAD) + around,
        likely=chars / per_token.likely + around,
        high=chars / per_token.low * (1 + PROMPT_SPREAD) + around,
    )
