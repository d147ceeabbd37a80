"""F18, F19, F23, F24: what clients do and suffer, and who is told by webhook."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from threading import Thread

from faults.campaign.load import recording
from faults.campaign.rig import PATIENCE, Rig, until
from faults.campaign.trial import Trial, fault
from mindtrack_shared.ids import new_id
from webhook_receiver import Receiver, answer, receiving, silence

CONFLICT = int(HTTPStatus.CONFLICT)
#: Without anything new, nothing is on its way any more.
AT_REST = 3.0  # seconds


@fault("F18", "the gateway SIGKILLed between upload and commit")
def gateway_killed(trial: Trial) -> None:
    """Its way to the database is slow, so that the object is there long before its row."""
    rig, rounds, between = trial.rig, trial.rounds(6), 0
    link, gateway = rig.link("gateway", "database"), rig.process("gateway")
    former = set(rig.objects())
    with trial.crowd.client() as client:
        trial.crowd.insist(client, recording())  # so that the person is known
        for _ in range(rounds):
            before = set(rig.objects())
            link.latency = 0.3
            sender = Thread(target=trial.crowd.insist, args=(client, recording()))
            sender.start()
            (key,) = _more_objects(rig, before)
            gateway.kill()
            between += not rig.rows("select 1 from recordings where object_key = :key", key=key)
            link.heal()
            sender.join()
    trial.settled()
    _at_rest(rig)
    trial.check(f"{between} of {rounds} kills between the two", holds=between >= rounds / 2)
    rows = {key for (key,) in rig.rows("select object_key from recordings")}
    left = len(set(rig.objects()) - former - rows)
    # Of each kill what was under way: the request, and its repetition, which a client sends at once.
    trial.check(f"{left} orphans left, listed by `mindtrack-scheduler verify`", holds=left <= 2 * rounds)
    trial.all_succeeded()


def _at_rest(rig: Rig) -> None:
    """Wait for what is still on its way to storage: a server may finish what a killed gateway began."""
    seen, since = len(rig.objects()), time.monotonic()
    while time.monotonic() - since < AT_REST:
        time.sleep(0.2)
        if len(rig.objects()) != seen:
            seen, since = len(rig.objects()), time.monotonic()


def _more_objects(rig: Rig, before: set[str]) -> set[str]:
    until(lambda: bool(set(rig.objects()) - before), within=PATIENCE, what="an object")
    return set(rig.objects()) - before


@fault("F19", "a client that sends the same five times at once, under one key")
def five_at_once(trial: Trial) -> None:
    rig, rounds = trial.rig, trial.rounds(20)
    statuses: list[int] = []
    objects = len(rig.objects())
    for _ in range(rounds):
        content, key = recording(), str(new_id())

        def post(content: bytes = content, key: str = key) -> int:
            with trial.crowd.client() as client:
                told = trial.crowd.send(client, content, key)
                return told.status_code if told is not None else 0

        with ThreadPoolExecutor(5) as threads:
            statuses += [each.result() for each in [threads.submit(post) for _ in range(5)]]
    trial.settled()
    told = ", ".join(f"{statuses.count(status)} of {status}" for status in sorted(set(statuses)))
    trial.check(told, holds=set(statuses) <= {int(HTTPStatus.ACCEPTED), CONFLICT})
    jobs, more = len(trial.crowd.jobs), len(rig.objects()) - objects
    trial.check(f"{jobs} jobs and {more} objects for {rounds} requests", holds=jobs == more == rounds)
    trial.all_succeeded()


@fault("F23", "a webhook receiver that is down, slow, or leads elsewhere (302)")
def bad_receiver(trial: Trial) -> None:
    """A receiver misbehaves at its first messages; jobs must not notice, and each is told in the end."""
    count = trial.rounds(10)
    with receiving() as elsewhere, receiving() as good:
        bad: tuple[Callable[[Receiver], None], ...] = (
            lambda receiver: receiver.behaves(*[answer(503)] * count, answer(204)),
            lambda receiver: receiver.behaves(*[silence] * min(2, count), answer(204)),
            lambda receiver: receiver.behaves(answer(302, Location=elsewhere.url), answer(204)),
        )
        for behave in bad:
            good.received.clear()
            behave(good)
            _register(trial, good.url)
            began = time.monotonic()
            jobs = trial.crowd.send_many(count)
            trial.settled()
            took = time.monotonic() - began
            _await_deliveries(trial, jobs)
            trial.note(f"jobs done in {took:.1f} s, delivered in {time.monotonic() - began:.1f} s")
        trial.check(f"{3 * count} of {3 * count} told in the end", holds=True)
        trial.check(f"{len(elsewhere.received)} requests led elsewhere", holds=not elsewhere.received)
    trial.all_succeeded()


def _register(trial: Trial, url: str) -> None:
    with trial.crowd.client() as client:
        for endpoint in client.get("/v1/webhooks").json()["items"]:
            client.delete(f"/v1/webhooks/{endpoint['id']}").raise_for_status()
        body = {"url": url, "events": ["job.succeeded"]}
        client.post("/v1/webhooks", json=body).raise_for_status()


def _await_deliveries(trial: Trial, jobs: list[str]) -> None:
    until(lambda: _delivered(trial, jobs) == len(jobs), within=PATIENCE, what="deliveries")


def _delivered(trial: Trial, jobs: list[str]) -> int:
    return trial.rig.number(
        "select count(*) from webhook_deliveries where job_id::text = any(:ids) and state = 'delivered'",
        ids=jobs,
    )


def _await_claim(rig: Rig, job: str) -> None:
    until(lambda: job in rig.running(), within=PATIENCE, what="a claim")


@fault("F24", "a job erased while a worker is at it")
def erased_meanwhile(trial: Trial) -> None:
    rig, crowd, caught = trial.rig, trial.crowd, 0
    rounds = trial.rounds(10)
    with crowd.client() as client:
        for _ in range(rounds):
            job = crowd.insist(client, recording(30.0))
            _await_claim(rig, job)
            ((key,),) = rig.rows(
                "select r.object_key from recordings r join jobs j on j.recording_id = r.id"
                " where j.id::text = :id",
                id=job,
            )
            caught += job in rig.running()
            crowd.erase(client, job)
            trial.harmed.append(key)
    until(lambda: not rig.running(), within=PATIENCE, what="workers noticing")
    time.sleep(2 * rig.tick)  # for whoever would write late
    left = rig.number(
        "select (select count(*) from jobs where id::text = any(:ids))"
        " + (select count(*) from analyses where job_id::text = any(:ids))",
        ids=list(crowd.jobs),
    )
    objects = len(set(trial.harmed) & set(rig.objects()))
    trial.check(f"{caught} of {rounds} erased in the middle", holds=caught >= rounds / 2)
    trial.check(f"{left} rows and {objects} objects left", holds=not left and not objects)
