from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from mindtrack_shared.domain.grants import (
    ALPHABET,
    CODE_BYTES,
    CODE_LENGTH,
    PERMITTED,
    GrantState,
    InvitationState,
    UseContext,
    Validity,
    code_digest,
    invitation_state,
    new_code,
)

GRANTED = datetime(2026, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("revoked_at", "now", "state"),
    [
        (None, GRANTED, GrantState.LIVE),
        (None, GRANTED + DAY - MOMENT, GrantState.LIVE),
        (None, GRANTED + DAY, GrantState.EXPIRED),
        (GRANTED, GRANTED, GrantState.REVOKED),
        (GRANTED + MOMENT, GRANTED + DAY, GrantState.REVOKED),
        (GRANTED + 2 * DAY, GRANTED + 3 * DAY, GrantState.EXPIRED),
    ],
)
def test_a_grant_holds_until_it_expires_or_is_revoked(
    revoked_at: datetime | None, now: datetime, state: GrantState
) -> None:
    validity = Validity(GRANTED, GRANTED + DAY, revoked_at)

    assert validity.state(now) is state
    assert validity.is_live(now) == (state is GrantState.LIVE)


def test_a_grant_does_not_hold_before_it_was_given() -> None:
    assert not Validity(GRANTED, GRANTED + DAY).is_live(GRANTED - MOMENT)


@pytest.mark.parametrize(
    ("redeemed", "withdrawn", "late", "state"),
    [
        (False, False, False, InvitationState.OPEN),
        (False, False, True, InvitationState.EXPIRED),
        (True, False, False, InvitationState.REDEEMED),
        (True, False, True, InvitationState.REDEEMED),
        (False, True, False, InvitationState.WITHDRAWN),
        (False, True, True, InvitationState.WITHDRAWN),
    ],
)
def test_an_invitation_is_what_became_of_it(
    *, redeemed: bool, withdrawn: bool, late: bool, state: InvitationState
) -> None:
    now = GRANTED + DAY if late else GRANTED + DAY - MOMENT

    assert invitation_state(now, expires_at=GRANTED + DAY, redeemed=redeemed, withdrawn=withdrawn) is state


def test_work_and_education_are_refused_with_the_law_that_says_so() -> None:
    refused = {context for context in UseContext if context.prohibition}

    assert refused == {UseContext.WORKPLACE, UseContext.EDUCATION}
    assert set(PERMITTED) == set(UseContext) - refused
    for context in refused:
        assert "2024/1689" in (context.prohibition or "")
        assert "5(1)(f)" in (context.prohibition or "")


def test_a_code_has_eighty_bits_in_groups_of_four() -> None:
    codes = [new_code() for _ in range(2_000)]

    assert len(set(codes)) == len(codes)
    assert {len(group) for code in codes for group in code.split("-")} == {4}
    symbols = "".join(codes).replace("-", "")
    assert len(symbols) == CODE_LENGTH * len(codes)
    assert len(ALPHABET) ** CODE_LENGTH == 1 << 8 * CODE_BYTES
    # 1000 of each are expected, with a standard deviation of 31.
    assert all(750 < symbols.count(symbol) < 1250 for symbol in ALPHABET)


@pytest.mark.parametrize(
    "written",
    [
        "01AB-CDEF-GHJK-MNPQ",
        "01abcdefghjkmnpq",
        " 01AB CDEF\tGHJK MNPQ ",
        "0-1-A-B-C-D-E-F-G-H-J-K-M-N-P-Q",
        "OIAB-CDEF-GHJK-MNPQ",
        "olab-cdef-ghjk-mnpq",
    ],
)
def test_a_code_is_read_as_people_write_it(written: str) -> None:
    assert code_digest(written) == code_digest("01AB-CDEF-GHJK-MNPQ")


@pytest.mark.parametrize(
    "written", ["", "0", "01AB-CDEF-GHJK-MNP", "01AB-CDEF-GHJK-MNPQR", "U1AB-CDEF-GHJK-MNPQ", "01AB_CDEF" * 2]
)
def test_what_is_no_code_has_no_digest(written: str) -> None:
    assert code_digest(written) is None


def test_codes_differ_in_each_symbol() -> None:
    code = "01AB-CDEF-GHJK-MNPQ"
    changed = {code[:place] + "Z" + code[place + 1 :] for place in range(len(code)) if code[place] != "-"}

    assert code_digest(code) not in {code_digest(other) for other in changed}
