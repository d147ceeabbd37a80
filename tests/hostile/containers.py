"""Just enough of each container to make one that lies: frames, pages, boxes, elements and chunks, by hand."""

from __future__ import annotations

import struct
from collections.abc import Iterable
from functools import cache

from mindtrack_shared.bundles import SAMPLE_RATE

#: FLAC's largest block.
LARGEST_BLOCK = 65_535


# RIFF


def chunk(name: bytes, body: bytes, *, size: int | None = None) -> bytes:
    """One chunk of a RIFF file, which says that it has `size` bytes if that is given."""
    stated = len(body) if size is None else size
    return name + struct.pack("<I", stated & 0xFFFF_FFFF) + body + bytes(len(body) % 2)


def wave_format(
    *, tag: int = 1, channels: int = 1, rate: int = SAMPLE_RATE, bits: int = 16, more: bytes = b""
) -> bytes:
    """A `fmt ` chunk."""
    align = channels * bits // 8 & 0xFFFF
    head = struct.pack("<HHIIHH", tag, channels, rate, rate * align & 0xFFFF_FFFF, align, bits)
    return chunk(b"fmt ", head + more)


def wave(*chunks: bytes, size: int | None = None) -> bytes:
    return chunk(b"RIFF", b"WAVE" + b"".join(chunks), size=size)


# FLAC


def flac(*blocks: tuple[int, bytes], frames: bytes) -> bytes:
    """A FLAC file of metadata blocks, each with its type, and frames."""
    coded = b""
    for place, (kind, body) in enumerate(blocks):
        is_last = place == len(blocks) - 1
        coded += bytes([is_last << 7 | kind]) + len(body).to_bytes(3, "big") + body
    return b"fLaC" + coded + frames


def stream_info(samples: int, *, block: int = LARGEST_BLOCK, rate: int = SAMPLE_RATE) -> tuple[int, bytes]:
    """The block that says how long a FLAC file of one channel and 16 bits is; 0 for unknown."""
    sizes = struct.pack(">HH", block, block) + bytes(6)
    return 0, sizes + (rate << 44 | 15 << 36 | samples).to_bytes(8, "big") + bytes(16)


def silent_frames(seconds: float, block: int = LARGEST_BLOCK) -> bytes:
    """Whole FLAC frames of digital silence: next to no bytes (RFC 9639, section 9)."""
    return b"".join(_silent_frame(number, block) for number in range(round(seconds * SAMPLE_RATE) // block))


def _silent_frame(number: int, block: int) -> bytes:
    """One mono 16-bit frame at 16 kHz holding a constant zero."""
    coded = chr(number).encode("utf-8", "surrogatepass")
    header = b"\xff\xf8" + b"\x75" + b"\x08" + coded + (block - 1).to_bytes(2, "big")
    header += bytes([_crc(header, 8, 0x07)])
    frame = header + b"\x00\x00\x00"  # subframe header: constant; then the 16-bit value
    return frame + _crc(frame, 16, 0x8005).to_bytes(2, "big")


@cache
def _crc_table(bits: int, polynomial: int) -> tuple[int, ...]:
    table = []
    for byte in range(256):
        value = byte << (bits - 8)
        for _ in range(8):
            value = (value << 1) ^ polynomial if value >> (bits - 1) & 1 else value << 1
        table.append(value & ((1 << bits) - 1))
    return tuple(table)


def _crc(data: bytes, bits: int, polynomial: int) -> int:
    table, mask, value = _crc_table(bits, polynomial), (1 << bits) - 1, 0
    for byte in data:
        value = (value << 8 & mask) ^ table[value >> (bits - 8) ^ byte]
    return value


# Ogg


def ogg(packets: Iterable[tuple[bytes, int]], *, serial: int = 1) -> bytes:
    """An Ogg stream of packets up to 254 bytes, each with the position that its page states."""
    pages: list[bytes] = []
    body, lacing, position = b"", b"", 0
    for packet, position in packets:
        body, lacing = body + packet, lacing + bytes([len(packet)])
        # The two headers must have pages of their own.
        if len(lacing) == 255 or len(pages) < 2:
            pages.append(_page(len(pages), serial, position, lacing, body))
            body, lacing = b"", b""
    if lacing:
        pages.append(_page(len(pages), serial, position, lacing, body))
    return b"".join(pages)


def _page(number: int, serial: int, position: int, lacing: bytes, body: bytes) -> bytes:
    head = struct.pack("<4sBBqIII", b"OggS", 0, (number == 0) << 1, position, serial, number, 0)
    page = head + bytes([len(lacing)]) + lacing + body
    return page[:22] + struct.pack("<I", _crc(page, 32, 0x04C1_1DB7)) + page[26:]


def opus_silence(seconds: float, *, stated: float | None = None) -> bytes:
    """Ogg with packets of two bytes that last 120 ms each: six frames, none of them sent (RFC 6716)."""
    head = struct.pack("<8sBBHIHB", b"OpusHead", 1, 1, 0, 48_000, 0, 0)
    tags = b"OpusTags" + struct.pack("<I", 0) + struct.pack("<I", 0)
    packets = round(seconds / 0.12)
    share = 1.0 if stated is None else stated / seconds
    sound = ((b"\x0b\x06", round((number + 1) * 5_760 * share)) for number in range(packets))
    return ogg([(head, 0), (tags, 0), *sound])


# MP4


def box(kind: bytes, *bodies: bytes, size: int | None = None) -> bytes:
    body = b"".join(bodies)
    return struct.pack(">I", len(body) + 8 if size is None else size) + kind + body


def patched(source: bytes, kind: bytes, offset: int, value: bytes) -> bytes:
    """An MP4 file whose first box of a kind has `value` at an offset in its body."""
    place = source.index(kind) + 4 + offset
    return source[:place] + value + source[place + len(value) :]


def with_edits(source: bytes, edits: Iterable[tuple[int, int]]) -> bytes:
    """An MP4 file with its index at the end, whose only track plays these stretches (duration, first sample).

    What was there as its edit list becomes free space.
    """
    entries = b"".join(struct.pack(">IiHH", duration, first, 1, 0) for duration, first in edits)
    listed = box(b"edts", box(b"elst", struct.pack(">II", 0, len(entries) // 12), entries))
    source = source.replace(b"edts", b"free", 1)
    for kind in (b"trak", b"moov"):
        place = source.index(kind) - 4
        (size,) = struct.unpack(">I", source[place : place + 4])
        source = source[:place] + struct.pack(">I", size + len(listed)) + source[place + 4 :]
    media = source.index(b"mdia") - 4
    return source[:media] + listed + source[media:]


# Matroska

UNKNOWN_SIZE = b"\x01" + b"\xff" * 7


def element(name: bytes, *bodies: bytes, size: bytes | None = None) -> bytes:
    """An EBML element, with a size of eight bytes."""
    body = b"".join(bodies)
    return name + (b"\x01" + len(body).to_bytes(7, "big") if size is None else size) + body


def ebml() -> bytes:
    return element(b"\x1a\x45\xdf\xa3", element(b"\x42\x82", b"webm"))
