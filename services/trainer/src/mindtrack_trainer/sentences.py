"""Plain sentences about ordinary things, composed from small word lists so that words carry no emotion."""

from __future__ import annotations

import numpy as np

_WHO = (
    "I",
    "we",
    "my brother",
    "my neighbour",
    "the teacher",
    "a friend",
    "my sister",
    "the manager",
    "they",
)
_DID = (
    *("walked to", "looked at", "talked about", "drove past", "cleaned", "found", "visited", "painted"),
    *("thought about", "waited near", "came back from", "remembered", "passed", "wrote about", "measured"),
)
_WHICH = (
    "the old",
    "the small",
    "the green",
    "the other",
    "the long",
    "the second",
    "the usual",
    "the round",
)
_WHAT = (
    *("station", "garden", "table", "letter", "window", "market", "kitchen", "bridge", "office", "river"),
    *("library", "bicycle", "picture", "corner shop", "meeting room", "paper bag", "wooden door", "street"),
)
_WHEN = (
    *("in the morning", "after lunch", "on Monday", "before the meeting", "around noon", "in the evening"),
    *("yesterday", "last week", "at half past seven", "on the way home", "during the break", "this year"),
)
_THEN = ("and then", "while", "because", "so", "before", "and later")


def sentence(rng: np.random.Generator) -> str:
    """One sentence of six to twenty words, with the time at either end and perhaps a second clause."""

    def pick(words: tuple[str, ...]) -> str:
        return words[rng.integers(len(words))]

    def clause() -> str:
        return f"{pick(_WHO)} {pick(_DID)} {pick(_WHICH)} {pick(_WHAT)}"

    body = clause() if rng.random() < 0.5 else f"{clause()}, {pick(_THEN)} {clause()}"  # noqa: PLR2004 - a coin
    text = f"{pick(_WHEN)} {body}" if rng.random() < 0.5 else f"{body} {pick(_WHEN)}"  # noqa: PLR2004 - a coin
    return f"{text[0].upper()}{text[1:]}."
