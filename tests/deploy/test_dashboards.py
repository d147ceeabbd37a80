"""Dashboards are what dashboards.py says, and ask Prometheus only for what there is."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import yaml

import dashboards
from dashboards import (
    DASHBOARDS,
    FAILED_REQUESTS,
    FOLDER,
    Dashboard,
    Query,
    mean,
    path_of,
    render,
    to_drain,
    written,
)
from deploy.metrics import told

PROMTOOL = shutil.which("promtool") or "promtool"
needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")

#: Of Prometheus itself.
BUILT_IN = {"ALERTS": {"alertname", "alertstate"}}
KNOWN = told() | BUILT_IN


def faults(query: Query) -> Iterator[str]:
    """Say what a query asks for that nobody tells."""
    metrics = set(re.findall(r"\bmindtrack_\w+|\bALERTS\b", re.sub(r'"[^"]*"', "", query.expr)))
    yield from (f"nobody tells {metric}" for metric in metrics - KNOWN.keys())
    labels = set.intersection(*(KNOWN.get(metric, set()) for metric in metrics))
    for metric, selector in re.findall(r"(\w+)\{([^}]*)\}", query.expr):
        asked = set(re.findall(r"(\w+)\s*[!=]~?", selector))
        yield from (f"{metric} has no {label}" for label in asked - KNOWN.get(metric, set()))
    for by in re.findall(r"by \(([^)]*)\)", query.expr):
        grouped = set(by.split(", "))
        yield from (f"nothing has {label}" for label in grouped - labels - {"le"})
    for label in re.findall(r"\{\{(\w+)\}\}", query.legend):
        if not re.search(rf"by \([^)]*\b{label}\b", query.expr):
            yield f"the legend names {label}, which is summed over"


def queries(dashboard: Dashboard) -> list[Query]:
    return [query for section in dashboard.sections for panel in section.panels for query in panel.queries]


ALL = [query for dashboard in DASHBOARDS for query in queries(dashboard)]


def test_files_are_what_make_dashboards_writes() -> None:
    assert {path: path.read_text() for path in FOLDER.iterdir()} == {
        path_of(dashboard): written(dashboard) for dashboard in DASHBOARDS
    }


def test_the_cluster_gets_every_dashboard() -> None:
    kustomization = yaml.safe_load((FOLDER.parent / "kustomization.yaml").read_text())
    (generated,) = kustomization["configMapGenerator"]

    assert generated["options"]["labels"] == {"grafana_dashboard": "1"}
    assert {FOLDER.parent / file for file in generated["files"]} == set(FOLDER.iterdir())


@pytest.mark.parametrize("query", ALL, ids=lambda query: query.expr)
def test_a_panel_asks_for_what_there_is(query: Query) -> None:
    assert list(faults(query)) == []


@pytest.mark.parametrize(
    ("query", "fault"),
    [
        (Query("max(mindtrack_job)", ""), "nobody tells mindtrack_job"),
        (Query('max(mindtrack_jobs{user="a"})', ""), "mindtrack_jobs has no user"),
        (Query("max by (user) (mindtrack_jobs)", ""), "nothing has user"),
        (
            Query("max by (status) (mindtrack_jobs)", "{{priority}}"),
            "the legend names priority, which is summed over",
        ),
    ],
)
def test_what_there_is_not_is_found(query: Query, fault: str) -> None:
    assert fault in list(faults(query))


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)
def test_grafana_would_take_it(dashboard: Dashboard) -> None:
    document = json.loads(path_of(dashboard).read_text())
    panels = document["panels"]
    drawn = [panel for panel in panels if panel["type"] != "row"]

    assert document["schemaVersion"] >= 36
    assert "id" not in document  # Grafana numbers dashboards itself
    assert len({panel["id"] for panel in panels}) == len(panels)
    for panel in drawn:
        assert panel["title"]
        assert panel["description"]
        assert panel["targets"]
        assert panel["gridPos"]["x"] + panel["gridPos"]["w"] <= dashboards.COLUMNS


@pytest.mark.parametrize("dashboard", DASHBOARDS, ids=lambda dashboard: dashboard.uid)
def test_panels_do_not_overlap(dashboard: Dashboard) -> None:
    places = [panel["gridPos"] for panel in render(dashboard)["panels"]]
    cells = [
        (x, y)
        for place in places
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]

    assert len(cells) == len(set(cells))


def test_addresses_are_unique() -> None:
    uids = [dashboard.uid for dashboard in DASHBOARDS]

    assert len(set(uids)) == len(uids)
    assert all(len(uid) <= 40 for uid in uids)  # Grafana's limit


@needs_promtool
def test_prometheus_understands_every_expression(tmp_path: Path) -> None:
    done = check(tmp_path, [query.expr for query in ALL])

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(ALL)} rules found" in done.stdout


@needs_promtool
def test_prometheus_refuses_what_is_none(tmp_path: Path) -> None:
    assert check(tmp_path, ["sum(rate(mindtrack_rings_total))"]).returncode != 0


def check(folder: Path, expressions: list[str]) -> subprocess.CompletedProcess[str]:
    """Ask promtool about expressions, with Grafana's variable as Grafana would fill it in."""
    rules = [
        {"record": f"panel:{number}", "expr": expression.replace("$__rate_interval", "1m")}
        for number, expression in enumerate(expressions)
    ]
    file = folder / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": rules}]}))
    return subprocess.run(
        [PROMTOOL, "check", "rules", str(file)], check=False, capture_output=True, text=True
    )


# --- What the numbers are -------------------------------------------------------------------------------


@dataclass(frozen=True)
class Case:
    name: str
    expr: str
    #: Samples a minute apart, in promtool's notation.
    series: dict[str, str]
    #: Of the ninth minute, by labels.
    expected: dict[str, float]


def audio(gateway: str, seconds: int) -> dict[str, str]:
    return {f'mindtrack_queue_audio_seconds{{priority="bulk", instance="{gateway}"}}': f"{seconds}x10"}


def worked_off(per_second: int) -> dict[str, str]:
    return {'mindtrack_audio_seconds_total{priority="bulk"}': f"0+{60 * per_second}x10"}


def requests(status: int, per_minute: int) -> dict[str, str]:
    series = f'mindtrack_http_request_seconds_count{{method="GET", route="/v1/jobs", status="{status}"}}'
    return {series: f"0+{per_minute}x10"}


CASES = [
    Case(
        "to drain: what two gateways tell counts once",
        to_drain(),
        audio("a", 600) | audio("b", 600) | worked_off(20),
        {'{priority="bulk"}': 30},
    ),
    Case("to drain: nothing waits", to_drain(), audio("a", 0) | worked_off(0), {'{priority="bulk"}': 0}),
    Case("to drain: nobody works", to_drain(), audio("a", 600) | worked_off(0), {}),
    Case("share: some failed", FAILED_REQUESTS, requests(200, 75) | requests(503, 25), {"{}": 0.25}),
    Case("share: none has ever failed", FAILED_REQUESTS, requests(200, 75), {"{}": 0}),
    Case("share: nobody asks", FAILED_REQUESTS, requests(200, 0), {}),
    Case("mean", mean("m"), {"m_sum": "0+30x10", "m_count": "0+60x10"}, {"{}": 0.5}),
]


@needs_promtool
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_numbers_are_what_they_are_called(case: Case, tmp_path: Path) -> None:
    done = evaluate(tmp_path, case)

    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_a_wrong_number_is_found(tmp_path: Path) -> None:
    assert evaluate(tmp_path, replace(CASES[0], expected={'{priority="bulk"}': 60})).returncode != 0


def evaluate(folder: Path, case: Case) -> subprocess.CompletedProcess[str]:
    samples = [{"labels": labels, "value": value} for labels, value in case.expected.items()]
    expr = case.expr.replace("$__rate_interval", "5m")
    test = {
        "interval": "1m",
        "input_series": [{"series": series, "values": values} for series, values in case.series.items()],
        "promql_expr_test": [{"expr": expr, "eval_time": "9m", "exp_samples": samples}],
    }
    file = folder / "test.yaml"
    file.write_text(yaml.safe_dump({"rule_files": [], "tests": [test]}))
    return subprocess.run([PROMTOOL, "test", "rules", str(file)], check=False, capture_output=True, text=True)
