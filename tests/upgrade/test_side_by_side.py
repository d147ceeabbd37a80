"""This release and the one before it, in every mixture that an upgrade or a rollback goes through."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Collection, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import psutil
import pytest

from faults_support import FaultyStack, another, talking
from mindtrack_client import JobStatus, MindTrack, Priority
from mindtrack_local.config import SERVICES, Service, StackConfig
from mindtrack_shared.db import roles
from mindtrack_shared.ids import new_id
from patience import eventually
from samples import SAMPLES
from upgrade.previous import PACKAGES, login

pytestmark = [pytest.mark.faults, pytest.mark.timeout(300)]

#: The previous release has no deliverer; ours runs beside it.
ALL: frozenset[Service] = frozenset(SERVICES) - {"deliver"}
#: In the order of an upgrade: workers understand older relays, and relays older gateways.
UPGRADE: tuple[Service, ...] = ("inference", "relay", "beat", "maintenance", "gateway")

#: More than a worker does until the next line runs.
JOBS_PER_STEP = 6

#: What runs the previous release.
MIXTURES = {
    "migrated, nothing replaced": ALL,
    "workers replaced": ALL - {"inference"},
    "only the gateway left": frozenset({"gateway"}),
    "only the worker rolled back": frozenset({"inference"}),
    "only the scheduler rolled back": frozenset({"relay", "beat", "maintenance"}),
}


@pytest.fixture(scope="module")
def stack(
    tmp_path_factory: pytest.TempPathFactory, previous_release: dict[str, str]
) -> Iterator[FaultyStack]:
    """On a migrated database; begins with every service of the previous release."""
    with FaultyStack(config(tmp_path_factory.mktemp("var"), ALL, previous_release)) as running:
        yield running


def config(var: Path, former: frozenset[str], release: Mapping[str, str]) -> StackConfig:
    overrides: dict[str, Mapping[str, str]] = {service: {**release, **login(var)} for service in former}
    if "migrate" in former:  # ours have no login yet, either
        overrides = {**dict.fromkeys(SERVICES, login(var)), **overrides}
    # The previous release cannot read what is sealed.
    unsealed = {"MINDTRACK_KEYS_SEAL": "false"}
    return StackConfig(
        var=var, durable=False, sign_in=False, settings_overrides=unsealed, service_overrides=overrides
    )


@pytest.mark.parametrize("former", MIXTURES.values(), ids=MIXTURES.keys())
def test_recordings_become_trends(
    stack: FaultyStack, previous_release: dict[str, str], tmp_path: Path, former: frozenset[Service]
) -> None:
    rearrange(stack, former, previous_release)

    assert runs_former(stack, previous_release) == former
    serves(stack, tmp_path)


def test_a_worker_ahead_of_its_database_serves(tmp_path: Path, previous_release: dict[str, str]) -> None:
    former = ALL - {"inference"} | {"migrate"}
    with FaultyStack(config(tmp_path / "var", former, previous_release)) as stack:
        assert runs_former(stack, previous_release) == former - {"migrate"}
        serves(stack, tmp_path)


def serves(stack: FaultyStack, folder: Path) -> None:
    """Send what will succeed, in either lane, and what will not; each becomes what it must."""
    torn = folder / "torn.m4a"
    torn.write_bytes((SAMPLES / "day-2.m4a").read_bytes()[:20_000] + new_id().bytes)
    with MindTrack(stack.base_url, stack.token(f"person-{new_id()}")) as client:
        spoken = client.submit(SAMPLES / "day-7.m4a")
        imported = client.submit(SAMPLES / "day-2.m4a", priority=Priority.BULK)
        broken = client.submit(torn)
        ended = [client.wait(job.id, timeout=90) for job in (spoken, imported, broken)]

        assert [job.status for job in ended] == [JobStatus.SUCCEEDED, JobStatus.SUCCEEDED, JobStatus.REJECTED]
        assert [job.attempt for job in ended] == [1, 1, 1]
        assert client.trends(days=1).count == 2


def test_an_upgrade_and_its_rollback_lose_nothing(
    stack: FaultyStack, previous_release: dict[str, str], tmp_path: Path
) -> None:
    """Every service is replaced, one by one, and then put back, while jobs are queued."""
    recording = talking(tmp_path / "log.wav", seconds=20)
    jobs: list[UUID] = []
    rearrange(stack, ALL, previous_release)

    with stack.client() as client:
        for release, order in (({}, UPGRADE), (previous_release, UPGRADE[::-1])):
            for service in order:
                jobs += [client.submit(another(recording, tmp_path)).id for _ in range(JOBS_PER_STEP)]
                assert not stack.succeeded(jobs), f"too few jobs: none was left when {service} was replaced"
                substitute(stack, [service], previous_release, release)
            assert runs_former(stack, previous_release) == (ALL if release else frozenset())

        eventually(lambda: stack.succeeded(jobs), within=180, what="all jobs done")
        analyses = stack.analyses_per_job()
        assert {job: analyses[job] for job in jobs} == dict.fromkeys(jobs, 1)
        assert {stack.job(job).attempt for job in jobs} == {1}


def rearrange(stack: FaultyStack, former: frozenset[Service], release: Mapping[str, str]) -> None:
    """Have these services run from the previous release, and the others from ours."""
    now = runs_former(stack, release)
    substitute(stack, former - now, release, release)
    substitute(stack, now - former, release, {})


def substitute(
    stack: FaultyStack, services: Collection[Service], former: Mapping[str, str], release: Mapping[str, str]
) -> None:
    """Stop services as an orchestrator does, and start them from another release, by their own logins."""
    parts = [stack.process(service) for service in services]
    for service, part in zip(services, parts, strict=True):
        kept = {name: value for name, value in part.spec.environment.items() if name not in former}
        role = roles.GATEWAY if service == "gateway" else roles.WORKER
        own = login(stack.config.var) if release else login(stack.config.var, role)
        part.spec = replace(part.spec, environment={**kept, **release, **own}, grace=60.0)
        part.ask_to_stop()
    for part in parts:
        part.stop()
        part.start()
    for part in parts:
        part.wait_ready()


def runs_former(stack: FaultyStack, release: Mapping[str, str]) -> set[Service]:
    """Return the services whose processes, children included, are told to run from the previous release."""
    found: set[Service] = set()
    for service in SERVICES:
        process = psutil.Process(stack.process(service).pid)
        told = {each.environ().get("PYTHONPATH") for each in (process, *process.children(recursive=True))}
        if told == {release["PYTHONPATH"]}:
            found.add(service)
        else:
            assert release["PYTHONPATH"] not in told
    return found


def test_what_is_told_to_run_from_the_previous_release_does(previous_release: dict[str, str]) -> None:
    """Without this, every mixture above might run our own code, and pass."""
    names = ("mindtrack_shared", "mindtrack_gateway", "mindtrack_inference", "mindtrack_scheduler")
    statements = "; ".join(f"import {name}; print({name}.__file__)" for name in names)

    printed = subprocess.run(
        [sys.executable, "-c", statements],
        env={**os.environ, **previous_release},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()

    folders = previous_release["PYTHONPATH"].split(":")
    assert len(printed) == len(folders) == len(PACKAGES)
    assert all(file.startswith(folder + "/") for file, folder in zip(printed, folders, strict=True))
