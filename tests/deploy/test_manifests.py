"""Every set of manifests is one that a cluster would take and keeps to every policy; each policy bites."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy import manifests, policies
from deploy.manifests import OPTIONS, OVERLAYS, SCHEMAS, Manifest, faults, name_of, rendered
from deploy.policies import POLICIES, Policy, of_kind, pods
from mindtrack_gateway.metrics import REGISTRY

needs_kubectl = pytest.mark.skipif(
    manifests.kubectl() is None, reason="kubectl, which renders, is not installed"
)
PROMTOOL = shutil.which("promtool")
README = (manifests.ROOT / "README.md").read_text()


def named(name: str, found: list[Manifest]) -> Manifest:
    (one,) = [manifest for manifest in found if name_of(manifest) == name]
    return one


# --- All of them ----------------------------------------------------------------------------------------


@needs_kubectl
@pytest.mark.parametrize("name", [*OVERLAYS, *OPTIONS])
def test_a_cluster_would_take_them(name: str) -> None:
    assert [fault for manifest in rendered(name) for fault in faults(manifest)] == []


#: The example of a secret is rendered for the overlay of one machine; trainers and base serve nobody.
EXCEPT = {("local", policies.no_secrets)}


@needs_kubectl
@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.__name__)
@pytest.mark.parametrize("name", [*OVERLAYS, *OPTIONS])
def test_they_keep_to_every_policy(name: str, policy: Policy) -> None:
    if (name, policy) in EXCEPT:
        pytest.skip("secrets of one machine are made from an example")
    assert list(policy(rendered(name))) == []


def test_every_component_is_rendered_somewhere() -> None:
    components = {
        str(path.parent.relative_to(manifests.ROOT / "components"))
        for path in manifests.ROOT.glob("components/**/kustomization.yaml")
    }
    used = {component for option in OPTIONS.values() for component in option}
    for kustomization in manifests.ROOT.glob("**/kustomization.yaml"):
        used |= set(re.findall(r"- (?:\.\./)+(?:components/)?([\w/-]+)\n", kustomization.read_text()))

    assert components <= used


def test_the_readme_lists_what_operators_provide_and_every_component() -> None:
    for expected in policies.EXPECTED:
        assert f"`{expected.partition('/')[2]}`" in README
    for component in manifests.ROOT.glob("components/*"):
        assert f"`components/{component.name}`" in README


def test_schemas_name_their_source_and_allow_nothing_else() -> None:
    for path in SCHEMAS.values():
        text = path.read_text()
        assert '"$comment": "From the documented fields' in text
        assert text.count('"properties"') == text.count('"additionalProperties": false')


# --- Flows and alerts -----------------------------------------------------------------------------------


@needs_kubectl
def test_network_policies_let_exactly_the_needed_flows_pass() -> None:
    outside = {"from ingress:8000", "from monitoring:8000"}
    looked_at = {"from gateway:9464"}
    watched = {"from monitoring:9464"} | looked_at
    storage = {"to postgres:5432", "to s3:9000", "to valkey:6379"}
    processes = ("inference-interactive", "inference-bulk", "relay", "deliver", "beat", "maintenance")
    looks = {f"to {name}:9464" for name in processes}
    assert flows("production") == {
        "gateway": storage | outside | looks | {"from gateway:8000", "to gateway:8000"},
        "inference-interactive": storage | watched,
        "inference-bulk": storage | watched,
        "relay": {"to postgres:5432", "to valkey:6379"} | watched,
        "deliver": {"to postgres:5432", "to 0.0.0.0/0:443", "to 2000::/3:443"} | watched,
        "beat": {"to valkey:6379"} | looked_at,
        "maintenance": storage | watched,
        "migrate": {"to postgres:5432"},
        "verify": {"to postgres:5432", "to s3:9000"},
    }


@needs_kubectl
def test_only_who_traces_reaches_the_collector() -> None:
    reaching = {name for name, reached in flows("tracing").items() if "to otel-collector:4318" in reached}

    assert reaching == {"gateway", "inference-interactive", "inference-bulk", "relay", "maintenance"}


@needs_kubectl
def test_only_the_gateway_reaches_the_identity_provider() -> None:
    before, after = flows("production"), flows("sign-in")

    assert after["gateway"] - before["gateway"] == {"to 0.0.0.0/0:443", "to 2000::/3:443"}
    assert {name: reached for name, reached in after.items() if name != "gateway"} == {
        name: reached for name, reached in before.items() if name != "gateway"
    }


def flows(overlay: str) -> dict[str, set[str]]:
    """Return what each pod reaches and who reaches it, besides names."""
    found = rendered(overlay)
    flows: dict[str, set[str]] = {}
    for pod in pods(found):
        name = pod.labels["app.kubernetes.io/name"]
        flows[name] = set()
        for policy in of_kind(found, "NetworkPolicy"):
            if policies._selects(policy["spec"]["podSelector"], pod.labels):
                flows[name] |= {*allowed(policy, "egress", "to"), *allowed(policy, "ingress", "from")}

    assert all("to kube-dns:53" in reached for reached in flows.values())
    return {name: reached - {"to kube-dns:53"} for name, reached in flows.items()}


def allowed(policy: Manifest, direction: str, peers: str) -> Iterator[str]:
    for rule in policy["spec"].get(direction, ()):
        for peer in rule[peers]:
            if "ipBlock" in peer:
                yield from (f"{peers} {peer['ipBlock']['cidr']}:{port['port']}" for port in rule["ports"])
                continue
            selector = peer.get("podSelector") or peer["namespaceSelector"]
            (who,) = selector["matchLabels"].values()
            yield from (f"{peers} {who}:{port['port']}" for port in rule["ports"])


@needs_kubectl
def test_nothing_passes_without_a_policy() -> None:
    deny = named("NetworkPolicy/default-deny", rendered("production"))

    assert deny["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def seconds_and_speed(trigger: Manifest) -> tuple[list[str], str]:
    """In how many seconds a lane may be drained, and what a replica works off per second."""
    told = trigger["metadata"]
    return re.findall(r"/ (\d+)", told["query"]), told.get("threshold", told.get("targetQueryValue"))


@needs_kubectl
@pytest.mark.parametrize("lane", ["interactive", "bulk"])
def test_both_roads_of_the_autoscaler_lead_to_the_same(lane: str) -> None:
    triggers = [
        named(f"ScaledObject/inference-{lane}", rendered(name))["spec"]["triggers"][0]
        for name in ("production", "prometheus")
    ]

    assert [trigger["type"] for trigger in triggers] == ["postgresql", "prometheus"]
    (seconds, speed), other = map(seconds_and_speed, triggers)
    assert len(seconds) == 1
    assert (seconds, speed) == other
    asked = set(re.findall(r"mindtrack_\w+", triggers[1]["metadata"]["query"]))
    assert {metric.removeprefix("mindtrack_queue_").removeprefix("mindtrack_") for metric in asked} == set(
        re.findall(r"\w*audio_seconds\w*", triggers[0]["metadata"]["query"])
    )
    assert asked <= {metric.name for metric in REGISTRY.collect()}


@needs_kubectl
@pytest.mark.skipif(PROMTOOL is None, reason="promtool is not installed")
@pytest.mark.parametrize(("lane", "load"), [("interactive", 400 / 40 + 7), ("bulk", 6000 / 600)])
def test_prometheus_answers_an_autoscaler_with_one_number(tmp_path: Path, lane: str, load: float) -> None:
    (trigger,) = named(f"ScaledObject/inference-{lane}", rendered("prometheus"))["spec"]["triggers"]
    series = {
        f'{metric}{{priority="{priority}", pod="{pod}"}}': f"{value}x2"
        for pod in ("gateway-1", "gateway-2")
        for priority, values in {"interactive": (400, 7), "bulk": (6000, 0)}.items()
        for metric, value in zip(
            ("mindtrack_queue_audio_seconds", "mindtrack_arriving_audio_seconds_per_second"),
            values,
            strict=True,
        )
    }
    expected = {
        "expr": trigger["metadata"]["query"],
        "eval_time": "1m",
        "exp_samples": [{"labels": "{}", "value": load}],
    }
    case = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [expected],
    }
    file = tmp_path / "query.yaml"
    file.write_text(yaml.safe_dump({"tests": [case]}))
    done = subprocess.run(
        [PROMTOOL or "", "test", "rules", file], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout + done.stderr


# --- Each policy bites ----------------------------------------------------------------------------------

GATEWAY, INTERACTIVE, BULK = (
    "Deployment/gateway",
    "Deployment/inference-interactive",
    "Deployment/inference-bulk",
)
BEAT = "Deployment/beat"
INGRESS = "Ingress/gateway"
PATHS = "spec.rules.0.http.paths"
POD = "spec.template.spec"
CONTAINER = f"{POD}.containers.0"
ABSENT: Any = object()

Break = Callable[[list[Manifest]], None]


def put(name: str, path: str, value: Any) -> Break:  # noqa: ANN401 - whatever YAML holds
    """Set one field of one manifest, or remove it."""

    def broken(found: list[Manifest]) -> None:
        *parents, last = (int(key) if key.isdigit() else key for key in path.split("."))
        place: Any = named(name, found)
        for key in parents:
            place = place[key]
        if value is ABSENT:
            del place[last]
        else:
            place[last] = value

    return broken


def without(name: str) -> Break:
    return lambda found: found.remove(named(name, found))


def with_variable(name: str, variable: str, value: str) -> Break:
    def broken(found: list[Manifest]) -> None:
        container = named(name, found)["spec"]["template"]["spec"]["containers"][0]
        others = [entry for entry in container.get("env", []) if entry["name"] != variable]
        container["env"] = [*others, {"name": variable, "value": value}]

    return broken


def with_query(query: str) -> Break:
    return put("ScaledObject/inference-bulk", "spec.triggers.0.metadata.query", query)


def with_secret(found: list[Manifest]) -> None:
    found.append({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s"}, "data": {"a": "eA=="}})


BREAKS: list[tuple[Policy, str, Break]] = [
    (policies.restricted, "runs as root", put(GATEWAY, f"{POD}.securityContext.runAsNonRoot", ABSENT)),
    (policies.restricted, "user 0", put(GATEWAY, f"{POD}.securityContext.runAsUser", 0)),
    (policies.restricted, "no seccomp", put(GATEWAY, f"{POD}.securityContext.seccompProfile", ABSENT)),
    (policies.restricted, "token", put(BEAT, f"{POD}.automountServiceAccountToken", True)),
    (policies.restricted, "host network", put(BEAT, f"{POD}.hostNetwork", True)),
    (
        policies.restricted,
        "host path",
        put(BEAT, f"{POD}.volumes.0", {"name": "tmp", "hostPath": {"path": "/"}}),
    ),
    (policies.restricted, "no context", put(BULK, f"{CONTAINER}.securityContext", ABSENT)),
    (
        policies.restricted,
        "escalation",
        put(BULK, f"{CONTAINER}.securityContext.allowPrivilegeEscalation", True),
    ),
    (
        policies.restricted,
        "writable",
        put(BULK, f"{CONTAINER}.securityContext.readOnlyRootFilesystem", False),
    ),
    (
        policies.restricted,
        "capabilities",
        put(BULK, f"{CONTAINER}.securityContext.capabilities.drop", ["CHOWN"]),
    ),
    (policies.restricted, "adds", put(BULK, f"{CONTAINER}.securityContext.capabilities.add", ["SYS_ADMIN"])),
    (policies.restricted, "privileged", put("Job/migrate", f"{CONTAINER}.securityContext.privileged", True)),
    (policies.restricted, "own user", put(GATEWAY, f"{CONTAINER}.securityContext.runAsUser", 0)),
    (policies.restricted, "host port", put(GATEWAY, f"{CONTAINER}.ports.0.hostPort", 8000)),
    (policies.restricted, "no /tmp", put(BEAT, f"{CONTAINER}.volumeMounts", [])),
    (
        policies.restricted,
        "a CronJob as root",
        put("CronJob/verify", f"spec.jobTemplate.{POD}.securityContext.runAsUser", 0),
    ),
    (policies.images_pinned, "latest", put(GATEWAY, f"{CONTAINER}.image", "mindtrack/gateway:latest")),
    (policies.images_pinned, "no tag", put(GATEWAY, f"{CONTAINER}.image", "host:5000/mindtrack/gateway")),
    (policies.no_secrets, "a Secret", with_secret),
    (policies.no_secrets, "a variable", with_variable(BEAT, "MINDTRACK_QUEUE_URL", "redis://valkey/0")),
    (policies.no_secrets, "a token", with_variable(BEAT, "SOME_TOKEN", "abc")),
    (policies.no_secrets, "a URL", put(GATEWAY, "metadata.annotations", {"see": "http://me:pass@host/"})),
    (policies.disruption_budgets, "none", without("PodDisruptionBudget/relay")),
    (policies.disruption_budgets, "tight", put("PodDisruptionBudget/relay", "spec.maxUnavailable", 0)),
    *(
        (policies.probes, f"no {probe}", put(BEAT, f"{CONTAINER}.{probe}", ABSENT))
        for probe in policies.PROBES
    ),
    (
        policies.probes,
        "a file nobody writes",
        put(BEAT, f"{CONTAINER}.livenessProbe.exec.command.3", "/alive"),
    ),
    (policies.resources, "none", put(BEAT, f"{CONTAINER}.resources", ABSENT)),
    (policies.resources, "no limit", put(BEAT, f"{CONTAINER}.resources.limits.memory", ABSENT)),
    (policies.resources, "overcommitted", put(BEAT, f"{CONTAINER}.resources.requests.memory", "1Mi")),
    (policies.spread, "none", put(GATEWAY, f"{POD}.topologySpreadConstraints", ABSENT)),
    (
        policies.spread,
        "others'",
        put(GATEWAY, f"{POD}.topologySpreadConstraints.0.labelSelector.matchLabels", {"a": "b"}),
    ),
    (policies.one_beat, "two", put(BEAT, "spec.replicas", 2)),
    (policies.one_beat, "two for a moment", put(BEAT, "spec.strategy", ABSENT)),
    (policies.settings_known, "unknown", with_variable(BEAT, "MINDTRACK_SCHEDULER_SPEED", "1")),
    (policies.settings_accepted, "nonsense", with_variable(BULK, "MINDTRACK_INFERENCE_LANES", '["urgent"]')),
    (policies.settings_accepted, "no pair", with_variable(BULK, "MINDTRACK_STORAGE_ACCESS_KEY_ID", "a")),
    (policies.lanes_served, "one lane", with_variable(BULK, "MINDTRACK_INFERENCE_LANES", '["interactive"]')),
    (policies.graces, "gateway", put(GATEWAY, f"{POD}.terminationGracePeriodSeconds", 40)),
    (policies.graces, "no preStop", put(GATEWAY, f"{CONTAINER}.lifecycle", ABSENT)),
    (policies.graces, "longer requests", with_variable(GATEWAY, "MINDTRACK_GATEWAY_SHUTDOWN_GRACE", "PT1M")),
    (policies.graces, "worker", put(INTERACTIVE, f"{POD}.terminationGracePeriodSeconds", ABSENT)),
    (policies.graces, "longer batches", with_variable(BULK, "MINDTRACK_INFERENCE_BATCH_LIMIT", "300")),
    (
        policies.graces,
        "longer recordings",
        with_variable(BULK, "MINDTRACK_INFERENCE_MAX_RECORDING_SECONDS", "10800"),
    ),
    (policies.threads_fit, "too many", with_variable(BULK, "MINDTRACK_INFERENCE_THREADS", "8")),
    (policies.threads_fit, "all", put(BULK, f"{CONTAINER}.env", [])),
    (policies.life_shown, "nowhere", put(BEAT, f"{CONTAINER}.envFrom", [])),
    (policies.references, "no account", without("ServiceAccount/gateway")),
    (policies.references, "no Secret", put(BEAT, f"{CONTAINER}.envFrom.1.secretRef.name", "mindtrack-cue")),
    (policies.references, "no target", without(BULK)),
    (policies.references, "no authentication", without("TriggerAuthentication/mindtrack-scaler")),
    (policies.references, "no backend", without("Service/gateway")),
    (policies.references, "nobody to look at", without("Service/beat")),
    (policies.selectors, "budget", put("PodDisruptionBudget/beat", "spec.selector.matchLabels", {"a": "b"})),
    (policies.selectors, "service", put("Service/gateway", "spec.selector", {"a": "b"})),
    (
        policies.selectors,
        "flow",
        put("NetworkPolicy/to-s3", "spec.podSelector.matchExpressions.0.values.0", "gate"),
    ),
    (policies.open_to_the_outside, "no page", put(INGRESS, f"{PATHS}.3.path", "/statics")),
    (policies.open_to_the_outside, "a page's path", put(INGRESS, f"{PATHS}.8.pathType", "Exact")),
    (policies.open_to_the_outside, "everything", put(INGRESS, f"{PATHS}.4.pathType", "Prefix")),
    (policies.open_to_the_outside, "metrics", put(INGRESS, f"{PATHS}.0.path", "/metrics")),
    (policies.graces, "more than there is", put(BULK, f"{POD}.terminationGracePeriodSeconds", 900)),
    (policies.scaled_by_own_lane, "another", with_query("SELECT 1 FROM l WHERE priority = 'interactive'")),
    (policies.scaled_by_own_lane, "none", with_query("SELECT sum(audio_seconds) FROM drain_load")),
    (
        policies.scaled_by_own_lane,
        "one of two",
        with_variable(BULK, "MINDTRACK_INFERENCE_LANES", '["interactive", "bulk"]'),
    ),
    (policies.replicas_owned_once, "two owners", put(BULK, "spec.replicas", 1)),
]


@needs_kubectl
@pytest.mark.parametrize(
    ("policy", "broken"),
    [pytest.param(policy, broken, id=f"{policy.__name__}: {what}") for policy, what, broken in BREAKS],
)
def test_a_policy_finds_what_is_broken(policy: Policy, broken: Break) -> None:
    found = rendered("production")

    broken(found)

    assert list(policy(found))


def test_no_policy_was_never_seen_to_bite() -> None:
    assert {policy for policy, _, _ in BREAKS} == set(POLICIES)


@needs_kubectl
@pytest.mark.parametrize(
    "broken",
    [
        put(GATEWAY, f"{POD}.hostnet", True),
        put(GATEWAY, "spec.replicas", "two"),
        put("NetworkPolicy/dns", "spec.egres", []),
        put("ScaledObject/inference-bulk", "spec.minReplicas", 1),
        put("ScaledObject/inference-bulk", "spec.triggers.0.metadata.targetQueryValue", 300),
        put(
            "ScaledObject/inference-bulk",
            "spec.advanced.horizontalPodAutoscalerConfig.behavior.scaledown",
            {},
        ),
        put("TriggerAuthentication/mindtrack-scaler", "spec.secretTargetRef.0.key", ABSENT),
        put("ServiceMonitor/gateway", "spec.endpoints.0.port", ABSENT),
        put("PrometheusRule/mindtrack", "spec.groups.0.rules.0.expression", "1"),
        put("PrometheusRule/mindtrack", "spec.groups.0.rules.0.for", "5 minutes"),
        put(GATEWAY, "kind", "Deploymint"),
    ],
)
def test_a_manifest_that_no_cluster_would_take_is_found(broken: Break) -> None:
    found = rendered("production")

    broken(found)
    (changed,) = [manifest for manifest in found if manifest not in rendered("production")]

    assert list(faults(changed))


# --- The command ----------------------------------------------------------------------------------------


def test_without_kubectl_the_command_says_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(SystemExit, match="needs kubectl"):
        manifests.main()


@needs_kubectl
def test_the_command_lists_faults_and_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(manifests, "faults", lambda manifest: [f"{name_of(manifest)}: no"])

    with pytest.raises(SystemExit) as failed:
        manifests.main()

    assert failed.value.code
    assert "  Deployment/beat: no\n" in capsys.readouterr().out


@needs_kubectl
def test_what_kustomize_refuses_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(manifests, "OVERLAYS", ("nowhere",))
    monkeypatch.setattr(manifests, "OPTIONS", {})

    with pytest.raises(SystemExit) as failed:
        manifests.main()

    assert failed.value.code
    assert "nowhere: 0 manifests, 1 faults\n" in capsys.readouterr().out
