"""Webhooks as the Standard Webhooks specification has them.

The vector was signed by OpenSSL, not by Python:

    printf '%s.%s.%s' "$ID" "$TIMESTAMP" "$BODY" |
        openssl dgst -sha256 -mac HMAC -macopt hexkey:$KEY -binary | base64
"""

from __future__ import annotations

import base64
import hmac
import shutil
import subprocess
from datetime import UTC, datetime

import pytest

from mindtrack_client import ConfigurationError, WebhookVerificationError, webhooks

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"  # noqa: S105 - made for this test
ID = "msg_2KWPBgLlAfxdpx2AI54pPJ85f4W"
TIMESTAMP = 1674087231
BODY = (
    b'{"type":"job.succeeded","timestamp":"2023-01-19T00:13:51Z",'
    b'"data":{"job_id":"01890a5d-ac96-774b-bcce-b302099a8057"}}'
)
SIGNATURE = "qDntOzjrcgSRxu7fELmy/9nY0uKIcGkOeF9YF7u8z9o="
HEADERS = {
    "webhook-id": ID,
    "webhook-timestamp": str(TIMESTAMP),
    "webhook-signature": f"v1,{SIGNATURE}",
}


def verify(**changes: object) -> webhooks.WebhookEvent:
    arguments: dict[str, object] = {"body": BODY, "headers": HEADERS, "secret": SECRET, "now": TIMESTAMP + 10}
    return webhooks.verify(**arguments | changes)  # type: ignore[arg-type]


def test_a_message_that_openssl_signed() -> None:
    event = verify()
    assert event.id == ID
    assert event.type == "job.succeeded"
    assert event.data == {"job_id": "01890a5d-ac96-774b-bcce-b302099a8057"}
    assert event.timestamp.isoformat() == "2023-01-19T00:13:51+00:00"


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs Debian's openssl")
def test_the_vector_is_what_openssl_says() -> None:
    key = base64.b64decode(SECRET.removeprefix("whsec_")).hex()
    command = ["openssl", "dgst", "-sha256", "-mac", "HMAC", "-macopt", f"hexkey:{key}", "-binary"]
    signed = subprocess.run(
        command, input=f"{ID}.{TIMESTAMP}.".encode() + BODY, capture_output=True, check=True
    )
    assert base64.b64encode(signed.stdout).decode() == SIGNATURE


def test_the_reference_implementation_agrees() -> None:
    reference = pytest.importorskip("standardwebhooks", reason="needs the package standardwebhooks")
    now = datetime.now(UTC)
    signature = reference.Webhook(SECRET).sign(msg_id=ID, timestamp=now, data=BODY.decode())
    headers = {
        "webhook-id": ID,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }
    assert webhooks.verify(BODY, headers, SECRET).id == ID
    with pytest.raises(WebhookVerificationError):
        webhooks.verify(BODY + b" ", headers, SECRET)


@pytest.mark.parametrize(
    "headers",
    [
        {name.title(): value for name, value in HEADERS.items()},
        HEADERS | {"webhook-signature": f"v1,{'A' * 43}= v1a,AAAA v2,x v1,!! junk v1,{SIGNATURE}"},
    ],
    ids=["in any case", "among others"],
)
def test_the_signature_is_found(headers: dict[str, str]) -> None:
    assert verify(headers=headers).id == ID


@pytest.mark.parametrize(
    "secret",
    [
        SECRET.removeprefix("whsec_"),
        base64.b64decode(SECRET.removeprefix("whsec_")),
        ["whsec_b3RoZXI=", SECRET],
    ],
    ids=["without its prefix", "bytes", "while it is rotated"],
)
def test_a_secret_may_be_given_in_any_form(secret: object) -> None:
    assert verify(secret=secret).id == ID


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"body": BODY + b" "}, "no signature fits"),
        ({"secret": "whsec_b3RoZXI="}, "no signature fits"),
        ({"secret": []}, "no signature fits"),
        ({"headers": HEADERS | {"webhook-id": "other"}}, "no signature fits"),
        ({"headers": HEADERS | {"webhook-timestamp": str(TIMESTAMP + 1)}}, "no signature fits"),
        ({"headers": HEADERS | {"webhook-signature": SIGNATURE}}, "no signature fits"),
        ({"headers": HEADERS | {"webhook-signature": f"v1a,{SIGNATURE}"}}, "no signature fits"),
        ({"headers": {}}, "webhook-id is missing"),
        ({"headers": HEADERS | {"webhook-signature": ""}}, "webhook-signature is missing"),
        ({"headers": HEADERS | {"webhook-timestamp": "now"}}, "no number of seconds"),
        ({"headers": HEADERS | {"webhook-timestamp": f"{TIMESTAMP}.5"}}, "no number of seconds"),
        ({"now": TIMESTAMP + 301}, "301 s old; 300 s are allowed"),
        ({"now": TIMESTAMP - 301}, "301 s ahead"),
        ({"now": TIMESTAMP + 11, "tolerance": 10}, "11 s old"),
    ],
)
def test_anything_else_is_refused(changes: dict[str, object], words: str) -> None:
    with pytest.raises(WebhookVerificationError, match=words):
        verify(**changes)


def test_the_tolerance_includes_its_end() -> None:
    assert verify(now=TIMESTAMP + 300).id == verify(now=TIMESTAMP - 300).id


@pytest.mark.parametrize("body", [b"[]", b"{}", b"\xff", b"nothing"])
def test_what_is_signed_and_no_event_is_refused(body: bytes) -> None:
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    signature = base64.b64encode(hmac.digest(key, f"{ID}.{TIMESTAMP}.".encode() + body, "sha256"))
    headers = HEADERS | {"webhook-signature": f"v1,{signature.decode()}"}
    with pytest.raises(WebhookVerificationError, match="not an event"):
        verify(body=body, headers=headers)


@pytest.mark.parametrize("secret", ["", "whsec_", "whsec_no base64!", b""])
def test_a_secret_that_is_none(secret: str | bytes) -> None:
    with pytest.raises(ConfigurationError, match="whsec_"):
        verify(secret=secret)
