"""Puts a worker's parts together."""

from __future__ import annotations

import os

from mindtrack_inference.bundle import Bundle, load_bundle
from mindtrack_inference.cage import Cage
from mindtrack_inference.classifier import Classifier
from mindtrack_inference.pipeline import Analyzer, terms_of
from mindtrack_inference.runner import Runner
from mindtrack_inference.settings import InferenceSettings, QualitySettings
from mindtrack_shared.db.engine import sync_engine
from mindtrack_shared.domain.jobs import Priority
from mindtrack_shared.queue.wakeups import Wakeups
from mindtrack_shared.settings import DatabaseSettings, JobSettings, QueueSettings, StorageSettings
from mindtrack_shared.storage import open_store


def build_analyzer(bundle: Bundle, settings: InferenceSettings, thresholds: QualitySettings) -> Analyzer:
    return Analyzer(
        Classifier.load(
            bundle,
            engine=settings.engine,
            precision=settings.precision,
            threads=settings.threads,
            cache=settings.model_cache,
        ),
        max_seconds=settings.max_recording_seconds,
        thresholds=thresholds,
    )


def build_runner(settings: InferenceSettings, *, service: str) -> Runner:
    bundle, thresholds = load_bundle(settings.bundle), QualitySettings()
    terms = terms_of(bundle, max_seconds=settings.max_recording_seconds, thresholds=thresholds)
    cages = {
        Priority.INTERACTIVE: Cage(terms, lane_seconds=settings.interactive_seconds),
        Priority.BULK: Cage(terms),
    }
    lanes = {lane: cages[lane] for lane in Priority if lane in settings.lanes}
    for cage in lanes.values():
        cage.start()  # beside the model
    return Runner(
        engine=sync_engine(DatabaseSettings(), application_name=f"mindtrack-{service}"),
        store=open_store(StorageSettings()),
        lanes=lanes,
        analyzer=build_analyzer(bundle, settings, thresholds),
        wakeups=Wakeups(QueueSettings()),
        job_settings=JobSettings(),
        settings=settings,
        on_hang=lambda: os._exit(os.EX_SOFTWARE),
    )
