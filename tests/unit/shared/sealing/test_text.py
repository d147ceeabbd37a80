"""Words open as they were written, and only where they stand."""

from __future__ import annotations

import secrets

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mindtrack_shared.domain.sealed_text import SEALED_MARK, longest_sealed
from mindtrack_shared.ids import new_id
from mindtrack_shared.sealing import DataKey, SealBrokenError, is_sealed, seal_text, unseal_text

ADA = new_id()
PLACE = "notes.text/1"
KEY = DataKey(new_id(), secrets.token_bytes(32))


def opened(text: str, place: str = PLACE) -> str:
    return unseal_text(text, lambda _: KEY, person=ADA, place=place)


@given(text=st.text(st.characters(exclude_categories=["Cs"]), max_size=300))
def test_a_round_trip(text: str) -> None:
    sealed = seal_text(KEY, text, person=ADA, place=PLACE)

    assert is_sealed(sealed)
    assert opened(sealed) == text
    assert len(sealed) <= longest_sealed(len(text))


def test_the_longest_text_fits_exactly() -> None:
    assert len(seal_text(KEY, "\U0001f600" * 10_000, person=ADA, place=PLACE)) == longest_sealed(10_000)


def test_words_in_clear_pass() -> None:
    assert opened("The exam is on Friday.") == "The exam is on Friday."


def test_words_of_another_place_are_refused() -> None:
    sealed = seal_text(KEY, "words", person=ADA, place=PLACE)

    with pytest.raises(SealBrokenError):
        opened(sealed, "notes.text/2")


@pytest.mark.parametrize("forged", ["", "no base64!", "aGVsbG8=", "TVRzZWFsZWQ="])
def test_what_only_has_the_mark_is_refused(forged: str) -> None:
    with pytest.raises(SealBrokenError):
        opened(SEALED_MARK + forged)
