"""Renders the manifests in k8s/ and checks that a cluster would take them: `make manifests`."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import yaml

KUBERNETES = "1.36"
ROOT = Path(__file__).parents[2] / "k8s"
#: Of kinds that Kubernetes itself does not have, by kind.
SCHEMAS = {path.stem: path for path in (Path(__file__).parent / "schemas").glob("*.json")}
OVERLAYS = tuple(sorted(path.parent.name for path in ROOT.glob("overlays/*/kustomization.yaml")))
#: What no overlay includes, on top of the base.
OPTIONS = {
    "gpu": ("gpu",),
    "mig": ("gpu", "gpu/mig"),
    "prometheus": ("keda", "monitoring", "keda/prometheus"),
    "sign-in": ("sign-in",),
    "tracing": ("tracing", "tracing/network-policies"),
    "trainer": ("trainer",),
}

#: What an option is added to, if not to the base.
UNDERNEATH = {"tracing": "../production", "sign-in": "../production"}

Manifest = dict[str, Any]


class RenderError(Exception):
    """Kustomize refused."""


def kubectl() -> str | None:
    return shutil.which("kubectl")


def rendered(name: str) -> list[Manifest]:
    """Return an overlay's manifests, or those of the base with an option."""
    return copy.deepcopy(_rendered(name))


@cache
def _rendered(name: str) -> list[Manifest]:
    with tempfile.TemporaryDirectory() as folder:
        k8s = Path(folder) / "k8s"
        shutil.copytree(ROOT, k8s)
        # Only what is in the repository: nobody's own secrets.
        for example in k8s.rglob("*.example"):
            shutil.copyfile(example, example.with_suffix(""))
        entry = k8s / "overlays" / name
        if name in OPTIONS:
            entry.mkdir()
            components = [f"../../components/{component}" for component in OPTIONS[name]]
            kustomization = {
                "resources": [UNDERNEATH.get(name, "../../base")],
                "components": components,
            }
            (entry / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        done = subprocess.run(
            [kubectl() or "kubectl", "kustomize", entry], check=False, capture_output=True, text=True
        )
    if done.returncode:
        raise RenderError(done.stderr.strip())
    return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]


def name_of(manifest: Manifest) -> str:
    return f"{manifest['kind']}/{manifest['metadata']['name']}"


def faults(manifest: Manifest) -> Iterator[str]:
    """Say why a cluster would refuse a manifest, or not know a field of it."""
    try:
        if manifest["kind"] in SCHEMAS:
            jsonschema.validate(manifest, json.loads(SCHEMAS[manifest["kind"]].read_text()))
        else:
            kubernetes_validate.validate(manifest, KUBERNETES, strict=True)
    except jsonschema.ValidationError as error:
        where = ".".join(str(part) for part in error.absolute_path)
        yield f"{name_of(manifest)} {where}: {error.message}"
    except kubernetes_validate.SchemaNotFoundError as error:
        yield f"{name_of(manifest)}: {error.message}"


def main() -> None:
    if kubectl() is None:
        sys.exit(
            "make manifests needs kubectl, which has Kustomize built in: https://kubernetes.io/docs/tasks/tools/"
        )
    failed = False
    for name in (*OVERLAYS, *OPTIONS):
        try:
            manifests = rendered(name)
            found = [fault for manifest in manifests for fault in faults(manifest)]
        except RenderError as error:
            manifests, found = [], [str(error)]
        failed |= bool(found)
        sys.stdout.write(f"{name}: {len(manifests)} manifests, {len(found)} faults\n")
        sys.stdout.writelines(f"  {fault}\n" for fault in found)
    sys.exit(failed)


if __name__ == "__main__":
    main()
