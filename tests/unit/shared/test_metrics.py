"""What children of a worker counted outlasts them; what they were does not, nor do their files."""

from __future__ import annotations

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from mindtrack_local.ports import HOST, reserve
from mindtrack_shared.observability import metrics
from mindtrack_shared.settings import MetricsSettings

CHILD = """
import sys
from prometheus_client import Counter, Gauge, Histogram
Counter("things", "Things.", ["kind"]).labels("round").inc(2)
Histogram("seconds", "Seconds.", buckets=(1, 2)).observe(float(sys.argv[1]))
Gauge("serves", "Serves.", multiprocess_mode="livemax").set(1)
print("counted", flush=True)
sys.stdin.read()
"""


@pytest.fixture
def port() -> Iterator[int]:
    free = reserve("metrics", 28_800)
    with metrics.served_for_children(MetricsSettings(host=HOST, port=free.port)):
        yield free.port
    free.release()


def told(port: int) -> dict[str, float]:
    with urllib.request.urlopen(f"http://{HOST}:{port}/metrics", timeout=5) as answer:
        lines = answer.read().decode().splitlines()
    return {name: float(value) for name, value in (line.rsplit(" ", 1) for line in lines if line[0] != "#")}


def child(seconds: float) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(
        [sys.executable, "-c", CHILD, str(seconds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    assert process.stdout.readline() == b"counted\n"
    return process


def test_counts_of_ended_children_stay_and_their_files_go(port: int) -> None:
    folder = Path(os.environ[metrics.FOLDER_VARIABLE])
    for seconds in (0.5, 1.5, 9):
        with child(seconds) as process:
            assert told(port)["serves"] == 1
            process.communicate()

        assert "serves" not in told(port)
    with child(0.5) as living:
        found = told(port)
        assert found == told(port), "to look changes nothing"
        files = sorted(file.name for file in folder.iterdir())
        living.communicate()

    assert found['things_total{kind="round"}'] == 8
    assert (found['seconds_bucket{le="1.0"}'], found['seconds_bucket{le="2.0"}']) == (2, 3)
    assert (found["seconds_count"], found["seconds_sum"]) == (4, 11.5)
    assert files == sorted(
        [
            "counter_ended.db",
            f"counter_{living.pid}.db",
            f"gauge_livemax_{living.pid}.db",
            "histogram_ended.db",
            f"histogram_{living.pid}.db",
        ]
    )
