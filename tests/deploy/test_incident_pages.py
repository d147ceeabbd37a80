"""What incident pages tell people to ask of Prometheus and a cluster, at night, is there.

What they ask the database is asked in `tests/integration/test_incident_queries.py`.
"""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from deploy import manifests
from deploy.manifests import Manifest, name_of, rendered
from deploy.metrics import told
from deploy.policies import pods
from mindtrack_shared.observability import events

ROOT = Path(__file__).parents[2]
PAGES = {page.stem: page.read_text() for page in sorted((ROOT / "docs/runbook/incidents").glob("*.md"))}
PROMTOOL = shutil.which("promtool") or "promtool"
needs_promtool = pytest.mark.skipif(not shutil.which("promtool"), reason="promtool is not installed")
needs_kubectl = pytest.mark.skipif(
    manifests.kubectl() is None, reason="kubectl, which renders, is not installed"
)
every_page = pytest.mark.parametrize("page", PAGES.values(), ids=PAGES.keys())

# --- Prometheus -----------------------------------------------------------------------------------------

#: Told by kube-state-metrics.
OTHERS = {"kube_pod_container_status_last_terminated_reason"}
KNOWN = told().keys() | OTHERS
METRIC = re.compile(r"\b(?:mindtrack|kube|container)_[a-z]")
#: Of an expression: what is no name of a metric.
GRAMMAR = re.compile(
    r'"[^"]*"|\{[^}]*\}|\[[^]]*\]|\b(?:by|without|on|ignoring|group_left|group_right)\s*\([^)]*\)'
    r"|\b(?:and|or|unless|offset|bool)\b|\b\w+\s*(?=\(|\b(?:by|without)\b)|\b\d\w*"
)


def expressions(page: str) -> list[str]:
    """Return what a page announces as PromQL, or what names a metric."""
    prose = re.sub(r"```.*?```", "", page, flags=re.DOTALL)
    parts = re.sub(r"^ {4}.*$", "", prose, flags=re.MULTILINE).split("`")
    pairs = zip(parts[::2], parts[1::2], strict=False)
    return [code for before, code in pairs if "PromQL" in before or METRIC.search(code)]


def unknown(expression: str) -> set[str]:
    """Return the metrics of an expression that nobody tells."""
    return set(re.findall(r"[a-zA-Z_:][\w:]*", GRAMMAR.sub(" ", expression))) - KNOWN


ALL = sorted({expression for page in PAGES.values() for expression in expressions(page)})


def test_whoever_announces_promql_has_some() -> None:
    announced = [page for page in PAGES.values() if "PromQL" in page]

    assert announced
    assert all(expressions(page) for page in announced)


@needs_promtool
def test_prometheus_understands_every_expression(tmp_path: Path) -> None:
    done = check(tmp_path, ALL)

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(ALL)} rules found" in done.stdout


@needs_promtool
def test_prometheus_refuses_what_is_none(tmp_path: Path) -> None:
    (expression,) = expressions("PromQL: `sum by (outcome (mindtrack_rescued_jobs_total)`")

    assert check(tmp_path, [expression]).returncode != 0


@pytest.mark.parametrize("expression", ALL)
def test_it_asks_for_what_somebody_tells(expression: str) -> None:
    assert unknown(expression) == set()


@pytest.mark.parametrize(
    ("page", "metric"),
    [
        (
            "PromQL, by route: `sum by (le) (rate(mindtrack_http_seconds_bucket[5m]))`",
            "mindtrack_http_seconds_bucket",
        ),
        ("PromQL: `max(node_load1) > 2 and on (pod) up offset 5m`", "node_load1"),
        ("Until\n`mindtrack_job` is there.", "mindtrack_job"),
    ],
)
def test_what_nobody_tells_is_found(page: str, metric: str) -> None:
    (expression,) = expressions(page)

    assert metric in unknown(expression)


def check(folder: Path, asked: list[str]) -> subprocess.CompletedProcess[str]:
    rules = [{"record": f"page:{number}", "expr": expr} for number, expr in enumerate(asked)]
    file = folder / "rules.yaml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "pages", "rules": rules}]}))
    return subprocess.run(
        [PROMTOOL, "check", "rules", str(file)], check=False, capture_output=True, text=True
    )


# --- Cluster and services -------------------------------------------------------------------------------


def strangers(page: str, cluster: list[Manifest]) -> Iterator[str]:
    """Name what a page asks of a cluster and the cluster does not have."""
    names = {name_of(manifest) for manifest in cluster}
    kinds = "|".join({manifest["kind"] for manifest in cluster})
    asked = {
        f"{kind}/{name}"
        for kind, several in re.findall(rf"\b({kinds})((?:(?:,| or| and)? `[a-z][a-z0-9-]*`)+)", page)
        for name in re.findall(r"[\w-]+(?=`)", several)
    }
    yield from asked - names
    labels = [pod.labels for pod in pods(cluster)]
    for command in re.findall(r"\bkubectl ([^|&#`\n]*)", page):
        asked = {f"namespace/{name}" for name in re.findall(r"-n (\S+)", command)}
        asked |= set(re.findall(r"\S+/\S+", re.sub(r"-l \S+", "", command)))
        yield from asked - {name.lower() for name in names}
        for key, value in re.findall(r"-l (\S+?)=(\S+)", command):
            if not any(each.get(key) == value for each in labels):
                yield f"{key}={value}"


@needs_kubectl
@every_page
def test_the_cluster_has_what_a_page_names(page: str) -> None:
    assert list(strangers(page, rendered("production"))) == []


@needs_kubectl
@pytest.mark.parametrize(
    ("page", "stranger"),
    [
        ("    kubectl -n mindtrack logs deployment/worker --tail 50", "deployment/worker"),
        ("    kubectl -n mindtrack logs deploymint/relay | less", "deploymint/relay"),
        ("    kubectl -n mind logs deployment/relay", "namespace/mind"),
        ("see `kubectl get pods -l app.kubernetes.io/name=worker`", "app.kubernetes.io/name=worker"),
        ("the NetworkPolicy `to-postgres` or `to-redis`", "NetworkPolicy/to-redis"),
    ],
)
def test_what_the_cluster_lacks_is_found(page: str, stranger: str) -> None:
    assert list(strangers(page, rendered("production"))) == [stranger]


@every_page
def test_logs_have_what_a_page_looks_for(page: str) -> None:
    known = {value for name, value in vars(events).items() if name.isupper()}
    looked_for = re.findall(r'\| grep (?:-E )?"?([\w|]+)', page)

    assert {event for each in looked_for for event in each.split("|")} <= known


@every_page
def test_settings_that_a_page_names_are_there(page: str) -> None:
    settings = set(re.findall(r"`(MINDTRACK_\w+)`", (ROOT / "docs/settings.md").read_text()))

    assert set(re.findall(r"\bMINDTRACK_\w+", page)) <= settings
