from __future__ import annotations

import pytest

from mindtrack_gateway.jobs.cursor import decode, encode
from mindtrack_gateway.problems import InvalidRequestError
from mindtrack_shared.ids import new_id


def test_a_cursor_survives_the_round_trip() -> None:
    last = new_id()

    assert decode(encode(last)) == last


@pytest.mark.parametrize("cursor", ["", "a", "not base64!", "AAAA", "é"])
def test_anything_else_is_refused(cursor: str) -> None:
    with pytest.raises(InvalidRequestError):
        decode(cursor)
