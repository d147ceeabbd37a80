"""Read a multipart form as it arrives (RFC 7578): nothing is buffered, in memory or on disk."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from multipart import MultipartError, MultipartSegment, PushMultipartParser, parse_options_header

from mindtrack_gateway.problems import (
    InvalidRequestError,
    MalformedRequestError,
    UnsupportedMediaTypeError,
)

#: No field of a form is longer than this; only the recording is.
MAX_FIELD_BYTES = 1024


@dataclass(frozen=True, slots=True)
class Part:
    """One part of the form. Its content can be read once, before the next part is asked for."""

    name: str
    content_type: str | None
    chunks: AsyncIterator[bytes]

    async def text(self) -> str:
        """Read a short field.

        Raises:
            InvalidRequestError: the field is longer than any this service knows, or not UTF-8.

        """
        content = b""
        async for chunk in self.chunks:
            content += chunk
            if len(content) > MAX_FIELD_BYTES:
                raise InvalidRequestError.about(self.name, f"must have at most {MAX_FIELD_BYTES} bytes")
        try:
            return content.decode()
        except UnicodeDecodeError as error:
            raise InvalidRequestError.about(self.name, "must be UTF-8 text") from error


def boundary_of(content_type: str) -> str:
    """Return what stands between the parts of a form of this type.

    Raises:
        UnsupportedMediaTypeError: the type does not say.

    """
    _, options = parse_options_header(content_type)
    boundary = options.get("boundary")
    if not boundary:
        raise UnsupportedMediaTypeError("multipart/form-data needs a boundary.")
    return str(boundary)


async def parts(stream: AsyncIterator[bytes], boundary: str) -> AsyncIterator[Part]:
    """Yield the form's parts in the order they arrive, and read the body to its end.

    Raises:
        MalformedRequestError: it does not parse, ends too early, or goes on after its end.

    """
    pieces = _pieces(stream, boundary)
    async for piece in pieces:
        if isinstance(piece, MultipartSegment):
            part = Part(name=piece.name or "", content_type=piece.content_type, chunks=_content(pieces))
            yield part
            async for _ in part.chunks:  # skip what the caller left unread
                pass


async def _pieces(
    stream: AsyncIterator[bytes],
    boundary: str,
) -> AsyncIterator[MultipartSegment | bytes | None]:
    """Yield a part's head, its content in pieces, and None at its end."""
    try:
        with PushMultipartParser(boundary, strict=True) as parser:
            async for data in stream:
                for piece in parser.parse(data):
                    yield bytes(piece) if isinstance(piece, bytearray) else piece
    except MultipartError as error:
        raise MalformedRequestError("The multipart form could not be parsed to its end.") from error


async def _content(pieces: AsyncIterator[MultipartSegment | bytes | None]) -> AsyncIterator[bytes]:
    async for piece in pieces:
        if not isinstance(piece, bytes):
            return
        yield piece
