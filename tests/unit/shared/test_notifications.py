from __future__ import annotations

import random
from datetime import timedelta

import pytest
from pydantic import ValidationError

from mindtrack_shared.domain.notifications import SCHEDULE, Channel, Occasion, amiss, text, wait_before_next
from mindtrack_shared.settings import NotificationSettings


@pytest.mark.parametrize(
    "address",
    ["ada@example.org", "ada.lovelace+voice@mail.example.co.uk", "a-b_c~d=e&f%g!h@xn--p1ai.example.org"],
)
def test_an_address_is_one(address: str) -> None:
    assert amiss(Channel.EMAIL, address) is None


@pytest.mark.parametrize(
    "address",
    [
        *("ada", "ada@", "@example.org", "ada@localhost", "ada@127.0.0.1", "ada@[127.0.0.1]"),
        *("a@b@example.org", "ada@example.org,eve@example.org", "ada@example.org eve@example.org"),
        *(
            "ada@example.org\nBcc: eve@example.org",
            "ada@example.org\n",
            "o'ada@example.org",
            '"a b"@example.org',
        ),
        *("Ada <ada@example.org>", "ada/eve@example.org", "ada?eve@example.org", "ada#eve@example.org"),
        *(".ada@example.org", "a..da@example.org", "adä@example.org", "ada@-example.org", "ada@example.o"),
        *(
            f"{'a' * 65}@example.org",
            f"ada@{'a' * 63}.{'b' * 63}.{'c' * 63}.{'d' * 63}.org",
            "",
            "{address}@x.org",
            "ada+voice+log@example.org",
        ),
    ],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    assert amiss(Channel.EMAIL, address)


@pytest.mark.parametrize(
    ("topic", "sound"), [("0123456789abcdef", True), ("a" * 64, True), ("Az_-" * 4, True)]
)
def test_a_topic_is_one(topic: str, sound: bool) -> None:  # noqa: FBT001
    assert (amiss(Channel.PUSH, topic) is None) is sound


@pytest.mark.parametrize(
    "topic",
    ["short", "a" * 65, "0123456789abcde/", "../../0123456789", "host.example.org:80", "0123456789abcde\n"],
)
def test_what_is_no_topic_is_refused(topic: str) -> None:
    assert amiss(Channel.PUSH, topic)


def test_waits_are_spread_and_end_after_about_a_day() -> None:
    jitter = random.Random(1)
    waits = [wait_before_next(attempts, jitter) for attempts in range(1, len(SCHEDULE) + 1)]

    assert waits[-1] is None
    known = [wait for wait in waits if wait is not None]
    assert all(0.8 * each <= wait <= 1.2 * each for each, wait in zip(SCHEDULE[1:], known, strict=True))
    assert timedelta(hours=16) < sum(known, timedelta()) < timedelta(hours=30)


@pytest.mark.parametrize("occasion", Occasion)
def test_a_text_tells_nothing_of_how_somebody_is(occasion: Occasion) -> None:
    said = text(occasion, "https://app.example.org/")

    words = f"{said.title} {said.body}".lower()
    for telling in ("stress", "anxi", "tense", "score", "alert", "warning", "urgent", "model", "diagnos"):
        assert telling not in words
    assert words.endswith("https://app.example.org/")
    assert "http" not in text(occasion).body
    assert "turn them off" in said.body


@pytest.mark.parametrize(
    "url",
    [
        "mailtos://user:secret@smtp.example.org?from=noreply@example.org&to={address}",
        "ntfys://ntfy.example.org/{address}",
        "ntfys://token@ntfy.example.org:8443/{address}?auth=token",
    ],
)
def test_a_template_has_its_address_behind_the_host(url: str) -> None:
    assert NotificationSettings.model_validate({"email_url": url}).email_url is not None


@pytest.mark.parametrize(
    "url",
    [
        "mailtos://user:secret@smtp.example.org?to=somebody@example.org",
        "mailtos://{address}@smtp.example.org",
        "ntfys://{address}/topic",
        "ntfys://{address}",
        "ntfys://ntfy.{address}.example.org/x",
        "ntfys://ntfy.example.org/{address}/{address}",
        "smtp.example.org/{address}",
    ],
)
def test_a_template_whose_host_a_person_would_choose_is_refused(url: str) -> None:
    with pytest.raises(ValidationError, match="behind its host") as refused:
        NotificationSettings.model_validate({"email_url": url})
    assert "secret" not in str(refused.value)
