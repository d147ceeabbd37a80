"""Images are small, built from pinned and hashed files, and run as nobody in particular."""

from __future__ import annotations

import re
from collections.abc import Iterator
from importlib.metadata import requires
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[2]
SERVICES = ("gateway", "scheduler", "inference", "trainer")
LOCKS = sorted([*ROOT.glob("services/*/*.lock"), *ROOT.glob("deploy/**/*.lock")])
PIN = re.compile(r"^([\w.-]+)==(\S+) \\?$", re.MULTILINE)
LABELS = ("title", "description", "licenses", "version", "revision")
#: What a lock leaves to the one that is installed beside it.
TORCH = "torch"


def pins(lock: Path) -> dict[str, str]:
    return {canonicalize_name(name): version for name, version in PIN.findall(lock.read_text())}


def constrained() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pairs = (line.split("==") for line in lines if "==" in line)
    return {canonicalize_name(name): version for name, version in pairs}


def closure(distribution: str, extras: frozenset[str] = frozenset()) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield a distribution and all that it needs on this machine."""
    waiting, seen = [(canonicalize_name(distribution), extras)], set()
    while waiting:
        name, wanted = waiting.pop()
        if (name, wanted) in seen:
            continue
        seen.add((name, wanted))
        yield name, wanted
        if name == TORCH:
            continue
        for line in requires(name) or ():
            needed = Requirement(line)
            if needed.marker is None or any(
                needed.marker.evaluate({"extra": extra}) for extra in wanted | {""}
            ):
                waiting.append((canonicalize_name(needed.name), frozenset(needed.extras)))


# --- Locks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.relative_to(ROOT)))
def test_a_lock_has_the_versions_that_are_tested(lock: Path) -> None:
    versions = constrained()

    differing = {
        name: (version, versions[name])
        for name, version in pins(lock).items()
        if versions.get(name, version) != version
    }

    assert differing == ({TORCH: ("2.13.0+cpu", "2.13.0")} if lock.name == "torch-cpu.lock" else {})


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: str(lock.relative_to(ROOT)))
def test_every_pin_has_a_hash(lock: Path) -> None:
    text = lock.read_text()
    blocks = re.split(r"^(?=[\w.-]+==)", text, flags=re.MULTILINE)[1:]

    assert len(blocks) == len(pins(lock)) > 0
    assert [block for block in blocks if not re.search(r"--hash=sha256:[0-9a-f]{64}", block)] == []


@pytest.mark.parametrize("service", SERVICES)
def test_a_lock_has_all_that_its_service_needs(service: str) -> None:
    """Whoever adds a dependency and forgets `make lock` would find out when an image starts."""
    needed = {name for name, _ in closure(f"mindtrack-{service}") if not name.startswith("mindtrack-")} - {
        TORCH
    }

    assert needed - pins(ROOT / f"services/{service}/requirements.lock").keys() == set()


def test_the_lock_for_gpus_has_all_that_a_worker_needs_there() -> None:
    needed = {name for name, _ in closure("mindtrack-inference", frozenset({"torch"}))} - {TORCH}
    lock = pins(ROOT / "services/inference/requirements-torch.lock")

    assert {name for name in needed if not name.startswith("mindtrack-")} - lock.keys() == set()
    assert TORCH not in lock
    assert TORCH in pins(ROOT / "deploy/docker/torch-cuda.lock")


def test_only_what_models_need_holds_torch() -> None:
    for service in ("gateway", "scheduler", "inference"):
        assert TORCH not in pins(ROOT / f"services/{service}/requirements.lock")


# --- Dockerfiles ----------------------------------------------------------------------------------------


def instructions(service: str) -> list[str]:
    """Return a Dockerfile's instructions, continued lines joined and comments left out."""
    lines = (ROOT / f"services/{service}/Dockerfile").read_text().splitlines()
    text = "\n".join(line for line in lines if not line.lstrip().startswith("#"))
    return [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.strip()]


@pytest.mark.parametrize("service", SERVICES)
def test_what_others_wrote_lies_below_what_we_wrote(service: str) -> None:
    """A change of our code must not make everybody fetch numpy again."""
    copies = [line for line in instructions(service) if line.startswith("COPY --from=")]

    assert [re.sub(r"COPY --from=([\w-]+) .*", r"\1", line) for line in copies[-2:]] == [
        "dependencies",
        "code",
    ]
    built = "\n".join(instructions(service))
    assert built.index("requirements.lock") < built.index("COPY shared /build/shared")


@pytest.mark.parametrize("service", SERVICES)
def test_everything_that_is_fetched_is_checked_by_its_hash(service: str) -> None:
    installs = [line for line in instructions(service) if re.search(r"\bpip\b.* install ", line)]

    assert len(installs) >= 3
    for line in installs:
        assert "--require-hashes" in line or "--no-index" in line
    assert any("PIP_NO_DEPS=1" in line for line in instructions(service))


@pytest.mark.parametrize("service", SERVICES)
def test_nobody_is_root(service: str) -> None:
    users = [line.split()[1] for line in instructions(service) if line.startswith("USER ")]

    assert users == ["10001:10001"]


@pytest.mark.parametrize("service", SERVICES)
def test_an_image_says_what_it_is_and_whether_it_is_well(service: str) -> None:
    text = "\n".join(instructions(service))

    assert [label for label in LABELS if f"org.opencontainers.image.{label}=" not in text] == []
    assert re.search(r"^HEALTHCHECK (--\S+ +)*(CMD|NONE)", text, flags=re.MULTILINE)


@pytest.mark.parametrize("service", SERVICES)
def test_a_build_asks_no_registry_but_for_its_base(service: str) -> None:
    """`# syntax=` would fetch a frontend."""
    text = (ROOT / f"services/{service}/Dockerfile").read_text()
    stages = set(re.findall(r"^FROM \S+ AS ([\w-]+)$", text, flags=re.MULTILINE))
    bases = set(re.findall(r"^FROM (\S+)", text, flags=re.MULTILINE)) - stages

    assert bases == {"${PYTHON_IMAGE}"}
    assert not text.startswith("# syntax=")
    assert re.search(r"^ARG PYTHON_IMAGE=python:3\.11\.\d+-slim-\w+$", text, flags=re.MULTILINE)


def test_a_build_sees_no_secret() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()

    assert next(line for line in ignored if not line.startswith("#")) == "*"
    assert {line for line in ignored if line.startswith("!")} == {
        "!shared",
        "!services",
        "!deploy/docker",
        "!deploy/airgap",
    }
