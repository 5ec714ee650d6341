"""Hostile text made visible: for terminals and plain files, where a phrase must be read and must not act."""

import unicodedata

MARKS_IN_A_ROW = 2  # combining marks beyond these climb over the lines above


def visible(text: str, *, most: int = 500) -> str:
    """Text on one line with every character spelled out that does not print as itself, such as <U+202E>.

    Those are control characters (escape sequences among them), what changes the direction of text, invisible ones,
    private and unassigned ones, every space but the plain one, and piled-up combining marks. Beyond `most`
    characters it is cut, and says by how many.
    """
    shown, marks = [], 0
    for character in text[:most]:
        marks = marks + 1 if unicodedata.combining(character) else 0
        plain = character.isprintable() and marks <= MARKS_IN_A_ROW
        shown.append(character if plain else f"<U+{ord(character):04X}>")
    cut = len(text) - most
    return "".join(shown) + (f" ... and {cut} more characters" if cut > 0 else "")
