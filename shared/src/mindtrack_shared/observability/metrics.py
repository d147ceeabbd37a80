"""Prometheus metrics of processes that serve nothing else.

A Celery worker does its work in children, and one port must tell of all of them. So children write what they
count into files of a folder that the parent made, and the parent adds it up (`prometheus_client`'s
multiprocess mode). Nothing is imported, made or served unless `MINDTRACK_METRICS_PORT` is set.
"""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mindtrack_shared.observability.liveness import lives
from mindtrack_shared.settings import MetricsSettings

#: Read by `prometheus_client` when it is imported: in children, not in the parent that makes the folder.
FOLDER_VARIABLE = "PROMETHEUS_MULTIPROC_DIR"


@contextmanager
def served(settings: MetricsSettings) -> Iterator[None]:
    """Serve what this process counts, while the block runs."""
    if settings.port is None:
        yield
        return
    from prometheus_client import start_http_server  # noqa: PLC0415 - see above

    server, thread = start_http_server(settings.port, addr=settings.host)
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def served_for_children(settings: MetricsSettings) -> Iterator[None]:
    """Serve what the children of this process count, while the block runs; they must be started within it."""
    if settings.port is None:
        yield
        return
    folder = Path(tempfile.mkdtemp(prefix="mindtrack-metrics-"))
    os.environ[FOLDER_VARIABLE] = str(folder)
    from prometheus_client import CollectorRegistry, start_http_server  # noqa: PLC0415 - see above
    from prometheus_client.multiprocess import MultiProcessCollector  # noqa: PLC0415

    looks = threading.Lock()  # each scrape has a thread

    class LivingChildren(MultiProcessCollector):
        """Forgets gauges of children that have ended. What they counted stays: it happened."""

        def collect(self) -> Iterator[object]:
            with looks:
                _forget_ended(folder)
                return iter(super().collect())  # type: ignore[no-untyped-call]

    registry = CollectorRegistry()
    LivingChildren(registry, path=str(folder))  # type: ignore[no-untyped-call]
    server, thread = start_http_server(settings.port, addr=settings.host, registry=registry)
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
        del os.environ[FOLDER_VARIABLE]
        shutil.rmtree(folder, ignore_errors=True)


#: In place of a process's number: all that have ended.
_ENDED = "ended"


def _forget_ended(folder: Path) -> None:
    """Remove files of children that have ended, of whom there is no end: their counts go into one file."""
    for kind in ("counter", "histogram"):
        if of_ended := _of_ended(folder, f"{kind}_*.db"):
            _add_up(folder / f"{kind}_{_ENDED}.db", of_ended)
    for file in _of_ended(folder, "gauge_live*_*.db"):
        file.unlink(missing_ok=True)


def _of_ended(folder: Path, pattern: str) -> list[Path]:
    named = [(file, file.stem.rpartition("_")[2]) for file in folder.glob(pattern)]
    return [file for file, process in named if process != _ENDED and not lives(int(process))]


def _add_up(total: Path, files: list[Path]) -> None:
    """Add what is in `files` to `total`, and remove them."""
    from prometheus_client import mmap_dict  # noqa: PLC0415 - see above

    counts: Any = mmap_dict.MmapedDict  # it ships no types
    sums: defaultdict[str, float] = defaultdict(float)
    for file in [*([total] if total.exists() else []), *files]:
        for key, value, _, _ in counts.read_all_values_from_file(file):
            sums[key] += value
    unfinished = total.with_suffix(".new")
    unfinished.unlink(missing_ok=True)
    written = counts(unfinished)
    for key, value in sums.items():
        written.write_value(key, value, 0.0)
    written.close()
    unfinished.replace(total)
    for file in files:
        file.unlink(missing_ok=True)
