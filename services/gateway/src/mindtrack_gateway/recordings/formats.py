"""Recognise a recording by its first bytes. The name and the declared type are never believed."""

from __future__ import annotations

#: Bytes needed to tell all formats apart.
SNIFF_BYTES = 16


def sniff(head: bytes) -> str | None:
    """Return the media type of a recording that starts with `head`, or None if it is none we know.

    Signatures: RFC 2361 (WAVE), RFC 9639 (FLAC), RFC 3533 (Ogg), ISO/IEC 14496-12 (MP4), RFC 8794 (EBML),
    RFC 4867 (AMR), ISO/IEC 11172-3 and 13818-7 (MPEG audio and ADTS frame sync), id3.org (ID3v2).
    """
    if head[:4] in {b"RIFF", b"RF64"} and head[8:12] == b"WAVE":
        return "audio/wav"
    if head[4:8] == b"ftyp":
        return "audio/mp4"
    for signature, found in _SIGNATURES:
        if head.startswith(signature):
            return found
    return _mpeg(head)


_SIGNATURES = (
    (b"fLaC", "audio/flac"),
    (b"OggS", "audio/ogg"),
    (b"\x1aE\xdf\xa3", "audio/webm"),
    (b"ID3", "audio/mpeg"),
    (b"#!AMR", "audio/amr"),
)


def _mpeg(head: bytes) -> str | None:
    """Tell MPEG audio (layer bits set) from ADTS AAC (layer bits zero) by the frame header."""
    if len(head) < 2 or head[0] != 0xFF or head[1] & 0xE0 != 0xE0:  # noqa: PLR2004 - the sync word
        return None
    return "audio/mpeg" if head[1] & 0x06 else "audio/aac"


def media_type(content_type: str) -> str:
    """Return a declared type without its parameters."""
    return content_type.partition(";")[0].strip().lower()


def is_acceptable_declaration(content_type: str | None) -> bool:
    """Tell whether a declared type leaves room for a recording. Phones often declare none."""
    if content_type is None:
        return True
    declared = media_type(content_type)
    return declared.startswith("audio/") or declared in _ACCEPTABLE


_ACCEPTABLE = frozenset(
    {"application/octet-stream", "application/ogg", "video/webm", "video/mp4", "video/ogg"}
)


def contradicts(declared: str, found: str) -> bool:
    """Tell whether a declared type rules out what a recording was recognised as.

    Types that we do not know, and those that name no format, rule out nothing.
    """
    meant = _MEANT.get(media_type(declared))
    return meant is not None and found not in meant


_MEANT: dict[str, frozenset[str]] = {
    declared: frozenset(found)
    for found, names in (
        (("audio/wav",), ("audio/wav", "audio/wave", "audio/x-wav", "audio/vnd.wave")),
        (("audio/flac",), ("audio/flac", "audio/x-flac")),
        (("audio/ogg",), ("audio/ogg", "audio/opus", "audio/vorbis", "application/ogg", "video/ogg")),
        (("audio/mp4",), ("audio/mp4", "audio/x-m4a", "audio/m4a", "video/mp4")),
        (("audio/webm",), ("audio/webm", "video/webm")),
        (("audio/amr",), ("audio/amr", "audio/amr-wb")),
        # MPEG's audio types are used for one another, and AAC travels in MP4 and behind ID3 tags, too.
        (("audio/mpeg", "audio/aac"), ("audio/mpeg", "audio/mp3", "audio/x-mp3")),
        (("audio/aac", "audio/mp4", "audio/mpeg"), ("audio/aac", "audio/x-aac", "audio/aacp")),
    )
    for declared in names
}
