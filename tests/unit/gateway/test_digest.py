"""RFC 9530's `Content-Digest`, read as an RFC 8941 dictionary."""

from __future__ import annotations

import base64
import hashlib

import pytest

from mindtrack_gateway.problems import MalformedRequestError
from mindtrack_gateway.recordings.digest import ContentDigest

CONTENT = b'{"hello": "world"}'
#: From RFC 9530, appendix B and D, of the content above and a newline.
RFC_CONTENT = CONTENT + b"\n"
RFC_SHA256 = "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:"
RFC_SHA512 = (
    "sha-512=:YMAam51Jz/jOATT6/zvHrLVgOYTGFy1d6GJiOHTohq4yP+pgk4vf2aCsyRZOtw8MjkM7iw7yZ/WkppmM44T3qg==:"
)


def field(algorithm: str, content: bytes = CONTENT) -> str:
    digest = hashlib.new(algorithm.replace("-", ""), content).digest()
    return f"{algorithm}=:{base64.b64encode(digest).decode()}:"


def holds(*lines: str, content: bytes = CONTENT) -> bool:
    comparison = ContentDigest.parse(lines).begin()
    for byte in content:
        comparison.update(bytes([byte]))
    return comparison.holds()


@pytest.mark.parametrize("line", [RFC_SHA256, RFC_SHA512, f"{RFC_SHA256}, {RFC_SHA512}"])
def test_the_rfcs_examples_hold(line: str) -> None:
    assert holds(line, content=RFC_CONTENT)
    assert not holds(line, content=RFC_CONTENT + b" ")


def test_every_digest_must_hold() -> None:
    right, wrong = field("sha-256"), field("sha-512", b"else")

    assert not holds(f"{right}, {wrong}")
    assert not holds(right, wrong), "lines are one field"


@pytest.mark.parametrize(
    "lines",
    [
        [],
        [""],
        ["md5=:1B2M2Y8AsgTpgAmY7PhCfg==:"],
        ["unixsum=:AAA=:, crc32c=:AAAAAA==:"],
        [f"sha-1=:AAAA:, {field('sha-256')}"],
        [f"{field('sha-256')};source=client; q=0.5"],
        [f"{field('sha-256')}\t ,  {field('sha-512')}"],
        [field("sha-256").replace("=:", ":", 2).replace("sha-256:", "sha-256=:")],  # without padding
        [f"{field('sha-256', b'else')}, {field('sha-256')}"],  # the last of a name counts
    ],
)
def test_nothing_contradicts(lines: list[str]) -> None:
    assert holds(*lines)


@pytest.mark.parametrize(
    "line",
    [
        "sha-256",
        "sha-256=",
        "sha-256=?1",
        "sha-256=RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=",
        "SHA-256=:RK/0qy18MlBSVnWgjwz6lZEWjP/lF5HF9bvEF8FabDg=:",
        "sha-256=:RK/0qy18MlBSVnWgjwz6lZEWjP_lF5HF9bvEF8FabDg=:",
        "sha-256=:AAAA:",
        "sha-256=::",
        "sha-256=:A:",
        "sha-256=:AA=A:",
        f"{RFC_SHA256},",
        f",{RFC_SHA256}",
        f"{RFC_SHA256} {RFC_SHA512}",
        f"{RFC_SHA256};",
        f"{RFC_SHA256} ;q=1",
        "md5=12",
        f"sha-512=:{'A' * 2000}:",
    ],
)
def test_what_does_not_parse_is_refused(line: str) -> None:
    with pytest.raises(MalformedRequestError, match="Content-Digest"):
        ContentDigest.parse([line])


def test_it_is_written_without_what_is_not_compared() -> None:
    assert str(ContentDigest.parse([f"md5=:AAAA:, {RFC_SHA256};a"])) == RFC_SHA256
    assert str(ContentDigest.parse(["md5=:AAAA:"])) == ""
