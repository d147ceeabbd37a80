"""Alerts fire when they should and not before, each has a page, and each asks for what is counted."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.alerts import plain
from deploy.metrics import told

ROOT = Path(__file__).parents[2]
RULES = yaml.safe_load((ROOT / "k8s/components/monitoring/alerts.yaml").read_text())["spec"]
ALERTS = {rule["alert"]: rule for group in RULES["groups"] for rule in group["rules"]}
INCIDENTS = ROOT / "docs/runbook/incidents"

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed; it comes with Debian's prometheus"
)

Rule = dict[str, Any]
Series = dict[str, str]


@dataclass(frozen=True)
class Case:
    """Series as promtool writes them: with which an alert fires, and just not."""

    fires: Series
    quiet: Series
    labels: Series
    #: Looked at then.
    after: str = "90m"
    #: How far samples are apart, and looks at the rule.
    every: str = "1m"


HTTP = 'mindtrack_http_request_seconds_count{method="GET",route="/v1/jobs",status="%s"}'
READS = 'mindtrack_http_request_seconds_bucket{method="GET",route="/v1/jobs",status="200",le="%s"}'
ENDED = 'mindtrack_jobs_ended_total{status="%s",code="none"}'
UNREADABLE = 'mindtrack_decode_errors_total{format="audio/mp4"}'
DONE = 'mindtrack_job_seconds_%s{priority="interactive",status="succeeded"%s}'
BUNDLE = 'mindtrack_worker_info{bundle="b",revision="%s",engine="openvino",precision="int8",pod="%s"}'
WORKER = 'mindtrack_worker_info{bundle="%s",revision="one",engine="openvino",precision="%s",pod="%s"}'
RELAY = 'mindtrack_relay_failures_total{dependency="broker"}'
RESCUED = 'mindtrack_rescued_jobs_total{outcome="%s"}'
OLDEST = 'mindtrack_oldest_job_seconds{status="queued",priority="%s"}'
COUNT = 'mindtrack_jobs{status="%s",priority="bulk"}'
QUEUED = 'mindtrack_queue_audio_seconds{priority="interactive"}'
AUDIO = 'mindtrack_audio_seconds_total{priority="interactive"}'


def served(*phases: tuple[float, int], jobs: float = 100) -> Series:
    """Return interactive jobs, as many with each sample; of them on time: how many, for how many samples."""
    on_time, total = ["0"], 0.0
    for each, samples in phases:
        on_time.append(f"{total + each:g}+{each:g}x{samples - 1}")
        total += each * samples
    ended = f"0+{jobs:g}x{sum(samples for _, samples in phases)}"
    return {DONE % ("bucket", ',le="30.0"'): " ".join(on_time), DONE % ("count", ""): ended}


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
        {HTTP % 200: "0+985x100", HTTP % 500: "0+15x100"},
        {HTTP % 200: "0+992x100", HTTP % 500: "0+8x100"},
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
    "MindTrackRelayFails": Case(
        {RELAY: "0+1.2x100"}, {RELAY: "0+0.9x100"}, {"severity": "warning", "dependency": "broker"}
    ),
    "MindTrackWebhooksWait": Case(
        {"mindtrack_oldest_due_webhook_seconds": "301x100"},
        {"mindtrack_oldest_due_webhook_seconds": "300x100"},
        {"severity": "warning"},
    ),
    "MindTrackAccessesUnsealed": Case(
        {"mindtrack_oldest_unsealed_access_event_seconds": "301x100"},
        {"mindtrack_oldest_unsealed_access_event_seconds": "300x100"},
        {"severity": "warning"},
    ),
    "MindTrackNoAnchors": Case(
        {'mindtrack_anchors_total{outcome="failed"}': "0+0.1x100"},
        {'mindtrack_anchors_total{outcome="failed"}': "0+0.06x100"},
        {"severity": "warning"},
    ),
    "MindTrackGlassBroken": Case(
        {"mindtrack_emergencies_total": "0x60 1x60"},
        {"mindtrack_emergencies_total": "0x10 1x110"},
        {"severity": "critical"},
        after="80m",
    ),
    "MindTrackKeptTooLong": Case(
        {"mindtrack_retained_at_seconds": "-21601+60x800"},
        {"mindtrack_retained_at_seconds": "-21600+60x800"},
        {"severity": "warning"},
        after="10h",
    ),
    "MindTrackNotificationsWait": Case(
        {"mindtrack_oldest_due_notification_seconds": "301x100"},
        {"mindtrack_oldest_due_notification_seconds": "300x100"},
        {"severity": "warning"},
    ),
    "MindTrackTrendsWait": Case(
        {"mindtrack_oldest_due_standing_seconds": "901x100"},
        {"mindtrack_oldest_due_standing_seconds": "900x100"},
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
    "MindTrackSlowResults": Case(served((85, 100)), served((86, 100)), {"severity": "critical"}),
    "MindTrackSlowResultsForHours": Case(
        served((93, 50)), served((95, 50)), {"severity": "critical"}, "8h", "10m"
    ),
    "MindTrackSlowResultsForADay": Case(
        served((96, 80)), served((98, 80)), {"severity": "warning"}, "26h", "20m"
    ),
    "MindTrackJobsFail": Case(
        {ENDED % "succeeded": "0+985x100", ENDED % "failed": "0+15x100"},
        {ENDED % "succeeded": "0+485x100", ENDED % "failed": "0+8x100", ENDED % "rejected": "0+507x100"},
        {"severity": "critical"},
    ),
    "MindTrackAttemptsFail": Case(
        {ENDED % "succeeded": "0+100x100", "mindtrack_job_retries_total": "0+11x100"},
        {ENDED % "succeeded": "0+100x100", "mindtrack_job_retries_total": "0+9x100"},
        {"severity": "warning"},
    ),
    "MindTrackLeasesLost": Case(
        {"mindtrack_leases_lost_total": "0x80 6x20"},
        {"mindtrack_leases_lost_total": "0x80 4x20"},
        {"severity": "warning"},
    ),
    "MindTrackJobsTakenBack": Case(
        {RESCUED % "requeued": "0+0.4x100"},
        {RESCUED % "requeued": "0+0.3x100", RESCUED % "rung_again": "0+9x100"},
        {"severity": "warning"},
    ),
    "MindTrackJobsGivenUp": Case(
        {RESCUED % "failed": "0+0.25x100"},
        {RESCUED % "failed": "0+0.18x100", RESCUED % "requeued": "0+9x100"},
        {"severity": "critical"},
    ),
    "MindTrackDecodersDie": Case(
        {'mindtrack_decoders_killed_total{reason="crash"}': "0x80 6x20"},
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
    "MindTrackMixedPrecisions": Case(
        {WORKER % ("b", "int8", "a"): "1x50", WORKER % ("b", "fp32", "b"): "1x50"},
        {WORKER % ("b", "int8", "a"): "1x50", WORKER % ("c", "fp32", "b"): "1x50"},
        {"severity": "warning", "bundle": "b", "revision": "one"},
        "8h",
        "10m",
    ),
    "MindTrackWorkersUnseen": Case(
        {"up": "1x100"}, {BUNDLE % ("one", "a"): "1x100"}, {"severity": "warning"}
    ),
}


def test_every_alert_has_a_case() -> None:
    assert CASES.keys() == ALERTS.keys()


FAILED = 'mindtrack_job_seconds_%s{priority="interactive",status="failed"%s}'
BULK = '{priority="bulk"}'


@dataclass(frozen=True)
class Burn:
    """An allowance that is used up too quickly in a long window, and still in a short one."""

    #: Of a hundred jobs, on time: just too few, just enough, far too few.
    over: int
    under: int
    bad: int
    #: Samples before the short window, and in it.
    before: int
    since: int
    severity: str
    after: str
    every: str

    def cases(self) -> Iterator[Case]:
        """Yield how it gets better, and how it gets worse: neither window alone is a reason to call."""
        better = (served((self.bad, self.before), (last, self.since)) for last in (self.over, self.under))
        worse = (served((first, self.before), (self.bad, self.since)) for first in (self.over, self.under))
        for fires, quiet in (better, worse):
            yield Case(fires, quiet, {"severity": self.severity}, self.after, self.every)


BURNS = {
    "MindTrackSlowResults": Burn(85, 88, 80, 84, 6, "critical", "90m", "1m"),
    "MindTrackSlowResultsForHours": Burn(93, 95, 90, 45, 3, "critical", "8h", "10m"),
    "MindTrackSlowResultsForADay": Burn(96, 98, 90, 72, 6, "warning", "26h", "20m"),
}

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
        "MindTrackSlowResultsForHours",  # one in ten, of 72 jobs or of 36
        Case(
            served((1.8, 50), jobs=2),
            served((0.9, 50), jobs=1),
            {"severity": "critical"},
            "8h",
            "10m",
        ),
    ),
    (
        "MindTrackSlowResultsForADay",  # one in ten, of 144 jobs or of 72
        Case(
            served((1.8, 80), jobs=2),
            served((0.9, 80), jobs=1),
            {"severity": "warning"},
            "26h",
            "20m",
        ),
    ),
    (
        "MindTrackJobsFail",  # one of two, in a quiet night
        Case(
            {ENDED % "succeeded": "0x80 5x20", ENDED % "failed": "0x80 5x20"},
            {ENDED % "succeeded": "0x80 2x20", ENDED % "failed": "0x80 2x20"},
            {"severity": "critical"},
        ),
    ),
    (
        "MindTrackUnreadableFormat",  # one of two, in a quiet night
        Case(
            {UNREADABLE: "0+0.5x100", ENDED % "succeeded": "0+1x100"},
            {UNREADABLE: "0+0.25x100", ENDED % "succeeded": "0+0.5x100"},
            {"severity": "warning", "format": "audio/mp4"},
        ),
    ),
    (
        "MindTrackRelayFails",  # all rounds, for twenty minutes or five
        Case(
            {RELAY: "0x70 0+60x20"}, {RELAY: "0x85 0+60x5"}, {"severity": "warning", "dependency": "broker"}
        ),
    ),
    (
        "MindTrackJobsTakenBack",  # two workers after each other, or one
        Case(
            {RESCUED % "requeued": "0x67 8x11 16x20"},
            {RESCUED % "requeued": "0x77 8x20"},
            {"severity": "warning"},
        ),
    ),
    (
        "MindTrackMixedPrecisions",  # since seven hours, or five
        Case(
            {WORKER % ("b", "int8", "a"): "1x50", WORKER % ("b", "fp32", "b"): "_x5 1x44"},
            {WORKER % ("b", "int8", "a"): "1x50", WORKER % ("b", "fp32", "b"): "_x17 1x32"},
            {"severity": "warning", "bundle": "b", "revision": "one"},
            "8h",
            "10m",
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
    *((alert, case) for alert, burn in BURNS.items() for case in burn.cases()),
]


@needs_promtool
@pytest.mark.parametrize(("alert", "case"), MORE, ids=[alert for alert, _ in MORE])
def test_it_is_not_fooled(alert: str, case: Case, tmp_path: Path) -> None:
    assert judged(tmp_path, case, ALERTS[alert]) == ""


@needs_promtool
@pytest.mark.parametrize("alert", CASES)
def test_it_fires_when_it_should_and_only_then(alert: str, tmp_path: Path) -> None:
    assert judged(tmp_path, CASES[alert], ALERTS[alert]) == ""


@needs_promtool
@pytest.mark.parametrize("alert", CASES)
def test_a_case_notices_an_alert_that_never_or_always_fires(alert: str, tmp_path: Path) -> None:
    for expr in ("vector(1) > 2", "vector(1)"):
        assert "FAILED" in judged(tmp_path, CASES[alert], {**ALERTS[alert], "expr": expr})


def judged(folder: Path, case: Case, *rules: Rule) -> str:
    """Return what promtool holds against rules; nothing if all do as their case says."""
    bare = [{name: value for name, value in rule.items() if name != "annotations"} for rule in rules]
    groups = {"groups": [{"name": "one", "rules": bare}]}
    (folder / "rules.yaml").write_text(yaml.safe_dump(groups))
    expected = [{"exp_labels": case.labels}]
    tests = [_test(rules, case, *each) for each in ((case.fires, expected), (case.quiet, []))]
    whole = {"rule_files": ["rules.yaml"], "evaluation_interval": case.every, "tests": tests}
    (folder / "tests.yaml").write_text(yaml.safe_dump(whole))
    done = subprocess.run(
        ["promtool", "test", "rules", "tests.yaml"],  # noqa: S607 - wherever it is
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


def _test(
    rules: Iterable[Rule], case: Case, series: Series, expected: list[dict[str, Any]]
) -> dict[str, Any]:
    return {
        "interval": case.every,
        "input_series": [{"series": name, "values": _values(text)} for name, text in series.items()],
        "alert_rule_test": [
            {"alertname": rule["alert"], "eval_time": case.after, "exp_alerts": expected} for rule in rules
        ],
    }


def _values(text: str) -> str:
    """Let `5x100` stand for a hundred fives; promtool says `5+0x100`."""
    return " ".join(re.sub(r"^(\d+)x", r"\1+0x", part) for part in text.split())


# --- Thresholds ---------------------------------------------------------------------------------------------

COMPARISON = re.compile(r"(?:[<>]=?|[=!]=)\s*(?:bool\s+)?")
NUMBER = re.compile(r"\d+(?:\.\d+)?")


def mutants(alert: str) -> Iterator[Rule]:
    """Double and halve each number that an alert compares with. Matchers of labels are no comparisons."""
    expr = ALERTS[alert]["expr"]
    bare = re.sub(r"\{[^}]*\}", lambda found: " " * len(found[0]), expr)
    for comparison in COMPARISON.finditer(bare):
        number = NUMBER.match(bare, comparison.end())
        assert number, f"{alert} compares with no number: {expr[comparison.start() :]}"
        if float(number[0]) == 0:
            continue  # twice nothing is nothing
        for factor in (2, 0.5):
            changed = f"{expr[: number.start()]}({factor} * {number[0]}){expr[number.end() :]}"
            name = f"{alert}: {factor} * {number[0]} at {number.start()}"
            yield {**ALERTS[alert], "alert": name, "expr": changed}


def unnoticed(folder: Path, alert: str, cases: Iterable[Case]) -> set[str]:
    """Return the mutants that do as all cases say."""
    left = {rule["alert"]: rule for rule in mutants(alert)}
    for case in cases:
        for noticed in set(re.findall(r"alertname: (.+), time:", judged(folder, case, *left.values()))):
            del left[noticed]
        if not left:
            break
    return set(left)


@needs_promtool
@pytest.mark.parametrize("alert", [alert for alert in ALERTS if any(mutants(alert))])
def test_cases_notice_another_threshold(alert: str, tmp_path: Path) -> None:
    cases = [CASES[alert], *(case for name, case in MORE if name == alert)]

    assert unnoticed(tmp_path, alert, cases) == set()


@needs_promtool
def test_a_blunt_case_is_found(tmp_path: Path) -> None:
    alert = "MindTrackNobodyIsTold"
    blunt = replace(CASES[alert], fires={"mindtrack_oldest_unrung_seconds": "200x100"})

    assert unnoticed(tmp_path, alert, [blunt]) == {f"{alert}: 2 * 60 at 39"}


# --- What they ask for, and where they lead -----------------------------------------------------------------


@pytest.mark.parametrize("alert", ALERTS)
def test_it_asks_for_what_somebody_counts(alert: str) -> None:
    asked = set(re.findall(r"mindtrack_\w+", ALERTS[alert]["expr"]))

    assert asked
    assert asked <= told().keys()


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
