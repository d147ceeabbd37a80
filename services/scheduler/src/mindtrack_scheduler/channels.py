"""Hands notifications to those who carry them: e-mail and push, through Apprise.

The operator writes a URL for each channel, and a person's address goes into it: quoted, behind the host, and
held to characters that mean nothing there (`domain.notifications.amiss`). So a person chooses who receives a
message, and never which server is asked to carry it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from urllib.parse import quote

from apprise import Apprise, AppriseAsset, NotifyBase, NotifyFormat

from mindtrack_shared.domain.notifications import Channel, Text, amiss
from mindtrack_shared.errors import OperatorError
from mindtrack_shared.settings import ADDRESS_PLACEHOLDER, NotificationSettings, variable

#: Addresses that no person has, with which templates are tried at start.
_SAMPLES = {Channel.EMAIL: "somebody@example.org", Channel.PUSH: "0123456789abcdef"}


class ChannelsMisconfiguredError(OperatorError):
    """A channel is offered, and nothing could carry its messages."""


class Channels:
    """Sends texts to addresses.

    Args:
        settings: which channels there are, and how each is reached.
        timeout: of an attempt as a whole.

    Raises:
        ChannelsMisconfiguredError: says which setting is to blame, and nothing that is in it.

    """

    def __init__(self, settings: NotificationSettings, *, timeout: timedelta) -> None:
        self._timeout = timeout.total_seconds()
        self._asset = AppriseAsset(
            app_id="MindTrack",
            app_desc="MindTrack",
            app_url=str(settings.app_url or ""),
            storage_mode="memory",
            image_url_mask="",  # phones would fetch it from somebody who has no part in this
            http_redirects=False,
        )
        self._templates: Mapping[Channel, str] = {
            channel: self._template(settings, channel) for channel in settings.offered
        }

    async def send(self, channel: Channel, address: str, text: Text) -> bool:
        """Send a text once; return whether it was taken.

        What takes longer than the timeout counts as failed, and may arrive all the same.
        """
        template = self._templates.get(channel)
        if template is None or amiss(channel, address):
            return False
        carrier = self._carrier(template, address)
        if carrier is None:
            return False
        try:
            async with asyncio.timeout(self._timeout):
                return bool(
                    await carrier.async_notify(
                        body=text.body, title=text.title, body_format=NotifyFormat.TEXT
                    )
                )
        except TimeoutError:
            return False

    def _template(self, settings: NotificationSettings, channel: Channel) -> str:
        field = {Channel.EMAIL: "email_url", Channel.PUSH: "push_url"}[channel]
        url = getattr(settings, field)
        name = variable(NotificationSettings, field)
        if url is None:
            raise ChannelsMisconfiguredError(f"`{channel}` is offered to people, and {name} is not set")
        template: str = url.get_secret_value()
        if self._carrier(template, _SAMPLES[channel]) is None:
            raise ChannelsMisconfiguredError(f"{name} is no URL that Apprise knows")
        return template

    def _carrier(self, template: str, address: str) -> NotifyBase | None:
        url = template.replace(ADDRESS_PLACEHOLDER, quote(address, safe=""))
        made: NotifyBase | None = Apprise.instantiate(url, asset=self._asset, suppress_exceptions=True)
        return made
