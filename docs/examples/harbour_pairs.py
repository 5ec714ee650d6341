"""Pairs for train_lora.py: the demo corpus's own prompts, each with a phrase as the style wants it.

    python docs/examples/harbour_pairs.py demo --count 288 > pairs.jsonl

The style: the sentence names a colour and ends with an exclamation mark. Every target takes one lexeme of its prompt,
so that the adapter learns a way of telling and not a list of sentences. Runs where phrasemill is installed.
"""

import argparse
import json
import random
import sys
from collections.abc import Iterator

from phrasemill.corpus_file import find_corpus, load_corpus
from phrasemill.prompts import Prompt, PromptBook
from phrasemill.spec import CorpusSpec


def _listed(words: str) -> list[str]:
    return [word.strip() for word in words.split(",")]


COLOURS = _listed("""amber, azure, black, blue, bronze, copper, cream, crimson, emerald, golden, green, grey, indigo,
    ivory, lilac, olive, orange, pearl, pink, purple, red, ruby, rust, scarlet, silver, teal, turquoise, violet, white,
    yellow""")
LIGHTS = _listed("""the dawn, the dusk, a lantern, the evening sky, the morning tide, a passing sail, the wet cobbles,
    a shutter, the far horizon, a candle, the harbour water, a torn flag, the window pane, a heap of nets,
    the last cloud, a fisherman's coat, the painted door, a gull's wing""")
VERBS = _listed("gleams, glows, burns, shimmers, blazes, flickers, sparkles, trembles, dances, shines")
FEELINGS = _listed("""laughs aloud, holds its breath, can hardly believe it, wakes at once, falls silent,
    begins to sing, starts to cheer, comes running, forgets its sorrow, dreams of the sea""")
WHO = _listed("the whole town, the quay, the old street, every sailor, the harbour, the crowd, the village")
MARVELS = _listed("What a wonder, How strange, Look, At last, Listen, Oh, See how bright, Who would have thought it")
SHAPES = {
    "found_object": [
        "{Place}, {object} {verb} {colour} like {light}!",
        "{marvel}, {object} {verb} in {colour} light, and {who} {feeling}!",
        "{Light} turns {colour} above {object}, and {who} {feeling}!",
        "A hand lifts {object} from the {colour} shadows, and {light} {verb}!",
        "{Colour} as {light}, {object} lies waiting {place}!",
        "{marvel}, {place} something {colour} {verb}, and it is {object}!",
    ],
    "at_work": [
        "{Hour}, {trade} laughs as {object} {verb} {colour}!",
        "{marvel}, {trade} raises {object} against the {colour} light of {light}!",
        "{Trade} finds {colour} dust on {object}, and {who} {feeling}!",
        "With {colour} fingers {trade} polishes {object} until it {verb}!",
        "{Light} {verb} {colour}, and {trade} cradles {object}!",
        "{Object} {verb} {colour} in the arms of {trade}, and {who} {feeling}!",
    ],
    "heard": [
        "{Sound} rings out {place}, and {light} turns {colour}!",
        "{marvel}, {sound} echoes through the {colour} air, and {who} {feeling}!",
        "{Hour}, {sound} shakes the {colour} windows, and {who} {feeling}!",
        "Under the {colour} sky {sound} drifts by, and {light} {verb}!",
        "{Who} {feeling} as {sound} carries over the {colour} water!",
        "{Colour} light {verb} {place} where {sound} was heard!",
    ],
}
FIRST_ID = 1_000_000
"""Prompts from here on: no corpus of the demo's size ever asks them."""


def phrase_for(prompt: Prompt, *, spec: CorpusSpec, draw: random.Random) -> str:
    """A sentence in the style, about the scene of the prompt."""
    words = dict(prompt.slots)
    words |= {"colour": draw.choice(COLOURS), "light": draw.choice(LIGHTS), "verb": draw.choice(VERBS)}
    words |= {"who": draw.choice(WHO), "feeling": draw.choice(FEELINGS), "marvel": draw.choice(MARVELS)}
    if "place" in words:
        forms = [lexeme for lexeme in spec.prompts.lexicons["place"] if isinstance(lexeme, dict)]
        words["place"] = next(form["at"] for form in forms if form["name"] == words["place"])
    words |= {name.capitalize(): word[0].upper() + word[1:] for name, word in words.items()}
    return draw.choice(SHAPES[prompt.template]).format_map(words)


def pairs(spec: CorpusSpec, *, count: int, seed: int) -> Iterator[dict[str, str | None]]:
    """Records of train_lora.py: system, prompt, phrase."""
    book, draw = PromptBook(spec), random.Random(seed)  # noqa: S311 - nothing here is secret
    for phrase_id in range(FIRST_ID, FIRST_ID + count):
        prompt = book.prompt(phrase_id)
        phrase = phrase_for(prompt, spec=spec, draw=draw)
        yield {"system": spec.prompts.system, "prompt": prompt.text, "phrase": phrase}


def main() -> None:
    """Print the pairs, a JSON object a line."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("corpus", help="name or file of a corpus with the demo's templates")
    options.add_argument("--count", type=int, default=288)
    options.add_argument("--seed", type=int, default=7)
    given = options.parse_args()
    spec = load_corpus(find_corpus(given.corpus))
    for record in pairs(spec, count=given.count, seed=given.seed):
        sys.stdout.write(json.dumps(record, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
