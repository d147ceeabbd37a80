"""What is worth a look is what alerts are about, from the same thresholds on."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from mindtrack_gateway.operations.incidents import DRAINING, DUE, NOTHING_RUNS, WAITING, incidents
from mindtrack_gateway.operations.schemas import OperationsView

ROOT = Path(__file__).parents[3]
NOW = datetime(2026, 1, 1, tzinfo=UTC)
SERVING = {"bundle": "demo", "revision": "r1", "engine": "openvino", "precision": "int8"}


def lane(priority: str, **told: object) -> dict[str, Any]:
    calm = {
        "queued": 1,
        "running": 1,
        "oldest_queued_seconds": 1.0,
        "oldest_running_seconds": 1.0,
        "audio_seconds": 1.0,
        "arriving_audio_seconds_per_second": 0.0,
        "processed_audio_seconds": 0.0,
        "processed_audio_seconds_per_second": 1.0,
        "seconds_to_drain": 1.0,
    }
    return {"priority": priority, **calm, **told}


def worker(**told: object) -> dict[str, Any]:
    return {
        "service": "inference",
        "target": "a:1",
        "up": True,
        "reason": None,
        "seen_at": NOW,
        **SERVING,
        **told,
    }


def counted(rate: float, **what: str) -> dict[str, Any]:
    return {**what, "total": 100.0, "per_second": rate}


def view(**told: Any) -> OperationsView:  # noqa: ANN401 - parts of a document
    lanes = told.pop("lanes", {})
    due = {kind: {"waiting": 1, "oldest_seconds": 1.0} for kind in DUE}
    due |= {kind: {"waiting": 1, "oldest_seconds": seconds} for kind, seconds in told.pop("due", {}).items()}
    calm = {
        "observed_at": NOW,
        "window_seconds": 600.0,
        "counted_since": NOW,
        "lanes": [lane(priority, **lanes.get(priority, {})) for priority in ("interactive", "bulk")],
        "backlogs": due,
        "ended": [counted(1.0, status="succeeded", code="none")],
        "rescued": [],
        "retries": counted(0.0),
        "requests": [counted(1.0, status_class="2xx")],
        "workers": [worker()],
        "processes": [],
        "runbook_url": None,
    }
    return OperationsView.model_validate({**calm, **told})


def names(**told: Any) -> set[str]:  # noqa: ANN401 - as above
    return {each.name for each in incidents(view(**told))}


def test_nothing_is_worth_a_look_while_all_is_well() -> None:
    assert names() == set()


@pytest.mark.parametrize("priority", WAITING)
def test_who_waits_long(priority: str) -> None:
    name, most = WAITING[priority]  # type: ignore[index]
    late = {priority: {"oldest_queued_seconds": most + 1}}

    assert names(lanes=late) == {name}
    assert names(lanes={priority: {"oldest_queued_seconds": most}}) == set()
    assert names(lanes={priority: {"queued": 0, "oldest_queued_seconds": most + 1}}) == set()
    (told,) = incidents(view(lanes=late))
    assert (told.priority, told.seconds) == (priority, most + 1)


@pytest.mark.parametrize("priority", DRAINING)
def test_what_takes_long_to_drain(priority: str) -> None:
    most = DRAINING[priority]  # type: ignore[index]

    assert names(lanes={priority: {"seconds_to_drain": most + 1}}) == {"drain-takes-long"}
    assert names(lanes={priority: {"seconds_to_drain": most}}) == set()
    assert names(lanes={priority: {"seconds_to_drain": None}}) == set()


def test_a_lane_that_nobody_serves() -> None:
    waits = {"oldest_queued_seconds": NOTHING_RUNS + 1}

    assert names(lanes={"bulk": {**waits, "running": 0}}) == {"nothing-runs"}
    assert names(lanes={"bulk": waits}) == set()


@pytest.mark.parametrize("kind", DUE)
def test_what_is_due_for_long(kind: str) -> None:
    name, most = DUE[kind]

    assert names(due={kind: most + 1}) == {name}
    assert names(due={kind: most}) == set()
    assert names(due={kind: None}) == set()


def test_what_is_not_known_is_said_to_be() -> None:
    unknown = {"queued": None, "running": None, "oldest_queued_seconds": None, "seconds_to_drain": None}

    assert names(lanes={"interactive": unknown, "bulk": unknown}) == {"backlog-unknown"}


@pytest.mark.parametrize(
    ("workers", "found"),
    [
        ([], {"workers-unseen"}),
        ([worker(up=False)], {"workers-unseen"}),
        ([worker(bundle=None)], {"workers-unseen"}),
        ([worker(), worker(up=False, bundle="another")], set()),
        ([worker(), worker()], set()),
        ([worker(), worker(revision="r2")], {"mixed-bundles"}),
        ([worker(), worker(precision="float32")], {"mixed-precisions"}),
    ],
    ids=["none", "down", "starting", "another is down", "two", "two models", "two precisions"],
)
def test_workers(workers: list[dict[str, Any]], found: set[str]) -> None:
    assert names(workers=workers) == found


def test_failures_count_once_they_are_no_chance() -> None:
    well = counted(1.0, status="succeeded", code="none")

    assert names(ended=[well, counted(0.02, status="failed", code="timeout")]) == {"jobs-fail"}
    assert names(ended=[well, counted(0.01, status="failed", code="timeout")]) == set()
    few = [counted(0.001, status="succeeded", code="none"), counted(0.004, status="failed", code="timeout")]
    assert names(ended=few) == set(), "two or three in the window"
    assert names(ended=[well, counted(1.0, status="rejected", code="too_noisy")]) == set()
    assert names(rescued=[counted(0.01, outcome="failed")]) == {"jobs-given-up"}
    assert names(rescued=[counted(0.01, outcome="requeued")]) == set()


def test_errors_are_a_share_of_all_requests() -> None:
    well = counted(1.0, status_class="2xx")

    assert names(requests=[well, counted(0.02, status_class="5xx")]) == {"errors"}
    assert names(requests=[well, counted(0.01, status_class="5xx")]) == set()
    assert names(requests=[well, counted(1.0, status_class="4xx")]) == set()


def test_thresholds_are_the_alerts() -> None:
    rules = yaml.safe_load((ROOT / "k8s/components/monitoring/alerts.yaml").read_text())["spec"]["groups"]
    expressions = {
        re.search(r"incidents/([\w-]+)\.md", rule["annotations"]["runbook_url"])[1]: rule["expr"]  # type: ignore[index]
        for group in rules
        for rule in group["rules"]
    }

    def thresholds(name: str) -> list[float]:
        found = re.findall(r"> (\d+)(?: \* (\d+))?(?=$|\s+or\b)", expressions[name].strip())
        return [float(a) * float(b or 1) for a, b in found]

    for name, most in (*WAITING.values(), *DUE.values()):
        assert thresholds(name) == [most], name
    assert thresholds("drain-takes-long") == [*DRAINING.values()]


def test_each_has_a_page_in_the_runbook() -> None:
    source = (ROOT / "services/gateway/src/mindtrack_gateway/operations/incidents.py").read_text()
    named = set(re.findall(r'Incident\("([\w-]+)"', source)) | {
        name for name, _ in (*WAITING.values(), *DUE.values())
    }

    assert len(named) > 10
    for name in named:
        assert (ROOT / f"docs/runbook/incidents/{name}.md").is_file(), name
