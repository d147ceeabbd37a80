"""Whatever a person gives as their address, the message goes there, by whom the operator chose."""

from __future__ import annotations

from datetime import timedelta
from urllib.parse import quote

import pytest
from apprise import Apprise
from apprise.plugins.email import NotifyEmail
from apprise.plugins.ntfy import NotifyNtfy
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from mindtrack_scheduler.channels import Channels, ChannelsMisconfiguredError
from mindtrack_shared.domain.notifications import Channel, Occasion, amiss, text
from mindtrack_shared.settings import NotificationSettings

EMAIL = "mailtos://user:secret@smtp.example.org?from=noreply@example.org&to={address}"
PUSH = "ntfys://ntfy.example.org/{address}"


def channels(**settings: object) -> Channels:
    return Channels(NotificationSettings.model_validate(settings), timeout=timedelta(seconds=1))


@settings(deadline=None)
@given(
    st.from_regex(r"[!-~]{1,12}", fullmatch=True),
    st.sampled_from(["example.org", "mail.example.co.uk", "example.org,eve@example.com", "b@example.org"]),
)
def test_mail_goes_to_the_address_and_to_nobody_else(local: str, host: str) -> None:
    address = f"{local}@{host}"
    assume(amiss(Channel.EMAIL, address) is None)

    made = Apprise.instantiate(EMAIL.replace("{address}", quote(address, safe="")))
    assert isinstance(made, NotifyEmail)
    assert made.targets == [(False, address)]
    assert (made.smtp_host, made.user) == ("smtp.example.org", "user")
    assert (made.cc, made.bcc) == (set(), set())


@settings(deadline=None)
@given(st.from_regex(r"[A-Za-z0-9_-]{16,24}", fullmatch=True))
def test_a_push_goes_to_the_topic_of_the_configured_host(topic: str) -> None:
    assert amiss(Channel.PUSH, topic) is None
    made = Apprise.instantiate(PUSH.replace("{address}", quote(topic, safe="")))
    assert isinstance(made, NotifyNtfy)
    assert (made.host, made.topics) == ("ntfy.example.org", [topic])


@pytest.mark.parametrize(
    ("settings", "blamed"),
    [
        ({"channels": ["email"]}, "MINDTRACK_NOTIFY_EMAIL_URL is not set"),
        ({"channels": ["email", "push"], "email_url": EMAIL}, "MINDTRACK_NOTIFY_PUSH_URL is not set"),
        ({"channels": ["push"], "push_url": "pigeon://secret@loft/{address}"}, "no URL that Apprise knows"),
    ],
)
def test_a_channel_that_nothing_can_carry_is_found_at_start(settings: dict[str, object], blamed: str) -> None:
    with pytest.raises(ChannelsMisconfiguredError, match=blamed) as refused:
        channels(**settings)
    assert "secret" not in str(refused.value)


async def test_what_is_not_offered_is_not_sent() -> None:
    said = text(Occasion.TEST)
    assert not await channels().send(Channel.EMAIL, "ada@example.org", said)
    offered = channels(channels=["email"], email_url=EMAIL)
    assert not await offered.send(Channel.EMAIL, "o'ada@example.org", said)
