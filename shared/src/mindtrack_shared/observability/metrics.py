"""Prometheus metrics of processes that serve nothing else.

A Celery worker does its work in children, and one port must tell of all of them. So children write what they
count into files of a folder that the parent made, and the parent adds it up (`prometheus_client`'s
multiprocess mode). Nothing is imported, made or served unless `MINDTRACK_METRICS_PORT` is set.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

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

    class LivingChildren(MultiProcessCollector):
        """Forgets gauges of children that have ended. What they counted stays: it happened."""

        def collect(self) -> Iterator[object]:
            for file in folder.glob("gauge_live*_*.db"):
                if not lives(int(file.stem.rpartition("_")[2])):
                    file.unlink(missing_ok=True)
            return iter(super().collect())  # type: ignore[no-untyped-call]

    registry = CollectorRegistry()
    LivingChildren(registry, path=str(folder))  # type: ignore[no-untyped-call]
    server, thread = start_http_server(settings.port, addr=settings.host, registry=registry)
    try:
        yield
    finally:
        server.shutdown()
        thread.join()
        del os.environ[FOLDER_VARIABLE]
        shutil.rmtree(folder, ignore_errors=True)
