"""Eight uploads of 64 MB at once: the memory they take beside a route that reads files whole, and their speed
beside the same bytes put into storage directly.

Memory is how much a gateway's resident memory grows at most while the uploads run, in a process that was just
started and has taken one small upload. Speed is MB/s of all uploads together, as forms; clients, gateway and
the S3 server (rclone, over a folder) share the machine, and a direct put leaves out the first two.
"""

from __future__ import annotations

import asyncio
import hashlib
import http.client
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import obstore
from sqlalchemy import select
from sqlalchemy.orm import Session

from bench.bundles import FOLDER
from bench.outcome import report, require
from bench.sides import in_turns, progress, ratio, rounds_wanted
from mindtrack_local import services
from mindtrack_local.config import StackConfig
from mindtrack_local.infrastructure import Infrastructure
from mindtrack_shared.db import migrate
from mindtrack_shared.db.engine import sync_engine
from mindtrack_shared.db.models import Recording
from mindtrack_shared.ids import new_id
from mindtrack_shared.sealing import SealedRecordings, open_keys
from mindtrack_shared.settings import DatabaseSettings, KeySettings, StorageSettings
from mindtrack_shared.storage import RecordingStore
from mindtrack_shared.storage.recordings import open_backend

PARSER = "python-multipart==0.0.34"
MEMORY_TARGET, SPEED_TARGET = 0.1, 0.5
UPLOADS = 8
MEGABYTE = 1_000_000
SIZE = 64 * MEGABYTE
#: What a client hands to its socket at a time.
SENT = 256 * 1024
BOUNDARY = "limit"
HEAD = (
    f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.wav"\r\n'
    "Content-Type: audio/wav\r\n\r\n"
).encode()
TAIL = f"\r\n--{BOUNDARY}--\r\n".encode()
PATIENCE = 60.0  # seconds


def recording(size: int = SIZE) -> bytes:
    """Return what begins like a WAV file and cannot be compressed."""
    head = b"RIFF\x24\x00\x00\x00WAVEfmt "
    return head + np.random.default_rng(5).bytes(size - len(head))


class Bench:
    def __init__(self, infrastructure: Infrastructure) -> None:
        self._infrastructure = infrastructure
        self._token = infrastructure.issuer.token("ada")
        self.store = open_backend(infrastructure.settings(StorageSettings))
        self.content = recording()
        #: MB/s of each side, by round.
        self.speeds: dict[str, dict[int, float]] = {"forms": {}, "raw": {}, "direct": {}}

    def gateway(self, number: int, kind: str = "forms") -> float:
        """Upload to a new gateway; return by how many MiB it grew, and note the speed."""
        port = free_port()
        variables = self._infrastructure.environment.for_gateway(port, {})
        variables["MINDTRACK_LOG_LEVEL"] = "WARNING"
        with process([sys.executable, "-m", "mindtrack_gateway"], variables, port) as running:
            return self._grown(running, port, number, kind)

    def naive(self, number: int) -> float:
        """Do the same to the other side."""
        port = free_port()
        command = [sys.executable, "-m", "bench.naive_upload", str(port)]
        # Last, so that only what is not found elsewhere is taken from there.
        path = os.pathsep.join([*sys.path, str(form_parser())])
        variables = {**self._infrastructure.environment.variables(), "PYTHONPATH": path}
        with process(command, variables, port) as running:
            return self._grown(running, port, number, "naive")

    def direct(self, number: int) -> float:
        """Put the same bytes into storage; return MB/s."""

        async def put_all() -> None:
            keys = [f"recordings/{new_id()}" for _ in range(UPLOADS)]
            await asyncio.gather(*(obstore.put_async(self.store, key, self.content) for key in keys))

        began = time.perf_counter()
        asyncio.run(put_all())
        speed = UPLOADS * SIZE / MEGABYTE / (time.perf_counter() - began)
        self.speeds["direct"][number] = speed
        self.clear()
        return speed

    def upload(self, port: int, content: bytes, kind: str) -> int:
        """Upload once; return the status."""
        head, tail = (b"", b"") if kind == "raw" else (HEAD, TAIL)
        content_type = "audio/wav" if kind == "raw" else f"multipart/form-data; boundary={BOUNDARY}"
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
        connection.putrequest("POST", "/v1/jobs")
        connection.putheader("Authorization", f"Bearer {self._token}")
        connection.putheader("Content-Type", content_type)
        connection.putheader("Content-Length", str(len(head) + len(content) + len(tail)))
        connection.endheaders(head)
        view = memoryview(content)
        for start in range(0, len(content), SENT):
            connection.send(view[start : start + SENT])
        connection.send(tail)
        status = connection.getresponse().status
        connection.close()
        return status

    def clear(self) -> None:
        """Make room for the next round. Rows may stay."""
        for objects in obstore.list(self.store):
            for found in objects:
                obstore.delete(self.store, found["path"])

    def _grown(self, running: subprocess.Popen[bytes], port: int, number: int, kind: str) -> float:
        self.upload(port, self.content[:1000], kind)
        before = memory(running.pid, "VmRSS")
        Path(f"/proc/{running.pid}/clear_refs").write_text("5")  # resets the high-water mark: proc(5)
        # Different bytes each: the same could be taken for one recording.
        contents = [self._own(n) for n in range(UPLOADS)]
        began = time.perf_counter()
        with ThreadPoolExecutor(UPLOADS) as clients:
            statuses = list(clients.map(lambda content: self.upload(port, content, kind), contents))
        speed = UPLOADS * SIZE / MEGABYTE / (time.perf_counter() - began)
        if set(statuses) != {202}:
            raise RuntimeError(f"answered with {statuses}")
        self.speeds.setdefault(kind, {})[number] = speed
        grown = memory(running.pid, "VmHWM") - before
        self.clear()
        return grown

    def _own(self, number: int) -> bytes:
        return self.content[:100] + bytes([number]) * 8 + os.urandom(8) + self.content[116:]


def form_parser() -> Path:
    """Install what FastAPI reads forms with, on first use and apart: a module of it is called as ours."""
    folder = FOLDER / PARSER
    if not folder.exists():
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps"]
        command = [*pip, "--target", str(folder), PARSER]
        subprocess.run(command, check=True)  # noqa: S603
    return folder


def memory(pid: int, figure: str) -> float:
    """MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    line = next(line for line in status.splitlines() if line.startswith(figure))
    return int(line.split()[1]) / 1024


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


@contextmanager
def process(command: list[str], variables: Mapping[str, str], port: int) -> Iterator[subprocess.Popen[bytes]]:
    running = subprocess.Popen(command, env=os.environ | variables, stdout=subprocess.DEVNULL)  # noqa: S603
    try:
        deadline = time.monotonic() + PATIENCE
        while not services.is_ready(port):
            if running.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command} does not answer")
            time.sleep(0.1)
        yield running
    finally:
        running.kill()
        running.wait()


def is_correct(bench: Bench, infrastructure: Infrastructure) -> bool:
    """Upload one recording each way, and compare what is stored with it."""
    port = free_port()
    variables = infrastructure.environment.for_gateway(port, {})
    with process([sys.executable, "-m", "mindtrack_gateway"], variables, port):
        sent = [bench.content, bench.content[:-1]]
        statuses = [bench.upload(port, each, kind) for each, kind in zip(sent, ("forms", "raw"), strict=True)]
    engine = sync_engine(infrastructure.settings(DatabaseSettings), application_name="bench")
    with Session(engine) as session:
        rows = session.scalars(select(Recording).order_by(Recording.id)).all()
    engine.dispose()
    keys = open_keys(infrastructure.settings(KeySettings), infrastructure.settings(StorageSettings))
    opened = SealedRecordings(RecordingStore(bench.store), keys)
    stored = [hashlib.sha256(b"".join(opened.read(row.object_key, row.user_id))).digest() for row in rows]
    wanted = [hashlib.sha256(each).digest() for each in sent]
    bench.clear()
    return statuses == [202, 202] and [row.sha256 for row in rows] == stored == wanted


def measured(rounds: int) -> tuple[dict[str, list[float]], dict[str, list[float]]]:
    """Return MiB and MB/s of each side, round by round."""
    with TemporaryDirectory() as folder:
        config = StackConfig(var=Path(folder) / "var", storage="s3", durable=False)
        with Infrastructure(config) as infrastructure:
            engine = sync_engine(infrastructure.settings(DatabaseSettings), application_name="bench")
            migrate.upgrade(engine)
            engine.dispose()
            bench = Bench(infrastructure)
            require(is_correct(bench, infrastructure), "what is stored is what was sent, in a form and raw")
            sides = {
                "gateway": bench.gateway,
                "naive": bench.naive,
                "direct": bench.direct,
                "raw": lambda number: bench.gateway(number, "raw"),
            }
            mebibytes = in_turns(sides, rounds=rounds)
    progress("the figures above are MiB, and MB/s of `direct`")
    speeds = {side: [found[n] for n in range(1, rounds + 1)] for side, found in bench.speeds.items()}
    return mebibytes, speeds


def main() -> int:
    rounds = rounds_wanted(__doc__, default=5)
    mebibytes, speeds = measured(rounds)
    threads = len(os.sched_getaffinity(0))
    report(
        "upload-memory",
        ratio(mebibytes["gateway"], mebibytes["naive"]),
        MEMORY_TARGET,
        at_most=True,
        ours=f"memory that {UPLOADS} uploads of {SIZE // MEGABYTE} MB take, MiB",
        theirs="memory that they take where a route reads them whole, MiB",
        rounds=rounds,
        threads=threads,
        details={
            "mebibytes": {
                side: [round(value) for value in mebibytes[side]] for side in mebibytes if side != "direct"
            }
        },
    )
    report(
        "upload",
        ratio(speeds["forms"], speeds["direct"]),
        SPEED_TARGET,
        ours=f"{UPLOADS} uploads at once, as forms, MB/s",
        theirs="the same bytes put into S3 directly, MB/s",
        rounds=rounds,
        threads=threads,
        details={
            "megabytes_per_second": {
                side: [round(value) for value in found] for side, found in speeds.items()
            },
            "ratio_raw": round(ratio(speeds["raw"], speeds["direct"]).median, 3),
        },
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
