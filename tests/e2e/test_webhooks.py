"""Somebody's server hears of a job's end, through every process."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import httpx2
from standardwebhooks import Webhook

from mindtrack_client import JobStatus, MindTrack
from mindtrack_local.stack import Stack
from patience import eventually
from samples import SAMPLES
from webhook_receiver import receiving


def test_who_asked_is_told_of_each_end_and_can_verify_it(
    stack: Stack, sign_in: Callable[[str], MindTrack], tmp_path: Path
) -> None:
    torn = tmp_path / "torn.m4a"
    torn.write_bytes((SAMPLES / "day-2.m4a").read_bytes()[:20_000])
    with receiving() as receiver:
        made = httpx2.post(
            f"{stack.base_url}/v1/webhooks",
            headers={"Authorization": f"Bearer {stack.token('mary')}"},
            json={"url": receiver.url, "events": ["job.succeeded", "job.rejected"]},
        ).json()
        client = sign_in("mary")
        ended = [
            client.submit(recording, wait=True, timeout=60) for recording in (SAMPLES / "day-7.m4a", torn)
        ]
        eventually(lambda: len(receiver.received) == 2, what="two webhooks")

    assert [job.status for job in ended] == [JobStatus.SUCCEEDED, JobStatus.REJECTED]
    told = {}
    for got in receiver.received:
        Webhook(made["secret"]).verify(got.body, got.headers)
        message = json.loads(got.body)
        assert message.keys() == {"type", "timestamp", "data"}
        told[message["data"]["job_id"]] = message["type"]
    assert told == {str(ended[0].id): "job.succeeded", str(ended[1].id): "job.rejected"}
