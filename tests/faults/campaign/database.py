"""F11 to F13, F25: Postgres dies, its answers get lost, it is slow, or on the other side of a partition."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from http import HTTPStatus

from sqlalchemy import text

from faults.campaign.load import recording
from faults.campaign.proxy import Link
from faults.campaign.rig import PATIENCE, SERVERS, Server, until
from faults.campaign.trial import BACKLOG, SkippedError, Trial, fault
from faults.campaign.workers import tool
from mindtrack_local.part import Part
from mindtrack_shared.ids import new_id

#: How the server says that a transaction is committed: CommandComplete, its length, its tag.
COMMITTED = b"C\x00\x00\x00\x0bCOMMIT\x00"
HURRIED = 2.0  # seconds in which a client must know that nothing comes of it
NAMESPACE = "mindtrack-faults"


@fault("F11", "Postgres SIGKILLed under load, ten times")
def killed(trial: Trial) -> None:
    postgres, rounds = trial.rig.process("postgres"), trial.rounds(10)
    with trial.crowd.sending(per_second=6, at_once=3):
        for _ in range(rounds):
            time.sleep(2)
            _kill(postgres)
    trial.settled()
    refused = trial.crowd.refused()
    # A key that could not be given up while Postgres was away is in use (409) until its lease has lapsed.
    told = [
        entry for entry in refused if entry.status in {HTTPStatus.SERVICE_UNAVAILABLE, HTTPStatus.CONFLICT}
    ]
    trial.check(f"{rounds} kills, {len(refused)} POSTs refused, all 503 or 409", holds=told == refused)
    trial.check("each with Retry-After", holds=all(entry.retry_after for entry in told))
    trial.all_succeeded()


def _kill(postgres: Part) -> None:
    restarts = postgres.restarts
    postgres.kill()
    until(lambda: postgres.restarts > restarts, within=PATIENCE, what="another start")
    until(postgres.spec.ready, within=PATIENCE, what="Postgres")


@fault("F12", "COMMIT done, and its answer lost: for the gateway and for workers")
def reply_cut(trial: Trial) -> None:
    rig, times = trial.rig, trial.rounds(20)
    links = [rig.link("gateway", "database"), rig.link("inference", "database")]
    before = [link.cut for link in links]
    with trial.crowd.sending(per_second=6, at_once=3):
        for _ in range(times):
            for link in links:
                link.cut_at(COMMITTED)
            time.sleep(1)
    trial.settled()
    cut = [link.cut - former for link, former in zip(links, before, strict=True)]
    trial.check(f"{cut[0]} + {cut[1]} answers lost", holds=min(cut) >= times / 2)
    trial.all_succeeded()


@fault("F13", "connection pool exhausted: pool of 1, transactions that take 8 s")
def exhausted(trial: Trial) -> None:
    """A lock makes every POST slow; those that find no connection must be told so soon."""
    crowd, rig = trial.crowd, trial.rig
    crowd.base_url = rig.add_gateway("gateway-small", {"MINDTRACK_DATABASE_POOL_SIZE": "1"})
    crowd.send_many(4)  # whoever they are is known by now

    def post(content: bytes) -> None:
        with crowd.client() as client:
            crowd.send(client, content, str(new_id()))

    contents = [recording() for _ in range(30)]
    with ThreadPoolExecutor(len(contents)) as threads:
        with rig.engine.begin() as connection:
            connection.execute(text("lock table idempotency_keys in access exclusive mode"))
            posts = [threads.submit(post, content) for content in contents]
            time.sleep(8)
        for each in posts:
            each.result()
    refused = crowd.refused()
    told = [entry for entry in refused if entry.status == HTTPStatus.SERVICE_UNAVAILABLE]
    trial.check(
        f"{len(refused)} of {len(contents)} POSTs refused, all 503", holds=told == refused and bool(told)
    )
    trial.within("slowest refusal", max((entry.seconds for entry in told), default=0.0), HURRIED)
    crowd.send_many(4)
    trial.settled()
    rig.process("gateway-small").stop()
    trial.all_succeeded()


#: The wires of a namespace are this machine's own, and look like a network.
PLAIN = {f"MINDTRACK_{group}_PLAINTEXT": "true" for group in ("DATABASE", "QUEUE", "STORAGE")}


@fault("F25", "a worker cut off from Postgres, but not from Valkey (network namespace)")
def partitioned(trial: Trial) -> None:
    rig = trial.rig
    with _namespace(trial) as (addresses, wire), rig.without_workers():
        rounds = trial.rounds(5)
        worker = rig.add_worker(
            "apart", PLAIN, prefix=(tool("ip"), "netns", "exec", NAMESPACE), addresses=addresses
        )
        caught = 0
        for _ in range(rounds):
            jobs = trial.crowd.send_many(4, seconds=20.0, at_once=1)
            until(lambda: bool(rig.held(worker)), within=PATIENCE, what="a claim")
            held = rig.held(worker)
            _ip("link", "set", wire, "down")
            with rig.more_workers(1) as (other,):
                del other
                trial.ended({*jobs, *held}, within=BACKLOG)
            caught += sum(
                rig.number("select fence from jobs where id::text = :id", id=job) > 1 for job in held
            )
            _ip("link", "set", wire, "up")
        trial.crowd.send_many(4)
        trial.settled()
        worker.stop()
    trial.check(f"{rounds} partitions, {caught} jobs done by others meanwhile", holds=caught > 0)
    trial.all_succeeded()


@contextmanager
def _namespace(trial: Trial) -> Iterator[tuple[dict[Server, tuple[str, int]], str]]:
    """Make a namespace with a wire of its own to each server; yield the ways, and Postgres's wire.

    Raises:
        SkippedError: this may not be done here.

    """
    tool("ip")
    subprocess.run(["ip", "netns", "delete", NAMESPACE], check=False, capture_output=True)  # noqa: S607
    try:
        _ip("netns", "add", NAMESPACE)
    except subprocess.CalledProcessError as error:
        raise SkippedError(f"no network namespaces: {error.stderr.strip()}") from error
    with ExitStack() as stack:
        stack.callback(_ip, "netns", "delete", NAMESPACE)
        addresses: dict[Server, tuple[str, int]] = {}
        _ip("-n", NAMESPACE, "link", "set", "lo", "up")
        for number, server in enumerate(SERVERS):
            outside, inside = f"mtf-{server[:4]}", f"mtn-{server[:4]}"
            here, there = f"10.213.{number}.1", f"10.213.{number}.2"
            _ip("link", "add", outside, "type", "veth", "peer", "name", inside, "netns", NAMESPACE)
            _ip("address", "add", f"{here}/24", "dev", outside)
            _ip("link", "set", outside, "up")
            _ip("-n", NAMESPACE, "address", "add", f"{there}/24", "dev", inside)
            _ip("-n", NAMESPACE, "link", "set", inside, "up")
            link = stack.enter_context(Link(trial.rig.upstream(server), here).serving())
            addresses[server] = (here, link.port)
        yield addresses, "mtf-data"


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, text=True)  # noqa: S607
