"""What is sealed opens as it was, for its person and place, and in no other way."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mindtrack_shared.ids import new_id
from mindtrack_shared.sealing import DataKey, SealBrokenError, Sealer, sealed_size, unsealed
from mindtrack_shared.sealing.format import CHUNK_BYTES, HEADER, TAG_BYTES

ADA, GRACE = new_id(), new_id()
PLACE = "recordings/one"
KEY = DataKey(new_id(), secrets.token_bytes(32))
WHOLE = CHUNK_BYTES + TAG_BYTES

#: Around every boundary of up to three chunks.
SIZES = st.builds(
    lambda chunks, beside: max(0, chunks * CHUNK_BYTES + beside), st.integers(0, 3), st.integers(-2, 2)
)


def pieces(content: bytes, size: int) -> Iterator[bytes]:
    return (content[first : first + size] for first in range(0, len(content), size))


def seal(content: bytes, *, key: DataKey = KEY, step: int = 1 << 20) -> bytes:
    sealer = Sealer(key, person=ADA, place=PLACE)
    return b"".join(map(sealer.update, pieces(content, step))) + sealer.finish()


def opened(sealed: bytes, *, person: UUID = ADA, place: str = PLACE, step: int = 1 << 20) -> bytes:
    return b"".join(unsealed(pieces(sealed, step), lambda _: KEY, person=person, place=place))


@given(size=SIZES, step=st.sampled_from([100, 4096, CHUNK_BYTES - 1, CHUNK_BYTES, WHOLE + 1, 1 << 20]))
@settings(max_examples=60)
def test_a_round_trip_at_every_boundary(size: int, step: int) -> None:
    content = secrets.token_bytes(size)

    sealed = seal(content, step=step)

    assert len(sealed) == sealed_size(size)
    assert opened(sealed, step=step) == content


@given(size=SIZES, data=st.data())
@settings(max_examples=60)
def test_any_flipped_bit_is_refused(size: int, data: st.DataObject) -> None:
    sealed = bytearray(seal(secrets.token_bytes(size)))
    # Without its magic it would be taken for a recording from before, which its checksum refuses.
    place = data.draw(st.integers(8, len(sealed) - 1))
    sealed[place] ^= 1 << data.draw(st.integers(0, 7))

    with pytest.raises(SealBrokenError):
        opened(bytes(sealed))


@given(size=SIZES, data=st.data())
@settings(max_examples=60)
def test_any_cut_is_refused(size: int, data: st.DataObject) -> None:
    sealed = seal(secrets.token_bytes(size))
    left = data.draw(st.one_of(st.integers(8, len(sealed) - 1), st.just(len(sealed) - TAG_BYTES)))

    with pytest.raises(SealBrokenError):
        opened(sealed[:left])


@pytest.mark.parametrize("chunks", [1, 2, 3])
def test_a_cut_between_two_chunks_is_refused(chunks: int) -> None:
    sealed = seal(secrets.token_bytes(4 * CHUNK_BYTES))

    with pytest.raises(SealBrokenError):
        opened(sealed[: HEADER.size + chunks * WHOLE])


@given(order=st.permutations(range(4)).filter(lambda order: order != [0, 1, 2, 3]))
def test_chunks_in_another_order_are_refused(order: list[int]) -> None:
    sealed = seal(secrets.token_bytes(4 * CHUNK_BYTES))
    header, chunks = sealed[: HEADER.size], list(pieces(sealed[HEADER.size :], WHOLE))

    with pytest.raises(SealBrokenError):
        opened(header + b"".join(chunks[index] for index in order))


def test_a_chunk_that_is_left_out_or_comes_twice_is_refused() -> None:
    sealed = seal(secrets.token_bytes(3 * CHUNK_BYTES))
    header, (one, two, three) = sealed[: HEADER.size], pieces(sealed[HEADER.size :], WHOLE)

    for chunks in ((one, three), (one, one, two, three), (one, two, three, three), (two, three)):
        with pytest.raises(SealBrokenError):
            opened(header + b"".join(chunks))


def test_anything_after_the_end_is_refused() -> None:
    with pytest.raises(SealBrokenError):
        opened(seal(b"content") + b"\0")


def test_another_objects_chunks_are_refused() -> None:
    one, other = seal(b"one" * CHUNK_BYTES), seal(b"two" * CHUNK_BYTES)

    with pytest.raises(SealBrokenError):
        opened(one[: HEADER.size + WHOLE] + other[HEADER.size + WHOLE :])


@given(person=st.uuids(), place=st.text(max_size=40))
def test_it_opens_for_its_person_and_place_alone(person: UUID, place: str) -> None:
    sealed = seal(b"content")

    if (person, place) != (ADA, PLACE):
        with pytest.raises(SealBrokenError):
            opened(sealed, person=person, place=place)
    with pytest.raises(SealBrokenError):
        opened(sealed, person=GRACE)
    with pytest.raises(SealBrokenError):
        opened(sealed, place="recordings/other")


def test_another_key_does_not_open_it() -> None:
    sealed = seal(b"content", key=DataKey(KEY.id, secrets.token_bytes(32)))

    with pytest.raises(SealBrokenError):
        opened(sealed)


def test_another_version_is_refused() -> None:
    sealed = bytearray(seal(b"content"))
    sealed[8] = 2

    with pytest.raises(SealBrokenError, match="version is 2"):
        opened(bytes(sealed))


@given(content=st.binary(max_size=200).filter(lambda content: not content.startswith(b"MTsealed")))
def test_what_was_never_sealed_passes(content: bytes) -> None:
    assert opened(content) == content
    assert opened(content, step=7) == content


def test_no_salt_and_no_sealed_byte_comes_twice() -> None:
    one, other = seal(bytes(CHUNK_BYTES)), seal(bytes(CHUNK_BYTES))

    assert one[25:41] != other[25:41]
    assert one[HEADER.size :] != other[HEADER.size :]


def test_sealing_holds_a_chunk_and_no_more() -> None:
    sealer = Sealer(KEY, person=ADA, place=PLACE)

    for _ in range(100):
        sealer.update(bytes(10_000))
        assert len(sealer._held) <= CHUNK_BYTES


def test_a_key_does_not_show_its_secret() -> None:
    assert "secret" not in repr(KEY)
