"""The Celery worker, and one runner with one model in each of its child processes.

What only children need is imported in them: it takes most of a second, and the parent starts none before.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import structlog
from celery import Celery, signals

from mindtrack_inference.roll import Roll
from mindtrack_inference.settings import InferenceSettings
from mindtrack_inference.startup import without_collecting
from mindtrack_shared.bundles import BundleError
from mindtrack_shared.observability import events
from mindtrack_shared.observability.liveness import LifeSign
from mindtrack_shared.observability.logging import configure_logging, get_logger
from mindtrack_shared.queue.celery import celery_app, run_worker
from mindtrack_shared.queue.names import DRAIN_QUEUES, FORMER_DRAIN_QUEUE
from mindtrack_shared.settings import LogSettings, QueueSettings

if TYPE_CHECKING:
    from mindtrack_inference.runner import Runner

SERVICE = "inference"
#: A child that cannot start is replaced at once; this keeps the replacing from spinning.
RESPAWN_PAUSE = 2.0  # seconds

#: How the parent tells its children that it was told to stop.
STOP = signal.SIGUSR2
#: How a child tells its parent that no child can start.
HOPELESS = signal.SIGUSR2

_runner: Runner | None = None
_roll: Roll | None = None
_pool: Any = None  # Celery ships no types


def runner() -> Runner:
    """Return this process's runner."""
    if _runner is None:
        raise RuntimeError("the runner is built when a worker process starts; this is none, or it failed to")
    return _runner


def build_app(settings: InferenceSettings, queue: QueueSettings) -> Celery:
    app = celery_app("mindtrack-inference", queue)
    app.conf.update(
        imports=["mindtrack_inference.tasks"],
        worker_concurrency=settings.concurrency,
        task_default_queue=DRAIN_QUEUES[settings.lanes[0]],
    )
    return app


def queues(settings: InferenceSettings) -> list[str]:
    """Return the queues of this worker's lanes, and the one in which relays without lanes ring."""
    return [*(DRAIN_QUEUES[lane] for lane in settings.lanes), FORMER_DRAIN_QUEUE]


def run(app: Celery, listened: Sequence[str], life_sign: LifeSign) -> int:
    """Run the worker until it is told to stop, or a child says that none can start; return its status."""
    signal.signal(HOPELESS, give_up)
    return run_worker(app, listened, life_sign)


def give_up(*_: object) -> None:
    from celery.worker import state  # noqa: PLC0415 - children never get here

    state.should_stop = os.EX_CONFIG


@signals.setup_logging.connect  # type: ignore[untyped-decorator]  # Celery ships no types
def set_up_logging(**_: Any) -> None:  # noqa: ANN401 - Celery's signal signature
    configure_logging(LogSettings(), service=SERVICE)


@signals.worker_process_init.connect  # type: ignore[untyped-decorator]  # Celery ships no types
def start_process(**_: Any) -> None:  # noqa: ANN401 - Celery's signal signature
    global _runner, _roll  # noqa: PLW0603 - one runner per process is the point
    settings = InferenceSettings()
    _roll = Roll(settings.roll) if settings.roll else None
    try:
        with without_collecting():
            from mindtrack_inference.assembly import build_runner  # noqa: PLC0415
            from mindtrack_inference.metrics import introduce  # noqa: PLC0415

            _runner = build_runner(settings, service=SERVICE, roll=_roll)
    except Exception as error:
        get_logger().exception(events.SERVICE_BROKEN)
        if isinstance(error, BundleError | ValueError):  # as wrong for every other child
            os.kill(os.getppid(), HOPELESS)
        time.sleep(RESPAWN_PAUSE)
        # Celery swallows exceptions here, and a child without a runner would eat messages.
        raise SystemExit(1) from error
    introduce(_runner.provenance)
    signal.signal(STOP, lambda *_: runner().stop())
    structlog.contextvars.bind_contextvars(worker_id=str(_runner.worker_id))
    get_logger().info(events.SERVICE_STARTED, bundle=settings.bundle)
    if settings.ready_file is not None:
        settings.ready_file.touch()


@signals.worker_process_shutdown.connect  # type: ignore[untyped-decorator]  # Celery ships no types
def stop_process(**_: Any) -> None:  # noqa: ANN401 - Celery's signal signature
    if _runner is not None:
        _runner.close()
    if _roll is not None:
        _roll.leave()


@signals.worker_ready.connect  # type: ignore[untyped-decorator]  # Celery ships no types
def remember_pool(sender: Any, **_: Any) -> None:  # noqa: ANN401 - Celery's signal signature
    global _pool  # noqa: PLW0603 - the signal below is not told
    _pool = sender.pool


@signals.worker_shutting_down.connect  # type: ignore[untyped-decorator]  # Celery ships no types
def stop_children(**_: Any) -> None:  # noqa: ANN401 - Celery's signal signature
    """Have drains end soon; Celery itself waits for them, and tells them nothing."""
    for process in _pool.info["processes"] if _pool else ():
        with suppress(ProcessLookupError):
            os.kill(process, STOP)
