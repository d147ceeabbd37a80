"""`make compose-test`: the real docker-compose.yml, on images built without a registry.

Starts everything, takes one recording from upload to trend, then replaces or restarts every container while
jobs are queued, and counts: each job has one analysis, none is lost, none was analysed twice. Only what this
run started is stopped and removed. Needs a Docker engine, and root for `debootstrap`.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from load import PEOPLE, person, send
from project import ROOT, ComposeError, Project
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from mindtrack_client import JobStatus, MindTrack
from mindtrack_local import dotenv
from mindtrack_local.config import GATEWAY_PORT
from mindtrack_local.demo import samples_folder
from mindtrack_local.issuer import Issuer
from mindtrack_local.ports import reserve

sys.path.insert(0, str(ROOT / "deploy/airgap"))
import build as airgap

SERVERS = ("postgres", "valkey", "storage")
SERVICES = ("gateway", "inference", "relay", "deliver", "beat", "maintenance")
#: Megabytes that an image may have.
BUDGETS = {"gateway": 350, "scheduler": 350, "inference": 700}
FIRST_RESULT_WITHIN = 60.0  # seconds
DRAINED_WITHIN = 900.0  # seconds
POLL = 1.0  # seconds

#: By service: seconds until it was healthy again, and jobs that were unfinished when it was stopped.
Restarts = dict[str, tuple[float, int]]

console = Console(highlight=False)


class FailedError(Exception):
    """Something is not as it must be."""


@dataclass(frozen=True)
class Stack:
    project: Project
    address: str
    issuer: Issuer
    #: Of this run, for what it sends.
    folder: Path


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description="Run docker-compose.yml and restart it under load.")
    parser.add_argument("--jobs", type=int, default=200, help="jobs that are queued while all is restarted")
    parser.add_argument("--seconds", type=float, default=60.0, help="length of each recording")
    parser.add_argument("--no-build", action="store_true", help="take the images that are there")
    parser.add_argument("--keep", action="store_true", help="leave the stack running")
    options = parser.parse_args(arguments)
    try:
        docker = airgap.find_docker()
        if not options.no_build:
            airgap.main([])
        with TemporaryDirectory() as folder:
            Path(folder).chmod(0o755)  # containers read the issuer's public keys in it
            run(docker, Path(folder), jobs=options.jobs, seconds=options.seconds, keep=options.keep)
    except (ComposeError, FailedError, airgap.BuildError) as error:
        console.print(f"compose-test: {error}", style="red", markup=False, soft_wrap=True)
        sys.exit(1)


def run(docker: str, folder: Path, *, jobs: int, seconds: float, keep: bool) -> None:
    issuer = Issuer(folder / "issuer")
    (folder / "issuer").chmod(0o755)
    env_file = folder / ".env"
    dotenv.write(env_file, issuer, folder / "keys")
    (folder / "keys").chmod(0o755)
    reserved = reserve("gateway", GATEWAY_PORT)
    with env_file.open("a", encoding="utf-8") as file:
        file.write(f"MINDTRACK_PORT={reserved.port}\n")
    project = Project(docker, f"mindtrack-test-{os.getpid()}", env_file)
    stack = Stack(project, f"http://127.0.0.1:{reserved.port}", issuer, folder)
    times: dict[str, float] = {}
    try:
        with timed("all healthy", times):
            project.compose("up", "--detach", "--no-build")
            project.wait_healthy([*SERVERS, *SERVICES])
        with timed("first recording to trend", times):
            one_recording(stack)
        attempts, restarts = restart_everything(stack, jobs, seconds)
        report(docker, times, restarts, attempts)
    except (ComposeError, FailedError):
        for service in ("migrate", *SERVICES):
            console.print(project.log(service), markup=False, soft_wrap=True)
        raise
    finally:
        if keep:
            console.print(f"Left running: project {project.name}, {stack.address}", markup=False)
        else:
            project.compose("down", "--volumes", "--timeout", "5")


def one_recording(stack: Stack) -> None:
    with MindTrack(stack.address, stack.issuer.token("somebody")) as client, samples_folder() as samples:
        job = client.submit(samples / "day-7.m4a", wait=True, timeout=FIRST_RESULT_WITHIN)
        trend = client.trends(days=7)
    if job.status is not JobStatus.SUCCEEDED:
        raise FailedError(f"the first recording ended as {job.status}")
    if trend.count != 1:
        raise FailedError(f"the trend does not show the first recording: {trend}")


def restart_everything(stack: Stack, jobs: int, seconds: float) -> tuple[dict[int, int], Restarts]:
    """Queue jobs, replace every container meanwhile, wait for all jobs and count.

    Returns the number of jobs by attempts, and the restarts.
    """
    ids = send(stack.address, stack.issuer, stack.folder, jobs, seconds)
    project = stack.project
    if len(set(ids)) != jobs:
        raise FailedError(f"{jobs} recordings were accepted as {len(set(ids))} jobs")
    restarts: Restarts = {}
    columns = (TextColumn("{task.description:24}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        bar = progress.add_task("Jobs done", total=jobs)
        for service in (*SERVICES, *SERVERS):
            progress.update(bar, description=f"Restarting {service}", completed=jobs - unfinished(project))
            restarts[service] = restart(project, service)
        progress.update(bar, description="Jobs done")
        deadline = time.monotonic() + DRAINED_WITHIN
        while left := unfinished(project):
            progress.update(bar, completed=jobs - left)
            if time.monotonic() > deadline:
                raise FailedError(f"{left} of {jobs} jobs are not done in {DRAINED_WITHIN:.0f} s")
            time.sleep(POLL)
    return count(stack, ids), restarts


def restart(project: Project, service: str) -> tuple[float, int]:
    """Stop a container as an upgrade does, start its successor, wait until that is healthy."""
    left = unfinished(project)
    if not left:
        raise FailedError(
            f"nothing was queued any more when {service} was to be restarted; give --jobs or --seconds more"
        )
    former = project.containers(service)[service]["Id"]
    began = time.monotonic()
    if service in SERVERS:
        project.compose("restart", service)
    else:
        project.compose("up", "--detach", "--no-deps", "--no-build", "--force-recreate", service)
    project.wait_healthy([service])
    seconds = time.monotonic() - began
    if service in SERVICES and project.containers(service)[service]["Id"] == former:
        raise FailedError(f"{service} was not replaced")
    return seconds, left


def unfinished(project: Project) -> int:
    return int(project.query("select count(*) from jobs where status in ('queued', 'running')")[0][0])


def count(stack: Stack, ids: Sequence[str]) -> dict[int, int]:
    """Compare what was accepted with what the database and the API say; return jobs by attempts."""
    rows = stack.project.query(
        "select jobs.id, jobs.status, jobs.attempt, count(analyses.job_id) from jobs"
        " left join analyses on analyses.job_id = jobs.id group by jobs.id"
    )
    found = {job_id: (status, int(attempt), int(analyses)) for job_id, status, attempt, analyses in rows}
    wrong = {
        job_id: found.get(job_id)
        for job_id in ids
        if found.get(job_id, ("lost", 0, 0))[::2] != ("succeeded", 1)
    }
    if wrong:
        raise FailedError(f"{len(wrong)} of {len(ids)} jobs do not have exactly one analysis: {wrong}")
    told = 0
    for index in range(PEOPLE):
        with MindTrack(stack.address, stack.issuer.token(person(index))) as client:
            told += client.trends(days=7).count
    listed = ", ".join(f"'{job_id}'" for job_id in ids)
    determinate = stack.project.query(
        f"select count(*) from analyses where indeterminate_reason is null and job_id in ({listed})"  # noqa: S608 - our own ids
    )
    if told != int(determinate[0][0]):
        raise FailedError(f"the trends count {told} recordings, the analyses {determinate[0][0]}")
    attempts = [found[job_id][1] for job_id in ids]
    return {attempt: attempts.count(attempt) for attempt in sorted(set(attempts))}


def report(docker: str, times: dict[str, float], restarts: Restarts, attempts: dict[int, int]) -> None:
    table = Table("What", "s", "unfinished jobs", title="Docker Compose")
    for what, seconds in times.items():
        table.add_row(what, f"{seconds:.1f}")
    for service, (seconds, left) in restarts.items():
        table.add_row(f"{service} restarted, healthy again", f"{seconds:.1f}", str(left))
    console.print(table)
    sizes = {
        name: airgap.size(docker, f"mindtrack/{name}:{airgap.VERSION}") / airgap.MEGABYTE for name in BUDGETS
    }
    console.print(f"Jobs by attempts: {attempts}", markup=False)
    console.print(
        "Images, MB: " + ", ".join(f"{name} {size:.0f} of {BUDGETS[name]}" for name, size in sizes.items())
    )
    print(
        json.dumps(
            {
                "name": "compose-test",
                "jobs": sum(attempts.values()),
                "analyses": sum(attempts.values()),
                "attempts": attempts,
                "seconds": {what: round(seconds, 1) for what, seconds in times.items()},
                "restarts": {service: round(seconds, 1) for service, (seconds, _) in restarts.items()},
                "megabytes": {name: round(size) for name, size in sizes.items()},
            }
        )
    )
    too_large = [name for name, size in sizes.items() if size > BUDGETS[name]]
    if too_large:
        raise FailedError(f"too large: {', '.join(too_large)}")


@contextmanager
def timed(what: str, times: dict[str, float]) -> Iterator[None]:
    began = time.monotonic()
    with console.status(what):
        yield
    times[what] = time.monotonic() - began
    console.print(f"{what}: {times[what]:.1f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
