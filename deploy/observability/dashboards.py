"""Writes Grafana's dashboards from what is said here of each panel: `make dashboards`.

They lie in the Kubernetes component that ships them, as Kustomize reads nothing outside of its root; Compose
mounts the same folder.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).resolve().parents[2] / "k8s/components/monitoring/dashboards"
#: Of Grafana's classic dashboard model; newer Grafanas migrate it when they read it.
SCHEMA_VERSION = 41
COLUMNS = 24
ROW_HEIGHT = 1
#: Whoever looks chooses it, so that one file fits every Grafana.
DATASOURCE = {"type": "prometheus", "uid": "${datasource}"}


@dataclass(frozen=True)
class Query:
    expr: str
    #: In Grafana's braces: `{{priority}}`.
    legend: str


@dataclass(frozen=True)
class Panel:
    title: str
    #: What a reader may conclude, and what not.
    about: str
    queries: tuple[Query, ...]
    unit: str = "short"
    #: From here on it is shown in red.
    bad: float | None = None
    #: Parts of a whole are stacked.
    stacked: bool = False


@dataclass(frozen=True)
class Section:
    title: str
    panels: tuple[Panel, ...]
    #: One number each, in place of its course.
    numbers: bool = False
    columns: int = 3


@dataclass(frozen=True)
class Dashboard:
    #: Names its file, and is part of its address.
    uid: str
    title: str
    about: str
    sections: tuple[Section, ...]


# --- Expressions ----------------------------------------------------------------------------------------


def where(selector: str, metric: str) -> str:
    return f"{metric}{{{selector}}}" if selector else metric


def rate(metric: str, by: str = "") -> str:
    """Return how fast a counter grows per second, over all processes."""
    return f"sum{f' by ({by})' if by else ''} (rate({metric}[$__rate_interval]))"


def quantile(share: float, histogram: str, by: str = "", selector: str = "") -> str:
    buckets = where(selector, f"{histogram}_bucket")
    return f"histogram_quantile({share:g}, {rate(buckets, f'le, {by}' if by else 'le')})"


def ratio(part: str, whole: str) -> str:
    return f"{rate(part)} / {rate(whole)}"


def mean(histogram: str) -> str:
    return ratio(f"{histogram}_sum", f"{histogram}_count")


def share(part: str, whole: str) -> str:
    """Return a ratio: 0 where nothing has counted as the part yet, nothing where there is no whole."""
    return f"({rate(part)} or vector(0)) / ({rate(whole)} > 0)"


def backlog(gauge: str, by: str = "priority") -> str:
    """Return what all gateways read from the same database: hence max, never sum."""
    return f"max by ({by}) ({gauge})"


PEOPLE = 'priority="interactive"'
NO_PROBES = 'route!~"/healthz|/readyz|/metrics"'
REQUESTS = f"mindtrack_http_request_seconds_count{{{NO_PROBES}}}"
FAILURES = 'mindtrack_http_request_seconds_count{status=~"5..", route!="/readyz"}'
ENDED = "mindtrack_jobs_ended_total"


def to_drain(selector: str = "") -> str:
    """Return by lane how long what waits takes at the speed of now; nothing where all stands still."""
    audio = backlog(where(selector, "mindtrack_queue_audio_seconds"))
    speed = rate(where(selector, "mindtrack_audio_seconds_total"), "priority")
    return f"{audio} / ({speed} > 0) or {audio} == 0"


FAILED_REQUESTS = share(FAILURES, REQUESTS)
FAILED_JOBS = share(f'{ENDED}{{status="failed"}}', ENDED)

# --- Dashboards -----------------------------------------------------------------------------------------

OVERVIEW = Dashboard(
    uid="mindtrack-overview",
    title="MindTrack: is it well?",
    about="What people notice: how many wait, for how long, and how it ends.",
    sections=(
        Section(
            "Now",
            numbers=True,
            columns=6,
            panels=(
                Panel(
                    "Alerts firing",
                    "Alerts of MindTrack that fire; what to do is in their descriptions.",
                    (
                        Query(
                            'count(ALERTS{alertname=~"MindTrack.*", alertstate="firing"}) or vector(0)',
                            "alerts",
                        ),
                    ),
                    bad=1,
                ),
                Panel(
                    "People waiting",
                    "Interactive jobs that are queued. No data: no gateway reaches the database.",
                    (Query(f'max(mindtrack_jobs{{status="queued", {PEOPLE}}})', "jobs"),),
                ),
                Panel(
                    "Oldest of them",
                    "Age of the interactive job that has been queued for longest.",
                    (Query(f'max(mindtrack_oldest_job_seconds{{status="queued", {PEOPLE}}})', "age"),),
                    unit="s",
                    bad=120,
                ),
                Panel(
                    "Seconds to drain",
                    "Audio of interactive jobs over the speed at which it is worked off now. No data while "
                    "jobs wait and none is worked off.",
                    (Query(to_drain(PEOPLE), "to drain"),),
                    unit="s",
                    bad=60,
                ),
                Panel(
                    "Failed requests",
                    "Share of requests that were answered with 5xx, without probes.",
                    (Query(FAILED_REQUESTS, "5xx"),),
                    unit="percentunit",
                    bad=0.01,
                ),
                Panel(
                    "Workers",
                    "Worker processes that are scraped.",
                    (Query("count(mindtrack_worker_info) or vector(0)", "workers"),),
                ),
            ),
        ),
        Section(
            "Waiting",
            (
                Panel(
                    "Jobs that have not ended",
                    "By state and lane, as the database has them.",
                    (Query(backlog("mindtrack_jobs", "status, priority"), "{{status}} {{priority}}"),),
                    stacked=True,
                ),
                Panel(
                    "Oldest job",
                    "Age of the oldest job by state and lane. Bulk jobs may wait for hours.",
                    (
                        Query(
                            backlog("mindtrack_oldest_job_seconds", "status, priority"),
                            "{{status}} {{priority}}",
                        ),
                    ),
                    unit="s",
                ),
                Panel(
                    "Seconds to drain",
                    "Audio that has not been worked off, over the speed of now. Autoscaling "
                    "assumes a fixed speed instead.",
                    (Query(to_drain(), "{{priority}}"),),
                    unit="s",
                ),
            ),
        ),
        Section(
            "From upload to result",
            (
                Panel(
                    "Interactive: accepted to committed",
                    "Half of the jobs took less than p50, one in twenty longer than p95.",
                    tuple(
                        Query(quantile(at, "mindtrack_job_seconds", selector=PEOPLE), name)
                        for at, name in ((0.5, "p50"), (0.95, "p95"))
                    ),
                    unit="s",
                ),
                Panel(
                    "Wait for a worker, p95",
                    "Accepted to claimed, by lane.",
                    (Query(quantile(0.95, "mindtrack_job_wait_seconds", "priority"), "{{priority}}"),),
                    unit="s",
                ),
                Panel(
                    "Jobs that wait for their bell",
                    "Due, and not rung by the relay. It grows when relay or broker are gone.",
                    (Query("max(mindtrack_unrung_jobs)", "jobs"),),
                ),
            ),
        ),
        Section(
            "Outcomes",
            (
                Panel(
                    "Jobs ended, per second",
                    "Rejected is the recording's fault, failed is ours.",
                    (Query(rate(ENDED, "status"), "{{status}}"),),
                    unit="ops",
                    stacked=True,
                ),
                Panel(
                    "Why jobs were rejected or failed",
                    "Per second and code; docs/problems.md explains each.",
                    (Query(rate(f'{ENDED}{{status!="succeeded"}}', "code"), "{{code}}"),),
                    unit="ops",
                    stacked=True,
                ),
                Panel(
                    "Shares that failed",
                    "Of requests: answered with 5xx. Of jobs: all attempts used up.",
                    (Query(FAILED_REQUESTS, "requests"), Query(FAILED_JOBS, "jobs")),
                    unit="percentunit",
                    bad=0.01,
                ),
            ),
        ),
    ),
)

WORKERS = Dashboard(
    uid="mindtrack-workers",
    title="MindTrack: workers",
    about="What workers do with their time, and what goes wrong in them.",
    sections=(
        Section(
            "Throughput",
            (
                Panel(
                    "Audio worked off",
                    "Seconds of audio per second, all workers together.",
                    (Query(rate("mindtrack_audio_seconds_total", "priority"), "{{priority}}"),),
                    stacked=True,
                ),
                Panel(
                    "Model seconds per audio second",
                    "What a second of audio costs. It rises on slower machines, and in a slower precision.",
                    (
                        Query(
                            ratio("mindtrack_model_seconds_total", "mindtrack_audio_seconds_total"),
                            "cost",
                        ),
                    ),
                    unit="s",
                ),
                Panel(
                    "Batch fill",
                    "How full the model's batches are, on average. Low under load: recordings come too "
                    "slowly from storage or decoders.",
                    (Query(mean("mindtrack_batch_fill_ratio"), "mean"),),
                    unit="percentunit",
                ),
            ),
        ),
        Section(
            "Where time goes",
            (
                Panel(
                    "Model seconds",
                    "Per second: how many workers' models are busy.",
                    (Query(rate("mindtrack_model_seconds_total"), "busy models"),),
                    stacked=True,
                ),
                Panel(
                    "What workers run",
                    "Processes by bundle, engine and precision. During a rollout there is more than one.",
                    (
                        Query(
                            "count by (bundle, revision, engine, precision) (mindtrack_worker_info)",
                            "{{bundle}} {{revision}} {{engine}} {{precision}}",
                        ),
                    ),
                    stacked=True,
                ),
            ),
        ),
        Section(
            "Decoders",
            (
                Panel(
                    "Recordings that could not be decoded",
                    "Per second, by format. One format alone points at a new version of an app.",
                    (Query(rate("mindtrack_decode_errors_total", "format"), "{{format}}"),),
                    unit="ops",
                    stacked=True,
                ),
                Panel(
                    "Decoders killed",
                    "Per second, by reason. The recording is rejected, the worker goes on.",
                    (Query(rate("mindtrack_decoders_killed_total", "reason"), "{{reason}}"),),
                    unit="ops",
                    stacked=True,
                ),
                Panel(
                    "Attempts that are made again",
                    "Per second.",
                    (Query(rate("mindtrack_job_retries_total"), "attempts"),),
                    unit="ops",
                    stacked=True,
                ),
            ),
        ),
        Section(
            "Bells and leases",
            (
                Panel(
                    "Bells rung",
                    "Per second, by lane.",
                    (Query(rate("mindtrack_rings_total", "priority"), "{{priority}}"),),
                    unit="ops",
                ),
                Panel(
                    "Ticks of the relay that failed",
                    "Per second, by what could not be reached. Jobs are rung later.",
                    (Query(rate("mindtrack_relay_failures_total", "dependency"), "{{dependency}}"),),
                    unit="ops",
                ),
                Panel(
                    "Leases lost, jobs rescued",
                    "Per second. A worker that dies loses leases; rescue gives its jobs to others.",
                    (
                        Query(rate("mindtrack_leases_lost_total"), "lost"),
                        Query(rate("mindtrack_rescued_jobs_total", "outcome"), "rescued: {{outcome}}"),
                    ),
                    unit="ops",
                ),
            ),
        ),
    ),
)

API = Dashboard(
    uid="mindtrack-api",
    title="MindTrack: API",
    about="Requests by route. Routes are templates; who asked is not recorded.",
    sections=(
        Section(
            "Requests",
            (
                Panel(
                    "By route",
                    "Per second, without probes.",
                    (Query(rate(REQUESTS, "method, route"), "{{method}} {{route}}"),),
                    unit="reqps",
                    stacked=True,
                ),
                Panel(
                    "By status",
                    "Per second, without probes.",
                    (Query(rate(REQUESTS, "status"), "{{status}}"),),
                    unit="reqps",
                    stacked=True,
                ),
                Panel(
                    "Failed, by route",
                    "5xx per second.",
                    (Query(rate(FAILURES, "method, route, status"), "{{status}} {{method}} {{route}}"),),
                    unit="reqps",
                    stacked=True,
                ),
            ),
        ),
        Section(
            "Time to the last byte",
            columns=2,
            panels=tuple(
                Panel(
                    f"p{at * 100:g}",
                    "By route. Uploads take as long as the phone's network needs, /analyze-stress as long as "
                    "its job.",
                    (
                        Query(
                            quantile(
                                at, "mindtrack_http_request_seconds", "method, route", selector=NO_PROBES
                            ),
                            "{{method}} {{route}}",
                        ),
                    ),
                    unit="s",
                )
                for at in (0.5, 0.95)
            ),
        ),
    ),
)

DASHBOARDS = (OVERVIEW, WORKERS, API)

# --- Grafana's JSON -------------------------------------------------------------------------------------

Json = dict[str, Any]


def render(dashboard: Dashboard) -> Json:
    return {
        "uid": dashboard.uid,
        "title": dashboard.title,
        "description": dashboard.about,
        "tags": ["mindtrack"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "graphTooltip": 1,
        "refresh": "30s",
        "time": {"from": "now-3h", "to": "now"},
        "timezone": "utc",
        "links": [
            {
                "type": "dashboards",
                "title": "MindTrack",
                "tags": ["mindtrack"],
                "asDropdown": False,
                "keepTime": True,
            }
        ],
        "templating": {
            "list": [
                {"name": "datasource", "label": "Prometheus", "type": "datasource", "query": "prometheus"}
            ]
        },
        "panels": [{"id": number, **panel} for number, panel in enumerate(_panels(dashboard), start=1)],
    }


def _panels(dashboard: Dashboard) -> Iterator[Json]:
    top = 0
    for section in dashboard.sections:
        yield {
            "type": "row",
            "title": section.title,
            "collapsed": False,
            "panels": [],
            "gridPos": {"x": 0, "y": top, "w": COLUMNS, "h": ROW_HEIGHT},
        }
        top += ROW_HEIGHT
        width, height = COLUMNS // section.columns, 4 if section.numbers else 8
        for index, panel in enumerate(section.panels):
            line, column = divmod(index, section.columns)
            place = {"x": column * width, "y": top + line * height, "w": width, "h": height}
            yield {**_panel(panel, as_number=section.numbers), "gridPos": place}
        top += -(-len(section.panels) // section.columns) * height


def _panel(panel: Panel, *, as_number: bool) -> Json:
    steps: list[Json] = [{"color": "text" if as_number else "green", "value": None}]
    if panel.bad is not None:
        steps.append({"color": "red", "value": panel.bad})
    defaults: Json = {
        "unit": panel.unit,
        "min": 0,
        "noValue": "no data",
        "thresholds": {"mode": "absolute", "steps": steps},
    }
    if not as_number:
        defaults["custom"] = {
            "fillOpacity": 20 if panel.stacked else 0,
            "stacking": {"mode": "normal" if panel.stacked else "none"},
            "thresholdsStyle": {"mode": "off" if panel.bad is None else "line"},
        }
    return {
        "type": "stat" if as_number else "timeseries",
        "title": panel.title,
        "description": panel.about,
        "datasource": DATASOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": {"reduceOptions": {"calcs": ["lastNotNull"]}, "graphMode": "none"} if as_number else {},
        "targets": [
            {
                "refId": chr(ord("A") + index),
                "datasource": DATASOURCE,
                "expr": query.expr,
                "legendFormat": query.legend,
                "instant": as_number,
                "range": not as_number,
            }
            for index, query in enumerate(panel.queries)
        ],
    }


def written(dashboard: Dashboard) -> str:
    return json.dumps(render(dashboard), indent=1) + "\n"


def path_of(dashboard: Dashboard) -> Path:
    return FOLDER / f"{dashboard.uid}.json"


def main() -> None:
    for dashboard in DASHBOARDS:
        path_of(dashboard).write_text(written(dashboard), encoding="utf-8")


if __name__ == "__main__":
    main()
