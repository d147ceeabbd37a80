"""Puts a worker's parts together, as many at once as can be: whoever waits for a cold worker waits for this.

What takes longest, the decoder's process and the model, is begun first; the database's library is imported
meanwhile.
"""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from typing import TYPE_CHECKING

from mindtrack_inference.bundle import Bundle, load_bundle, read_manifest
from mindtrack_inference.cage import Cage
from mindtrack_inference.preparation import terms_of
from mindtrack_inference.settings import InferenceSettings, QualitySettings
from mindtrack_shared.domain.jobs import Priority

if TYPE_CHECKING:
    from mindtrack_inference.pipeline import Analyzer
    from mindtrack_inference.roll import Roll
    from mindtrack_inference.runner import Runner
    from mindtrack_shared.bundles import BundleManifest


def build_analyzer(bundle: Bundle, settings: InferenceSettings, thresholds: QualitySettings) -> Analyzer:
    from mindtrack_inference.classifier import Classifier  # noqa: PLC0415
    from mindtrack_inference.pipeline import Analyzer  # noqa: PLC0415

    return Analyzer(
        Classifier.load(
            bundle,
            engine=settings.engine,
            precision=settings.precision,
            threads=settings.threads,
            cache=settings.model_cache,
            together=settings.together,
        ),
        max_seconds=settings.max_recording_seconds,
        thresholds=thresholds,
    )


def build_cages(
    manifest: BundleManifest, settings: InferenceSettings, thresholds: QualitySettings
) -> dict[Priority, Cage]:
    """A cage per lane. The first is started at once, the others with their first recording."""
    terms = terms_of(manifest, max_seconds=settings.max_recording_seconds, thresholds=thresholds)
    limits = {Priority.INTERACTIVE: settings.interactive_seconds, Priority.BULK: None}
    cages = {lane: Cage(terms, lane_seconds=limits[lane]) for lane in Priority if lane in settings.lanes}
    next(iter(cages.values())).start()
    return cages


def build_runner(settings: InferenceSettings, *, service: str, roll: Roll | None = None) -> Runner:
    thresholds = QualitySettings()
    cages = build_cages(read_manifest(settings.bundle), settings, thresholds)
    bundle = load_bundle(settings.bundle)
    with ThreadPoolExecutor(1, "opener") as opener:
        # Compiling a model leaves the interpreter to others.
        analyzer = opener.submit(build_analyzer, bundle, settings, thresholds)

        from sqlalchemy.exc import OperationalError  # noqa: PLC0415

        from mindtrack_inference.lease import end_leases  # noqa: PLC0415
        from mindtrack_inference.runner import Runner  # noqa: PLC0415
        from mindtrack_shared.db.engine import sync_engine  # noqa: PLC0415
        from mindtrack_shared.observability.traces import open_traces  # noqa: PLC0415
        from mindtrack_shared.queue.wakeups import Wakeups  # noqa: PLC0415
        from mindtrack_shared.sealing import SealedRecordings, open_keys  # noqa: PLC0415
        from mindtrack_shared.settings import (  # noqa: PLC0415
            DatabaseSettings,
            JobSettings,
            KeySettings,
            QueueSettings,
            StorageSettings,
            TracingSettings,
        )
        from mindtrack_shared.storage import open_store  # noqa: PLC0415

        storage = StorageSettings()
        engine = sync_engine(DatabaseSettings(), application_name=f"mindtrack-{service}")
        with suppress(OperationalError):  # the first drain will say so
            engine.connect().close()  # stays in the pool
        lost = roll.lost() if roll else []
        if roll and lost and end_leases(engine, lost):
            roll.strike(lost)
        runner = Runner(
            engine=engine,
            recordings=SealedRecordings(open_store(storage), open_keys(KeySettings(), storage)),
            lanes=cages,
            analyzer=analyzer.result(),
            wakeups=Wakeups(QueueSettings()),
            job_settings=JobSettings(),
            settings=settings,
            on_hang=lambda: os._exit(os.EX_SOFTWARE),
            traces=open_traces(TracingSettings(), service=service),
        )
        if roll:
            roll.enter(runner.worker_id)
        return runner
