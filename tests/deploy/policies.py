"""What we ask of every set of manifests. A policy says what is wrong; one that finds nothing says nothing."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import cache
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar
from unittest import mock
from urllib.parse import urlsplit

from fastapi.routing import APIRoute
from pydantic import SecretStr, ValidationError
from pydantic_settings import BaseSettings

from deploy.manifests import Manifest, name_of
from mindtrack_gateway.app import create_app
from mindtrack_gateway.page import routes as page
from mindtrack_gateway.settings import GatewaySettings
from mindtrack_gateway.signin import routes as signin
from mindtrack_inference.settings import InferenceSettings
from mindtrack_shared.domain.jobs import Priority
from mindtrack_shared.settings import LivenessSettings, variable
from settings_reference import GROUPS

Policy = Callable[[Sequence[Manifest]], Iterator[str]]
Settings = TypeVar("Settings", bound=BaseSettings)

SETTINGS_REFERENCE = Path(__file__).parents[2] / "docs" / "settings.md"
#: What an operator puts into the cluster before anything is applied; k8s/README.md lists the same.
EXPECTED = {
    "Secret/mindtrack-database-owner",
    "Secret/mindtrack-database-gateway",
    "Secret/mindtrack-database-worker",
    "Secret/mindtrack-queue",
    "Secret/mindtrack-storage",
    "Secret/mindtrack-uploads",
    "Secret/mindtrack-sign-in",
    "Secret/mindtrack-notify",
    "Secret/mindtrack-scaler",
    "Secret/mindtrack-tls",
    "ConfigMap/mindtrack-issuer",
}
#: Volumes that Pod Security "restricted" allows.
ALLOWED_VOLUMES = {
    *("configMap", "csi", "downwardAPI", "emptyDir", "ephemeral"),
    *("persistentVolumeClaim", "projected", "secret"),
}
#: A user id below is one that images give to system users.
LEAST_USER = 100
PROBES = ("startupProbe", "readinessProbe", "livenessProbe")
#: What the gateway tells those who run it.
INSIDE = {"/metrics", "/healthz", "/readyz", "/docs", "/redoc", "/openapi.json", "/static-offline-docs/any"}
LIVENESS_MODULE = "mindtrack_shared.observability.liveness"
#: What ends besides requests and batches: connections, children, the interpreter.
TO_SPARE = timedelta(seconds=5)
#: What cluster autoscalers wait for a pod when they remove its node, whatever its grace says: their default.
MOST_GRACE = timedelta(minutes=10)
#: Statements of a relay or of rescue that SIGTERM finds under way.
LEAST_GRACE = timedelta(seconds=30)
#: Seconds per second of audio on a busy machine: an hour took 101 s (docs/decisions/0013).
PREPARATION = 101 / 3600
_CREDENTIALS_IN_URL = re.compile(r"://[^/\s:@]*:[^/\s@]+@")
_SECRET_NAME = re.compile(r"PASSWORD|SECRET|TOKEN|PRIVATE|_KEY(_|$)")


@dataclass(frozen=True)
class Pod:
    """A pod template, and the workload that it belongs to."""

    workload: Manifest

    @property
    def name(self) -> str:
        return name_of(self.workload)

    @property
    def template(self) -> Manifest:
        return dict(_of_workload(self.workload)["template"])

    @property
    def spec(self) -> Manifest:
        return dict(self.template["spec"])

    @property
    def labels(self) -> dict[str, str]:
        return dict(self.template["metadata"].get("labels", {}))

    @property
    def containers(self) -> list[Manifest]:
        return [*self.spec["containers"], *self.spec.get("initContainers", [])]

    @property
    def grace(self) -> timedelta:
        return timedelta(seconds=self.spec.get("terminationGracePeriodSeconds", 30))

    def runs(self, module: str) -> bool:
        return any(module in container.get("command", ()) for container in self.containers)


def pods(manifests: Iterable[Manifest]) -> Iterator[Pod]:
    return (Pod(manifest) for manifest in manifests if "template" in _of_workload(manifest))


def _of_workload(manifest: Manifest) -> Manifest:
    """Return what a workload says of its pods: a CronJob has a Job in between."""
    spec: Manifest = manifest.get("spec", {})
    job: Manifest = spec.get("jobTemplate", {}).get("spec", spec)
    return job


def of_kind(manifests: Iterable[Manifest], kind: str) -> list[Manifest]:
    return [manifest for manifest in manifests if manifest["kind"] == kind]


# --- Pod Security ---------------------------------------------------------------------------------------


def restricted(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Pod Security "restricted", and beyond: a fixed user, a read-only root, no token of the API server."""
    for pod in pods(manifests):
        for what in chain(_of_pod(pod.spec), *(_of_container(pod.spec, one) for one in pod.containers)):
            yield f"{pod.name}: {what}"


def _of_pod(spec: Manifest) -> Iterator[str]:
    context = spec.get("securityContext", {})
    if context.get("runAsNonRoot") is not True:
        yield "runAsNonRoot is not set"
    if context.get("runAsUser", 0) < LEAST_USER:
        yield "no fixed user, or one of the system's"
    if context.get("seccompProfile", {}).get("type") not in {"RuntimeDefault", "Localhost"}:
        yield "no seccomp profile"
    if context.get("sysctls"):
        yield "sets sysctls"
    if spec.get("automountServiceAccountToken") is not False:
        yield "mounts a token of the API server"
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if spec.get(name):
            yield f"shares the node's namespace: {name}"
    for volume in spec.get("volumes", []):
        if forbidden := volume.keys() - {"name"} - ALLOWED_VOLUMES:
            yield f"volume {volume['name']} is a {forbidden.pop()}"


def _of_container(spec: Manifest, container: Manifest) -> Iterator[str]:
    context, name = container.get("securityContext", {}), container["name"]
    capabilities = context.get("capabilities", {})
    if context.get("allowPrivilegeEscalation") is not False:
        yield f"{name} may gain privileges"
    if context.get("privileged"):
        yield f"{name} is privileged"
    if context.get("readOnlyRootFilesystem") is not True:
        yield f"{name} can write to its root file system"
    if "ALL" not in capabilities.get("drop", ()) or set(capabilities.get("add", ())) - {"NET_BIND_SERVICE"}:
        yield f"{name} keeps capabilities"
    if context.get("runAsNonRoot") is False or context.get("runAsUser", LEAST_USER) < LEAST_USER:
        yield f"{name} overrides the pod's user"
    if context.get("procMount", "Default") != "Default":
        yield f"{name} unmasks /proc"
    if context.get("seccompProfile", {}).get("type") == "Unconfined":
        yield f"{name} has no seccomp profile"
    if any("hostPort" in port for port in container.get("ports", ())):
        yield f"{name} listens on the node"
    writable = {volume["name"] for volume in spec.get("volumes", []) if "emptyDir" in volume}
    mounted = {mount["mountPath"] for mount in container.get("volumeMounts", ()) if mount["name"] in writable}
    if LIVENESS_MODULE in str(container) and "/tmp" not in mounted:  # noqa: S108 - in the container
        yield f"{name} has nowhere to write"


# --- Images and secrets ---------------------------------------------------------------------------------


def images_pinned(manifests: Sequence[Manifest]) -> Iterator[str]:
    for pod in pods(manifests):
        for image in (container["image"] for container in pod.containers):
            name, _, digest = image.partition("@")
            tag = name.rpartition("/")[2].partition(":")[2]
            if tag == "latest" or not (tag or digest.startswith("sha256:")):
                yield f"{pod.name}: {image} may be another image tomorrow"


def no_secrets(manifests: Sequence[Manifest]) -> Iterator[str]:
    """No secret in plain text: they are referred to, and come from elsewhere."""
    secret = _secret_variables()
    for manifest in manifests:
        if manifest["kind"] == "Secret":
            yield f"{name_of(manifest)}: its values are in plain text"
        for text in _strings(manifest):
            if _CREDENTIALS_IN_URL.search(text):
                yield f"{name_of(manifest)}: a URL holds a password"
    for where, name, _ in _variables(manifests):
        if name in secret or _SECRET_NAME.search(name):
            yield f"{where}: {name} is in plain text"


def _secret_variables() -> set[str]:
    return {
        name
        for group in GROUPS
        for name, field in _fields(group).items()
        if SecretStr in {field.annotation, *getattr(field.annotation, "__args__", ())}
    }


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        yield from chain.from_iterable(map(_strings, value.values()))
    elif isinstance(value, Sequence):
        yield from chain.from_iterable(map(_strings, value))


# --- Deployments ----------------------------------------------------------------------------------------


def disruption_budgets(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Each Deployment has a budget, and none so tight that its node could never be drained."""
    budgets = [budget["spec"] for budget in of_kind(manifests, "PodDisruptionBudget")]
    for deployment in of_kind(manifests, "Deployment"):
        mine = [budget for budget in budgets if _selects(budget["selector"], Pod(deployment).labels)]
        if len(mine) != 1:
            yield f"{name_of(deployment)}: {len(mine)} disruption budgets"
        elif mine[0].get("maxUnavailable") in {None, 0, "0%"}:
            yield f"{name_of(deployment)}: its node can never be drained"


def probes(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Each Deployment has all three; those without a port look at the files that the process was told of."""
    for deployment in of_kind(manifests, "Deployment"):
        pod = Pod(deployment)
        for container in pod.spec["containers"]:
            for probe in PROBES:
                if probe not in container:
                    yield f"{pod.name}: no {probe}"
                command = container.get(probe, {}).get("exec", {}).get("command", ())
                told = set(_environment(manifests, container).values())
                if LIVENESS_MODULE in command and command[3] not in told:
                    yield f"{pod.name}: {probe} looks at {command[3]}, which nothing writes"


def resources(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Requests and limits; of memory the same, so that no pod lives on what its neighbours asked for."""
    for pod in pods(manifests):
        for container in pod.containers:
            given = container.get("resources", {})
            requests, limits = given.get("requests", {}), given.get("limits", {})
            if missing := {"cpu", "memory"} - (requests.keys() & limits.keys()):
                yield f"{pod.name}: no requests or limits of {' and '.join(sorted(missing))}"
            elif requests["memory"] != limits["memory"]:
                yield f"{pod.name}: its request of memory is not its limit"


def spread(manifests: Sequence[Manifest]) -> Iterator[str]:
    for deployment in of_kind(manifests, "Deployment"):
        pod = Pod(deployment)
        constraints = pod.spec.get("topologySpreadConstraints", [])
        if not constraints:
            yield f"{pod.name}: may end up on one node"
        if not all(_selects(constraint["labelSelector"], pod.labels) for constraint in constraints):
            yield f"{pod.name}: is spread among pods of others"


def one_beat(manifests: Sequence[Manifest]) -> Iterator[str]:
    for pod in pods(manifests):
        if pod.runs("mindtrack_scheduler") and pod.runs("beat"):
            spec = pod.workload["spec"]
            if (spec.get("replicas"), spec.get("strategy", {}).get("type")) != (1, "Recreate"):
                yield f"{pod.name}: more than one may run"


# --- Settings -------------------------------------------------------------------------------------------


def settings_known(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Every MINDTRACK_* name is a setting, and explained in docs/settings.md."""
    known = set(chain.from_iterable(_fields(group) for group in GROUPS))
    documented = set(re.findall(r"`(MINDTRACK_\w+)`", SETTINGS_REFERENCE.read_text()))
    secrets = [
        (name_of(secret), name)
        for secret in of_kind(manifests, "Secret")
        for name in {**secret.get("data", {}), **secret.get("stringData", {})}
    ]
    told = [(where, name) for where, name, _ in _variables(manifests)]
    for where, name in told + secrets:
        if name.startswith("MINDTRACK_") and name not in known & documented:
            yield f"{where}: {name} is no setting"


def settings_accepted(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Every value is one that its service would start with. What is missing may be in a Secret."""
    for pod in pods(manifests):
        for container in pod.containers:
            faults = refusals(_environment(manifests, container))
            yield from (f"{pod.name}: {fault}" for fault in faults)


def refusals(variables: Mapping[str, str]) -> Iterator[str]:
    """Say what of an environment no service would start with."""
    with _told(variables):
        for group in GROUPS:
            yield from _refused(group)


def _refused(group: type[BaseSettings]) -> Iterator[str]:
    try:
        group()
    except ValidationError as error:
        for fault in error.errors():
            if fault["type"] != "missing":
                where = ".".join([group.__name__, *map(str, fault["loc"])])
                yield f"{where}: {fault['msg']}"


def lanes_served(manifests: Sequence[Manifest]) -> Iterator[str]:
    """A lane that no worker serves waits for ever."""
    served: set[Priority] = set()
    for pod in pods(manifests):
        if pod.runs("mindtrack_inference"):
            served.update(_settings(InferenceSettings, manifests, pod).lanes)
    for lane in set(Priority) - served:
        yield f"nobody serves the lane {lane}"


def graces(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Nothing is killed before it could do what it does when told to stop."""
    for pod in pods(manifests):
        needed = _needed_grace(manifests, pod)
        if pod.grace < needed:
            yield f"{pod.name}: is killed after {pod.grace}, and may need {needed}"
        if pod.grace > MOST_GRACE:
            yield f"{pod.name}: counts on {pod.grace}, and may get {MOST_GRACE}"


def _needed_grace(manifests: Sequence[Manifest], pod: Pod) -> timedelta:
    container = pod.spec["containers"][0]
    if pod.runs("mindtrack_gateway"):
        draining = container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        if not draining:
            return timedelta.max  # requests still arrive when it stops
        return (
            timedelta(seconds=draining) + _settings(GatewaySettings, manifests, pod).shutdown_grace + TO_SPARE
        )
    if pod.runs("mindtrack_inference"):
        return _needed_by_worker(_settings(InferenceSettings, manifests, pod))
    return LEAST_GRACE


def _needed_by_worker(settings: InferenceSettings) -> timedelta:
    """A batch, and the recording that is being prepared: it is given back, or finished, only after that."""
    longest = (
        settings.max_recording_seconds if Priority.BULK in settings.lanes else settings.interactive_seconds
    )
    return settings.batch_limit + timedelta(seconds=longest * PREPARATION) + LEAST_GRACE


def threads_fit(manifests: Sequence[Manifest]) -> Iterator[str]:
    """A model with more threads than cores spends its limit in a moment and stands still for the rest."""
    for pod in pods(manifests):
        if pod.runs("mindtrack_inference"):
            threads = _settings(InferenceSettings, manifests, pod).threads
            limit = str(pod.spec["containers"][0]["resources"]["limits"]["cpu"])
            cores = float(limit[:-1]) / 1000 if limit.endswith("m") else float(limit)
            if threads is None or threads > cores:
                yield f"{pod.name}: {threads or 'all'} threads on {cores:g} cores"


def life_shown(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Who has no port is told where to show that it lives."""
    for deployment in of_kind(manifests, "Deployment"):
        pod = Pod(deployment)
        if not pod.runs("mindtrack_gateway") and _settings(LivenessSettings, manifests, pod).file is None:
            yield f"{pod.name}: shows no life"


def _fields(group: type[BaseSettings]) -> dict[str, Any]:
    return {variable(group, name): field for name, field in group.model_fields.items()}


def _settings(group: type[Settings], manifests: Sequence[Manifest], pod: Pod) -> Settings:
    with _told(_environment(manifests, pod.spec["containers"][0])):
        return group()


def _told(variables: Mapping[str, str]) -> Any:  # noqa: ANN401 - mock's context manager has no name
    return mock.patch.dict(os.environ, variables, clear=True)


def _environment(manifests: Sequence[Manifest], container: Manifest) -> dict[str, str]:
    """What a container is told in the open."""
    maps = {map_["metadata"]["name"]: map_.get("data", {}) for map_ in of_kind(manifests, "ConfigMap")}
    told: dict[str, str] = {}
    for source in container.get("envFrom", ()):
        told |= maps.get(source.get("configMapRef", {}).get("name"), {})
    return told | {entry["name"]: entry["value"] for entry in container.get("env", ()) if "value" in entry}


def _variables(manifests: Sequence[Manifest]) -> Iterator[tuple[str, str, str]]:
    """Every variable in the open: where, its name, its value."""
    for map_ in of_kind(manifests, "ConfigMap"):
        yield from ((name_of(map_), name, value) for name, value in map_.get("data", {}).items())
    for pod in pods(manifests):
        for entry in chain.from_iterable(container.get("env", ()) for container in pod.containers):
            yield pod.name, entry["name"], entry.get("value", "")


# --- References -----------------------------------------------------------------------------------------


def references(manifests: Sequence[Manifest]) -> Iterator[str]:
    """What is referred to is there, or in the list of what operators provide."""
    there = {name_of(manifest) for manifest in manifests} | EXPECTED
    for manifest in manifests:
        for reference in _references(manifest):
            if reference not in there:
                yield f"{name_of(manifest)}: there is no {reference}"


def _references(manifest: Manifest) -> Iterator[str]:
    spec = manifest.get("spec", {})
    if "template" in _of_workload(manifest):
        yield from _references_of(Pod(manifest))
    if manifest["kind"] == "ScaledObject":
        yield f"Deployment/{spec['scaleTargetRef']['name']}"
        for trigger in spec["triggers"]:
            if "authenticationRef" in trigger:
                yield f"TriggerAuthentication/{trigger['authenticationRef']['name']}"
    if manifest["kind"] == "ConfigMap":
        told = json.loads(manifest.get("data", {}).get("MINDTRACK_OPERATIONS_TARGETS", "[]"))
        hosts = (urlsplit(target.partition("=")[2]).hostname for target in told)
        yield from (f"Service/{host}" for host in hosts)
    if manifest["kind"] == "TriggerAuthentication":
        yield from (f"Secret/{source['name']}" for source in spec["secretTargetRef"])
    if manifest["kind"] == "Ingress":
        yield from (f"Secret/{tls['secretName']}" for tls in spec["tls"])
        for path in chain.from_iterable(rule["http"]["paths"] for rule in spec["rules"]):
            yield f"Service/{path['backend']['service']['name']}"


def _references_of(pod: Pod) -> Iterator[str]:
    if pod.workload["kind"] != "StatefulSet":  # only of what serves while somebody develops
        yield f"ServiceAccount/{pod.spec.get('serviceAccountName', 'default')}"
    for source in chain.from_iterable(container.get("envFrom", ()) for container in pod.containers):
        for key, kind in (("configMapRef", "ConfigMap"), ("secretRef", "Secret")):
            if key in source:
                yield f"{kind}/{source[key]['name']}"
    for volume in pod.spec.get("volumes", []):
        if "configMap" in volume:
            yield f"ConfigMap/{volume['configMap']['name']}"
        if "persistentVolumeClaim" in volume:
            yield f"PersistentVolumeClaim/{volume['persistentVolumeClaim']['claimName']}"


def selectors(manifests: Sequence[Manifest]) -> Iterator[str]:
    """A selector that selects nothing protects, serves and watches nothing."""
    labels = [pod.labels for pod in pods(manifests)]
    for manifest in manifests:
        spec, kind = manifest.get("spec", {}), manifest["kind"]
        if kind == "PodDisruptionBudget":
            selector = spec["selector"]
        elif kind == "NetworkPolicy":
            selector = spec["podSelector"]
        elif kind == "Service":
            selector = {"matchLabels": spec["selector"]}
        else:
            continue
        listed = [one for term in selector.get("matchExpressions", ()) for one in term["values"]]
        names = {each.get("app.kubernetes.io/name") for each in labels}
        if unknown := set(listed) - names:
            yield f"{name_of(manifest)}: selects {', '.join(sorted(unknown))}, which is not there"
        if not any(_selects(selector, each) for each in labels):
            yield f"{name_of(manifest)}: selects nothing"


def open_to_the_outside(manifests: Sequence[Manifest]) -> Iterator[str]:
    """An ingress leads to the API and to the page, and to nothing else."""
    for ingress in of_kind(manifests, "Ingress"):
        paths = list(chain.from_iterable(rule["http"]["paths"] for rule in ingress["spec"]["rules"]))
        yield from (
            f"{name_of(ingress)}: does not lead to {path}"
            for path in _served_outside()
            if not _leads(paths, path)
        )
        yield from (f"{name_of(ingress)}: leads to {path}" for path in sorted(INSIDE) if _leads(paths, path))


@cache
def _served_outside() -> tuple[str, ...]:
    """What people and programs may ask the gateway for, an example of each path."""
    documented = set(create_app().openapi()["paths"]) - INSIDE
    routes = (*page.router.routes, *signin.router.routes)
    undocumented = {route.path for route in routes if isinstance(route, APIRoute)}
    return tuple(sorted(re.sub(r"{.+?}", "any", path) for path in documented | undocumented))


def _leads(paths: Iterable[Manifest], asked: str) -> bool:
    """Match as an ingress does: `Prefix` by whole elements."""
    return any(
        asked == path["path"]
        or (path["pathType"] == "Prefix" and asked.startswith(path["path"].removesuffix("/") + "/"))
        for path in paths
    )


def scaled_by_own_lane(manifests: Sequence[Manifest]) -> Iterator[str]:
    """What scales a worker is what waits in the one lane that it serves."""
    workers = {pod.workload["metadata"]["name"]: pod for pod in pods(manifests)}
    for scaled in of_kind(manifests, "ScaledObject"):
        worker = workers.get(scaled["spec"]["scaleTargetRef"]["name"])
        lanes = set(_settings(InferenceSettings, manifests, worker).lanes) if worker else set()
        for trigger in scaled["spec"]["triggers"]:
            asked = re.findall(r"priority *= *['\"](\w+)['\"]", trigger["metadata"]["query"])
            if len(lanes) != 1 or set(asked) != {lane.value for lane in lanes}:
                yield f"{name_of(scaled)}: asks for {', '.join(asked) or 'no lane'}"


def replicas_owned_once(manifests: Sequence[Manifest]) -> Iterator[str]:
    """Where an autoscaler sets the number of replicas, nobody else does."""
    scaled = {each["spec"]["scaleTargetRef"]["name"] for each in of_kind(manifests, "ScaledObject")}
    for deployment in of_kind(manifests, "Deployment"):
        if deployment["metadata"]["name"] in scaled and "replicas" in deployment["spec"]:
            yield f"{name_of(deployment)}: every apply would undo its autoscaling"


def _selects(selector: Manifest, labels: Mapping[str, str]) -> bool:
    return all(labels.get(key) == value for key, value in selector.get("matchLabels", {}).items()) and all(
        labels.get(term["key"]) in term["values"] for term in selector.get("matchExpressions", ())
    )


POLICIES: tuple[Policy, ...] = (
    restricted,
    images_pinned,
    no_secrets,
    disruption_budgets,
    probes,
    resources,
    spread,
    one_beat,
    settings_known,
    settings_accepted,
    lanes_served,
    graces,
    threads_fit,
    life_shown,
    references,
    selectors,
    open_to_the_outside,
    scaled_by_own_lane,
    replicas_owned_once,
)
