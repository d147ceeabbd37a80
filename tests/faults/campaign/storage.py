"""F14 to F16: object storage is away, slow, breaks off, loses things, or is full."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http import HTTPStatus
from pathlib import Path
from uuid import UUID

from faults.campaign.load import recording
from faults.campaign.proxy import Link
from faults.campaign.trial import SkippedError, Trial, fault
from faults.campaign.workers import tool
from mindtrack_shared.domain.jobs import FailureCode
from mindtrack_shared.ids import new_id
from mindtrack_shared.sealing import SealedRecordings, SealingError, open_keys
from mindtrack_shared.settings import KeySettings, StorageSettings
from mindtrack_shared.storage import ObjectMissingError, open_store

#: What a store says that has too much to do.
SLOW_DOWN = (
    b"HTTP/1.1 503 Slow Down\r\nContent-Type: application/xml\r\nContent-Length: 36\r\n"
    b"Connection: close\r\n\r\n<Error><Code>SlowDown</Code></Error>"
)
TEN_SECONDS = 10.0
BROKEN_OFF = 60_000  # bytes; in the middle of a recording


def _unavailable(link: Link) -> None:
    link.answers = SLOW_DOWN


def _slow(link: Link) -> None:
    link.latency = TEN_SECONDS / 2  # there and back


def _breaking_off(link: Link) -> None:
    link.most_bytes = BROKEN_OFF


#: What is done to the way to storage, and for how long: the first for longer than three attempts lasted once.
HARMS: tuple[tuple[str, Callable[[Link], None], float], ...] = (
    ("503", _unavailable, 60.0),
    ("10 s latency", _slow, 15.0),
    ("cut mid-body", _breaking_off, 8.0),
)


@fault("F14", "S3 answers 503, takes 10 s, breaks off mid-body: for the gateway's PUT, then workers' GET")
def storage_away(trial: Trial) -> None:
    rig = trial.rig
    for client in ("gateway", "inference"):
        link = rig.link(client, "storage")
        for what, harm, seconds in HARMS:
            trial.note(f"{client}: {what}")
            link.reset()  # or connections made before would go on
            harm(link)
            with trial.crowd.sending(per_second=2):
                time.sleep(seconds * trial.share)
                link.heal()
            trial.settled()
    refused = {entry.status for entry in trial.crowd.refused()} - {0}
    trial.check(
        f"{len(trial.crowd.refused())} POSTs refused, all 503",
        holds=refused <= {int(HTTPStatus.SERVICE_UNAVAILABLE)},
    )
    trial.check(f"{_torn(trial)} rows of recordings that are not whole", holds=not _torn(trial))
    trial.all_succeeded()


def _torn(trial: Trial) -> int:
    """Count rows whose object, unsealed, is not what they say."""
    servers = trial.rig.infrastructure
    storage = servers.settings(StorageSettings)
    recordings = SealedRecordings(open_store(storage), open_keys(servers.settings(KeySettings), storage))
    rows = trial.rig.rows(
        "select r.object_key, r.user_id, r.sha256 from recordings r"
        " join jobs j on j.recording_id = r.id where j.id::text = any(:ids)",
        ids=list(trial.crowd.jobs),
    )
    return sum(not _is_whole(recordings, *row) for row in rows)


def _is_whole(recordings: SealedRecordings, key: str, person: UUID, sha256: bytes) -> bool:
    digest = hashlib.sha256()
    try:
        for chunk in recordings.read(key, person):
            digest.update(chunk)
    except (ObjectMissingError, SealingError):
        return False
    return digest.digest() == bytes(sha256)


@fault("F15", "objects deleted, and changed, after their jobs were accepted")
def objects_lost(trial: Trial) -> None:
    rig, count = trial.rig, trial.rounds(20)
    store = open_store(rig.infrastructure.settings(StorageSettings))
    with rig.without_workers():
        jobs = trial.crowd.send_many(count)
        keys = rig.rows(
            "select r.object_key from recordings r join jobs j on j.recording_id = r.id"
            " where j.id::text = any(:ids)",
            ids=jobs,
        )
        for number, (key,) in enumerate(keys):
            path = rig.infrastructure.recordings / key
            trial.harmed.append(key)
            if number % 2:
                store.remove(key)  # not in the folder: the server remembers what it has seen there
            else:
                content = bytearray(path.read_bytes())
                content[len(content) // 2] ^= 1
                path.write_bytes(content)
    trial.settled()
    ends = rig.rows(
        "select status::text, code, count(*) from jobs where id::text = any(:ids) group by 1, 2", ids=jobs
    )
    told = ", ".join(f"{count} {status} ({code})" for status, code, count in ends)
    expected = {("failed", FailureCode.RECORDING_LOST.value)}
    trial.check(f"{told}; no score", holds={(status, code) for status, code, _ in ends} == expected)


@fault("F16", "disk full: of workers' temporary files, then of object storage (tmpfs)")
def disk_full(trial: Trial) -> None:
    _workers_disk(trial)
    _storage_disk(trial)
    trial.settled()
    trial.all_succeeded()


def _workers_disk(trial: Trial) -> None:
    folder = trial.rig.infrastructure.layout.run / "full"
    with _tmpfs(folder), trial.rig.without_workers():
        (folder / "filler").write_bytes(bytes(os.statvfs(folder).f_bavail * os.statvfs(folder).f_frsize))
        worker = trial.rig.add_worker("full", {"TMPDIR": str(folder)})
        pid = worker.pid
        jobs = trial.crowd.send_many(trial.rounds(20))
        trial.settled()
        trial.check(f"{len(jobs)} jobs done without room, same worker", holds=worker.pid == pid)
        worker.stop()


def _storage_disk(trial: Trial) -> None:
    """Put a small disk under the folder where new recordings go, until it is full."""
    folder = trial.rig.infrastructure.recordings / "recordings"
    kept = folder.with_name("kept")
    statuses = []
    trial.settled()
    with _tmpfs(folder, megabytes=2), trial.crowd.client() as client:
        for _ in range(40):
            answer = trial.crowd.send(client, recording(), str(new_id()))
            statuses.append(answer.status_code if answer is not None else 0)
            if len([status for status in statuses if status >= HTTPStatus.BAD_REQUEST]) > 4:
                break
        trial.settled()
        shutil.copytree(folder, kept)
    shutil.copytree(kept, folder, dirs_exist_ok=True)
    shutil.rmtree(kept)
    refused = [status for status in statuses if status != HTTPStatus.ACCEPTED]
    trial.check(
        f"{statuses.count(202)} POSTs promised, {len(refused)} refused, all 503",
        holds=bool(refused) and set(refused) == {503},
    )


@contextmanager
def _tmpfs(folder: Path, megabytes: int = 1) -> Iterator[None]:
    folder.mkdir(parents=True, exist_ok=True)
    command = [tool("mount"), "-t", "tmpfs", "-o", f"size={megabytes}m", "campaign", str(folder)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise SkippedError(f"no tmpfs: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run([tool("umount"), "--lazy", str(folder)], check=True, capture_output=True)
