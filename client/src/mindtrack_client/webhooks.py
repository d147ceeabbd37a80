"""Check that a webhook is from MindTrack, as the Standard Webhooks specification has it.

event = verify(request.body, request.headers, secret)
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import re
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from mindtrack_client.errors import ConfigurationError, WebhookVerificationError
from mindtrack_client.models import Model

#: Seconds that a message may lie in the past or the future: a captured one is worthless afterwards.
TOLERANCE = 300
SECRET_PREFIX = "whsec_"  # noqa: S105 - what secrets start with
VERSION = "v1"

_SECONDS = re.compile(r"[0-9]{1,15}")


class WebhookEvent(Model):
    """Something happened. Ask the API for more, with a token."""

    #: The same in every delivery of this message: remember it to take each once.
    id: str
    #: Such as `job.succeeded`.
    type: str
    timestamp: datetime
    data: Mapping[str, Any] = {}


def verify(
    body: bytes | str,
    headers: Mapping[str, str],
    secret: str | bytes | Iterable[str | bytes],
    tolerance: float = TOLERANCE,
    *,
    now: float | None = None,
) -> WebhookEvent:
    """Return what a webhook says, once it is certain who sent it and when.

    Args:
        body: exactly as it was received; a document that was parsed and written again has another signature.
        headers: those of the request, in any case.
        secret: as it was shown when the webhook was made (`whsec_...`), or its bytes; several while one is
            being rotated.
        tolerance: seconds that its clock and yours may lie apart.
        now: seconds since the epoch, for tests.

    Raises:
        WebhookVerificationError: no signature fits, a header is missing, or the message is too old.
        ConfigurationError: the secret is none.

    """
    content = body.encode() if isinstance(body, str) else bytes(body)
    given = {name.lower(): value for name, value in headers.items()}
    message_id, timestamp, signatures = (
        _required(given, f"webhook-{part}") for part in ("id", "timestamp", "signature")
    )
    keys = [_key(one) for one in ([secret] if isinstance(secret, str | bytes) else secret)]
    _check_time(timestamp, tolerance, time.time() if now is None else now)
    signed = b"%b.%b.%b" % (message_id.encode(), timestamp.encode(), content)
    expected = [hmac.digest(key, signed, hashlib.sha256) for key in keys]
    # All of them are compared, whichever fits: how long that takes tells nothing.
    fits = [hmac.compare_digest(one, other) for one in _signatures(signatures) for other in expected]
    if not any(fits):
        raise WebhookVerificationError("no signature fits: another secret, or the message was changed")
    try:
        return WebhookEvent.model_validate({**json.loads(content), "id": message_id})
    except (ValueError, TypeError) as error:
        raise WebhookVerificationError("signed, but not an event of MindTrack's") from error


def _required(headers: Mapping[str, str], name: str) -> str:
    value = headers.get(name)
    if not value:
        raise WebhookVerificationError(f"the header {name} is missing")
    return value


def _key(secret: str | bytes) -> bytes:
    if isinstance(secret, bytes):
        key = secret
    else:
        text = secret.strip().removeprefix(SECRET_PREFIX)
        try:
            key = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
        except (binascii.Error, ValueError):
            key = b""
    if not key:
        raise ConfigurationError(f"a webhook's secret is {SECRET_PREFIX} and base64")
    return key


def _check_time(timestamp: str, tolerance: float, now: float) -> None:
    if not _SECONDS.fullmatch(timestamp):
        raise WebhookVerificationError("webhook-timestamp is no number of seconds")
    age = now - int(timestamp)
    if abs(age) > tolerance:
        raise WebhookVerificationError(
            f"the message is {abs(age):.0f} s {'old' if age > 0 else 'ahead'}; {tolerance:g} s are allowed"
        )


def _signatures(header: str) -> list[bytes]:
    """Return the signatures of the version that we know; others are passed over."""
    found = []
    for part in header.split():
        version, _, text = part.partition(",")
        if version == VERSION:
            try:
                found.append(base64.b64decode(text, validate=True))
            except (binascii.Error, ValueError):
                continue
    return found
