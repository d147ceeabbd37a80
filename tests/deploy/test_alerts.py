"""Alerts fire when they should and not before, each has a page, and each asks for what is counted."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.metrics import MetricWrapperBase

import mindtrack_gateway.metrics
import mindtrack_inference.metrics
import mindtrack_scheduler.metrics
from deploy.alerts import plain

ROOT = Path(__file__).parents[2]
RULES = yaml.safe_load((ROOT / "k8s/components/monitoring/alerts.yaml").read_text())["spec"]
ALERTS = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}
INCIDENTS = ROOT / "docs/runbook/incidents"
#: What Prometheus appends to the names of counters and histograms.
SUFFIXES = ("", "_total", "_bucket", "_count", "_sum")

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed; it comes with Debian's prometheus"
)

Series = dict[str, str]


@dataclass(frozen=True)
class Case:
    """Series as promtool writes them, a value each minute: with which an alert fires, and just not."""

    fires: Series
    quiet: Series
    labels: Series
    #: Looked at then.
    after: str = "90m"


HTTP = 'mindtrack_http_request_seconds_count{method="GET",route="/v1/jobs",status="%s"}'
READS = 'mindtrack_http_request_seconds_bucket{method="GET",route="/v1/jobs",status="200",le="%s"}'
ENDED = 'mindtrack_jobs_ended_total{status="%s",code="none"}'
UNREADABLE = 'mindtrack_decode_errors_total{format="audio/mp4"}'
DONE = 'mindtrack_job_seconds_%s{priority="interactive",status="succeeded"%s}'
BUNDLE = 'mindtrack_worker_info{bundle="b",revision="%s",engine="openvino",precision="int8",pod="%s"}'
OLDEST = 'mindtrack_oldest_job_seconds{status="queued",priority="%s"}'
COUNT = 'mindtrack_jobs{status="%s",priority="bulk"}'
QUEUED = 'mindtrack_queue_audio_seconds{priority="interactive"}'
AUDIO = 'mindtrack_audio_seconds_total{priority="interactive"}'

CASES = {
    "MindTrackPeopleWait": Case(
        {OLDEST % "interactive": "121x100"}, {OLDEST % "interactive": "120x100"}, {"severity": "critical"}
    ),
    "MindTrackBulkWaits": Case(
        {OLDEST % "bulk": "21601x100"}, {OLDEST % "bulk": "21600x100"}, {"severity": "warning"}
    ),
    "MindTrackNothingRuns": Case(
        {COUNT % "queued": "3x100", COUNT % "running": "0x100"},
        {COUNT % "queued": "3x100", COUNT % "running": "1x100"},
        {"severity": "critical", "priority": "bulk"},
    ),
    "MindTrackBacklogUnknown": Case({"up": "1x100"}, {COUNT % "queued": "0x100"}, {"severity": "critical"}),
    "MindTrackErrors": Case(
        {HTTP % 200: "0+98x100", HTTP % 500: "0+2x100"},
        {HTTP % 200: "0+995x100", HTTP % 500: "0+5x100"},
        {"severity": "critical"},
    ),
    "MindTrackSlowAnswers": Case(
        {READS % "1.0": "0+90x100", READS % "2.5": "0+100x100", READS % "+Inf": "0+100x100"},
        {READS % "1.0": "0+96x100", READS % "2.5": "0+100x100", READS % "+Inf": "0+100x100"},
        {"severity": "warning"},
    ),
    "MindTrackNobodyIsTold": Case(
        {"mindtrack_oldest_unrung_seconds": "61x100"},
        {"mindtrack_oldest_unrung_seconds": "60x100"},
        {"severity": "critical"},
    ),
    "MindTrackWebhooksWait": Case(
        {"mindtrack_oldest_due_webhook_seconds": "301x100"},
        {"mindtrack_oldest_due_webhook_seconds": "300x100"},
        {"severity": "warning"},
    ),
    "MindTrackDrainTakesLong": Case(  # 36 audio seconds per second
        {
            QUEUED: "10900x100",
            AUDIO: "0+2160x100",
        },
        {
            QUEUED: "10700x100",
            AUDIO: "0+2160x100",
        },
        {"severity": "warning", "priority": "interactive"},
    ),
    "MindTrackSlowResults": Case(
        {DONE % ("bucket", ',le="30.0"'): "0+85x100", DONE % ("count", ""): "0+100x100"},
        {DONE % ("bucket", ',le="30.0"'): "0+86x100", DONE % ("count", ""): "0+100x100"},
        {"severity": "critical"},
    ),
    "MindTrackJobsFail": Case(
        {ENDED % "succeeded": "0+980x100", ENDED % "failed": "0+20x100"},
        {ENDED % "succeeded": "0+995x100", ENDED % "failed": "0+5x100", ENDED % "rejected": "0+500x100"},
        {"severity": "critical"},
    ),
    "MindTrackAttemptsFail": Case(
        {ENDED % "succeeded": "0+100x100", "mindtrack_job_retries_total": "0+11x100"},
        {ENDED % "succeeded": "0+100x100", "mindtrack_job_retries_total": "0+9x100"},
        {"severity": "warning"},
    ),
    "MindTrackLeasesLost": Case(
        {"mindtrack_leases_lost_total": "0+1x100"},
        {"mindtrack_leases_lost_total": "0x80 4x20"},
        {"severity": "warning"},
    ),
    "MindTrackDecodersDie": Case(
        {'mindtrack_decoders_killed_total{reason="crash"}': "0+1x100"},
        {
            'mindtrack_decoders_killed_total{reason="crash"}': "0x80 4x20",
            'mindtrack_decoders_killed_total{reason="memory"}': "0x80 4x20",
        },
        {"severity": "warning", "reason": "crash"},
    ),
    "MindTrackUnreadableFormat": Case(
        {UNREADABLE: "0+1x100", ENDED % "succeeded": "0+4x100"},
        {UNREADABLE: "0+1x100", ENDED % "succeeded": "0+6x100"},
        {"severity": "warning", "format": "audio/mp4"},
    ),
    "MindTrackMixedBundles": Case(
        {BUNDLE % ("one", "a"): "1x100", BUNDLE % ("two", "b"): "1x100"},
        {BUNDLE % ("one", "a"): "1x100", BUNDLE % ("one", "b"): "1x100"},
        {"severity": "warning"},
    ),
    "MindTrackWorkersUnseen": Case(
        {"up": "1x100"}, {BUNDLE % ("one", "a"): "1x100"}, {"severity": "warning"}
    ),
}


def test_every_alert_has_a_case() -> None:
    assert CASES.keys() == ALERTS.keys()


FAILED = 'mindtrack_job_seconds_%s{priority="interactive",status="failed"%s}'
BULK = '{priority="bulk"}'

#: What a plainer rule would have missed, or called for.
MORE = [
    (
        "MindTrackSlowResults",  # everything fails, and at once
        Case(
            {FAILED % ("bucket", ',le="30.0"'): "0+9x100", FAILED % ("count", ""): "0+9x100"},
            {DONE % ("bucket", ',le="30.0"'): "0+9x100", DONE % ("count", ""): "0+9x100"},
            {"severity": "critical"},
        ),
    ),
    (
        "MindTrackJobsFail",  # one of two, in a quiet night
        Case(
            {ENDED % "succeeded": "0x80 5x20", ENDED % "failed": "0x80 5x20"},
            {ENDED % "succeeded": "0x80 1x20", ENDED % "failed": "0x80 1x20"},
            {"severity": "critical"},
        ),
    ),
    (
        "MindTrackDrainTakesLong",  # a day's import, beside people who are served
        Case(
            {
                f"mindtrack_queue_audio_seconds{BULK}": "520000x100",
                f"mindtrack_audio_seconds_total{BULK}": "0+2160x100",
            },
            {
                f"mindtrack_queue_audio_seconds{BULK}": "517000x100",
                f"mindtrack_audio_seconds_total{BULK}": "0+2160x100",
            },
            {"severity": "warning", "priority": "bulk"},
        ),
    ),
]


@needs_promtool
@pytest.mark.parametrize(("alert", "case"), MORE, ids=[alert for alert, _ in MORE])
def test_it_is_not_fooled(alert: str, case: Case, tmp_path: Path) -> None:
    assert judged(alert, tmp_path, ALERTS[alert], case) == ""


@needs_promtool
@pytest.mark.parametrize("alert", CASES)
def test_it_fires_when_it_should_and_only_then(alert: str, tmp_path: Path) -> None:
    assert judged(alert, tmp_path, ALERTS[alert]) == ""


@needs_promtool
@pytest.mark.parametrize("alert", CASES)
def test_a_case_notices_an_alert_that_never_or_always_fires(alert: str, tmp_path: Path) -> None:
    assert "FAILED" in judged(alert, tmp_path, {**ALERTS[alert], "expr": "vector(1) > 2"})
    assert "FAILED" in judged(alert, tmp_path, {**ALERTS[alert], "expr": "vector(1)"})


def judged(alert: str, folder: Path, rule: dict[str, Any], case: Case | None = None) -> str:
    """Return what promtool holds against a rule; nothing if it does as its case says."""
    bare = {name: value for name, value in rule.items() if name != "annotations"}
    groups = {"groups": [{"name": "one", "rules": [bare]}]}
    (folder / "rules.yaml").write_text(yaml.safe_dump(groups))
    case = case or CASES[alert]
    expected = [{"exp_labels": case.labels}]
    tests = [_test(alert, case, case.fires, expected), _test(alert, case, case.quiet, [])]
    whole = {"rule_files": ["rules.yaml"], "evaluation_interval": "1m", "tests": tests}
    (folder / "tests.yaml").write_text(yaml.safe_dump(whole))
    done = subprocess.run(
        ["promtool", "test", "rules", "tests.yaml"],  # noqa: S607 - wherever it is
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def _test(alert: str, case: Case, series: Series, expected: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "interval": "1m",
        "input_series": [{"series": name, "values": _values(text)} for name, text in series.items()],
        "alert_rule_test": [{"alertname": alert, "eval_time": case.after, "exp_alerts": expected}],
    }


def _values(text: str) -> str:
    """Let `5x100` stand for a hundred fives; promtool says `5+0x100`."""
    return " ".join(re.sub(r"^(\d+)x", r"\1+0x", part) for part in text.split())


# --- What they ask for, and where they lead -----------------------------------------------------------------


def declared() -> set[str]:
    modules = (mindtrack_gateway.metrics, mindtrack_inference.metrics, mindtrack_scheduler.metrics)
    metrics = [
        each for module in modules for each in vars(module).values() if isinstance(each, MetricWrapperBase)
    ]
    return {family.name + suffix for metric in metrics for family in metric.collect() for suffix in SUFFIXES}


@pytest.mark.parametrize("alert", ALERTS)
def test_it_asks_for_what_somebody_counts(alert: str) -> None:
    asked = set(re.findall(r"mindtrack_\w+", ALERTS[alert]["expr"]))

    assert asked
    assert asked - declared() == set()


@pytest.mark.parametrize("alert", ALERTS)
def test_it_leads_to_its_page(alert: str) -> None:
    annotations = ALERTS[alert]["annotations"]
    (page,) = re.findall(r"/incidents/([\w-]+\.md)$", annotations["runbook_url"])

    assert (INCIDENTS / page).read_text().startswith(f"# {alert}\n")
    assert annotations["summary"]
    assert annotations["description"]


def test_every_page_is_somebodys_and_listed() -> None:
    pages = {page.name for page in INCIDENTS.glob("*.md")} - {"README.md"}
    led_to = {re.findall(r"[\w-]+\.md", rule["annotations"]["runbook_url"])[-1] for rule in ALERTS.values()}

    assert pages == led_to
    listed = set(re.findall(r"\(([\w-]+\.md)\)", (INCIDENTS / "README.md").read_text()))
    assert listed == pages


def test_a_plain_prometheus_has_the_same_rules() -> None:
    assert (ROOT / "deploy/observability/alerts.yaml").read_text() == plain()
