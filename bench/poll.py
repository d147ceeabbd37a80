"""What it costs to answer a poll: `GET /v1/jobs/{id}` with a token, for many jobs in turn.

Three servers, each one uvicorn process on one core, on the other whoever asks, Postgres and Valkey:
- the gateway,
- a bare ASGI application that sends the gateway's bytes and does nothing else (`ratio`, at least 0.35),
- a FastAPI route with an ORM session and Celery's AsyncResult (`over_plain`, at least 4).
Half the jobs wait, half have ended with an analysis. Answers of 304 are compared with those of 200 on the
gateway itself (`not_modified`, at least 1.2). `many_over_bare`: with more jobs than can be told from memory.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import UUID

import httpx2
import structlog
from sqlalchemy import Engine

from bench.http_load import Request, answers_per_second, prepare
from bench.outcome import report, require
from bench.sides import in_turns, ratio, rounds_wanted
from factories import AUDIO, TENSE, ScriptedAnalyzer, add_job, add_jobs_like, add_user, analysis, object_key
from mindtrack_inference.runner import Runner
from mindtrack_inference.settings import InferenceSettings
from mindtrack_local.config import StackConfig
from mindtrack_local.stack import Stack
from mindtrack_shared.db.engine import sync_engine
from mindtrack_shared.domain.jobs import Priority
from mindtrack_shared.queue.wakeups import Wakeups
from mindtrack_shared.sealing import SealedRecordings
from mindtrack_shared.settings import DatabaseSettings, JobSettings, QueueSettings, StorageSettings
from mindtrack_shared.storage import open_store

TARGETS = {"ratio": 0.35, "over_plain": 4.0, "not_modified": 1.2}
JOBS = 200
MANY_JOBS = 20_000
SECONDS = 3.0
SERVER_CORE, OTHER_CORE = min(os.sched_getaffinity(0)), max(os.sched_getaffinity(0))


def main() -> int:
    rounds = rounds_wanted(__doc__, default=7)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    os.sched_setaffinity(0, {OTHER_CORE})
    with TemporaryDirectory() as folder, ExitStack() as running:
        config = StackConfig(
            var=Path(folder) / "var",
            services=("gateway",),
            durable=False,
        )
        stack = running.enter_context(Stack(config))
        engine = sync_engine(stack.infrastructure.settings(DatabaseSettings), application_name="bench")
        person = add_user(engine, "ada")
        polled = some_jobs(stack, engine, person)
        paths = [f"/v1/jobs/{job_id}" for job_id in polled]
        # Before places in the queue are told.
        others = add_jobs_like(engine, polled[0], MANY_JOBS, due_in=timedelta(days=1))
        headers = {"authorization": f"Bearer {stack.token('ada')}"}
        own = int(stack.base_url.rpartition(":")[2])
        pin(stack.process("gateway").pid)

        answers = {path: httpx2.get(stack.base_url + path, headers=headers) for path in paths}
        kept = {path: ([*answer.headers.raw], answer.content) for path, answer in answers.items()}
        (Path(folder) / "answers").write_bytes(pickle.dumps(kept))
        variables = {**stack.environment, "BENCH_ANSWERS": f"{folder}/answers"}
        bare = running.enter_context(served("bench.poll_sides:bare", variables))
        plain = running.enter_context(served("bench.poll_sides:plain", variables))
        for path in paths:
            theirs = httpx2.get(f"http://127.0.0.1:{bare}{path}")
            require_quietly(theirs.content == answers[path].content, f"bare answers {path} with our bytes")
            usual = httpx2.get(f"http://127.0.0.1:{plain}{path}", headers=headers).json()
            ours = answers[path].json()
            differs = {name for name in ours if name != "queue" and ours[name] != usual[name]}
            require_quietly(not differs, f"plain answers {path} with our {sorted(differs)}")
        require(True, f"{len(paths)} answers are the same on all sides")

        usual_polls = [prepare(path, headers) for path in paths]
        knowing = [
            prepare(path, {**headers, "if-none-match": answers[path].headers["etag"]}, status=304)
            for path in paths
        ]
        more = [prepare(f"/v1/jobs/{job_id}", headers) for job_id in others]

        def ask(port: int, requests: Sequence[Request]) -> float:
            return answers_per_second(port, requests, seconds=SECONDS)

        rates = in_turns(
            {
                "gateway": lambda _: ask(own, usual_polls),
                "bare": lambda _: ask(bare, usual_polls),
                "plain": lambda _: ask(plain, usual_polls),
                "gateway 304": lambda _: ask(own, knowing),
                "gateway many": lambda _: ask(own, more),
            },
            rounds=rounds,
        )
    over_plain = ratio(rates["gateway"], rates["plain"])
    not_modified = ratio(rates["gateway 304"], rates["gateway"])
    many = ratio(rates["gateway many"], rates["bare"])
    report(
        "poll",
        ratio(rates["gateway"], rates["bare"]),
        TARGETS["ratio"],
        ours="authenticated GET /v1/jobs/{id}, answers per second of one process",
        theirs="a bare ASGI application that sends the same bytes",
        rounds=rounds,
        threads=1,
        details={
            "jobs": JOBS,
            "over_plain": [round(value, 2) for value in (over_plain.median, over_plain.low, over_plain.high)],
            "over_plain_target": TARGETS["over_plain"],
            "not_modified": [
                round(value, 2) for value in (not_modified.median, not_modified.low, not_modified.high)
            ],
            "not_modified_target": TARGETS["not_modified"],
            "many_jobs": MANY_JOBS,
            "many_over_bare": [round(value, 2) for value in (many.median, many.low, many.high)],
            "answers_per_second": {
                side: [round(value) for value in values] for side, values in rates.items()
            },
        },
    )
    return 0


def some_jobs(stack: Stack, engine: Engine, person: UUID) -> list[UUID]:
    """Make jobs, half of which end with an analysis."""
    store = open_store(stack.infrastructure.settings(StorageSettings))
    jobs = [add_job(engine, person) for _ in range(JOBS)]
    analyzer = ScriptedAnalyzer(*[analysis(TENSE)] * JOBS)
    runner = Runner(
        engine=engine,
        recordings=SealedRecordings(store, None),
        lanes={Priority.INTERACTIVE: analyzer},
        analyzer=analyzer,
        wakeups=Wakeups(stack.infrastructure.settings(QueueSettings)),
        job_settings=JobSettings(),
        settings=InferenceSettings(),
        on_hang=lambda: None,
    )

    async def content() -> AsyncIterator[bytes]:
        yield AUDIO

    ended = jobs[: JOBS // 2]
    with engine.begin() as connection:
        hold = "update jobs set not_before = now() + interval '1 day' where id = any(%s)"
        connection.exec_driver_sql(hold, (jobs[JOBS // 2 :],))
    for job_id in ended:
        asyncio.run(store.write(object_key(engine, job_id), content()))
    runner.drain(ended[0])
    return jobs


@contextmanager
def served(factory: str, variables: Mapping[str, str]) -> Iterator[int]:
    """Serve what `module:function` makes in a process of its own, on a core of its own; yields its port."""
    command = [
        *(sys.executable, "-m", "uvicorn", factory, "--factory", "--no-access-log"),
        *("--port", "0", "--log-level", "info", "--no-server-header"),
    ]
    process = subprocess.Popen(  # noqa: S603 - our own
        command, env={**os.environ, **variables}, stderr=subprocess.PIPE, text=True
    )
    try:
        told = (line.partition("127.0.0.1:")[2] for line in process.stderr or ())
        port = next(int(port.split()[0]) for port in told if port)
        pin(process.pid)
        time.sleep(0.5)
        yield port
    finally:
        process.terminate()
        process.wait()


def pin(process: int) -> None:
    os.sched_setaffinity(process, {SERVER_CORE})


def require_quietly(holds: bool, what: str) -> None:  # noqa: FBT001 - as `require`
    if not holds:
        require(False, what)


if __name__ == "__main__":
    sys.exit(main())
