"""Build every image of docker-compose.yml without a container registry: from Debian packages and wheels.

    python3 deploy/airgap/build.py fetch      bring what a build needs; where there is a network
    python3 deploy/airgap/build.py            build the images; from what was fetched, if anything was
    python3 deploy/airgap/build.py --offline  the same, and ask no network for anything

Needs root, Python 3.11, a Docker engine with BuildKit (20.10 or later) and Debian's `debootstrap`. README.md
beside it says more.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).resolve().parents[2]
FETCHED = ROOT / "var/airgap"
DEBIAN_PACKAGES = FETCHED / "debian.tgz"
LOGS = FETCHED / "log"
WHEELS = ROOT / "deploy/docker/wheels"
#: What this machine trusts: hospitals have authorities of their own.
AUTHORITIES = Path("/etc/ssl/certs/ca-certificates.crt")

PYTHON_IMAGE = "mindtrack-airgap/python:3.11"
#: The release whose Python is 3.11, and what a base image has of it beside the least there can be.
SUITE = "bookworm"
PACKAGES = ("ca-certificates", "libseccomp2", "python3", "python3-venv")
#: Of a Debian system, what no container of ours reads.
SUPERFLUOUS = (
    "usr/share/doc",
    "usr/share/info",
    "usr/share/locale",
    "usr/share/man",
    "var/cache/apt",
    "var/lib/apt/lists",
    "var/log",
)

MEGABYTE = 1_000_000
TAR = "/bin/tar"


@dataclass(frozen=True)
class Image:
    tag: str
    dockerfile: str
    arguments: tuple[str, ...] = ()


VERSION = os.environ.get("MINDTRACK_VERSION", "0.1.0")
SERVERS = (
    Image("mindtrack-airgap/postgres:18", "deploy/airgap/postgres/Dockerfile"),
    Image("mindtrack-airgap/valkey:9", "deploy/airgap/valkey/Dockerfile"),
    Image("mindtrack-airgap/storage:1", "deploy/airgap/storage/Dockerfile"),
)
SERVICES = tuple(
    Image(f"mindtrack/{service}:{VERSION}", f"services/{service}/Dockerfile")
    for service in ("gateway", "scheduler", "inference")
)
#: Only when asked for: they hold torch.
OPTIONAL = {
    "trainer": Image(f"mindtrack/trainer:{VERSION}", "services/trainer/Dockerfile", ("TORCH=cuda",)),
    "trainer-cpu": Image(f"mindtrack/trainer:{VERSION}", "services/trainer/Dockerfile", ("TORCH=cpu",)),
    "inference-cuda": Image(
        f"mindtrack/inference-cuda:{VERSION}", "services/inference/Dockerfile", ("TORCH=cuda",)
    ),
}
LOCKS = (
    "deploy/docker/build.lock",
    *(f"services/{service}/requirements.lock" for service in ("gateway", "scheduler", "inference")),
    *(f"deploy/airgap/{server}/requirements.lock" for server in ("postgres", "valkey", "storage")),
)


class BuildError(Exception):
    """What is missing, in words for who runs this."""


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("command", nargs="?", choices=("build", "fetch"), default="build")
    parser.add_argument("--offline", action="store_true", help="take everything from what was fetched")
    parser.add_argument("--base-again", action="store_true", help="build the base image even if it is there")
    parser.add_argument(
        "--with", dest="optional", action="append", choices=sorted(OPTIONAL), default=[], help="an image more"
    )
    options = parser.parse_args(arguments)
    LOGS.mkdir(parents=True, exist_ok=True)
    try:
        if options.command == "fetch":
            fetch()
            return
        docker = find_docker()
        build_base(docker, offline=options.offline, again=options.base_again)
        images = [*SERVERS, *SERVICES, *(OPTIONAL[name] for name in options.optional)]
        for image in images:
            build(docker, image, offline=options.offline)
    except BuildError as error:
        sys.exit(f"airgap: {error}")


def fetch() -> None:
    """Bring what a build on a machine without a network needs into var/airgap and deploy/docker/wheels."""
    with step("Debian packages", LOGS / "debian.log") as log, TemporaryDirectory() as folder:
        run([*debootstrap(), f"--make-tarball={DEBIAN_PACKAGES}", SUITE, f"{folder}/root"], log)
    for lock in LOCKS:
        with step(f"wheels of {lock}", LOGS / "wheels.log") as log:
            pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check"]
            only = ["--no-deps", "--require-hashes", "--only-binary=:all:", "--python-version=3.11"]
            platforms = [
                f"--platform=manylinux_{glibc}_{os.uname().machine}" for glibc in ("2_17", "2_28", "2_34")
            ]
            run([*pip, *only, *platforms, f"--dest={WHEELS}", f"--requirement={ROOT / lock}"], log)


def build_base(docker: str, *, offline: bool, again: bool) -> None:
    """Make the least Debian that has Python into the image that takes the place of `python:3.11-slim`."""
    if not again and has(docker, PYTHON_IMAGE):
        print(f"{PYTHON_IMAGE}: is there; --base-again builds it anew")
        return
    source = [f"--unpack-tarball={DEBIAN_PACKAGES}"] if DEBIAN_PACKAGES.exists() else []
    if offline and not source:
        raise BuildError(
            f"{DEBIAN_PACKAGES} is missing; `build.py fetch` brings it, where there is a network"
        )
    with step(PYTHON_IMAGE, LOGS / "base.log") as log, TemporaryDirectory(dir="/var/tmp") as folder:
        root = Path(folder) / "root"
        run([*debootstrap(), *source, SUITE, str(root)], log)
        for path in SUPERFLUOUS:
            shutil.rmtree(root / path)
            (root / path).mkdir()
        (root / "usr/bin/python").symlink_to("python3")
        if AUTHORITIES.exists():
            shutil.copyfile(AUTHORITIES, root / AUTHORITIES.relative_to("/"))
        imported = [docker, "import", "--change", f"ENV PIP_CERT={AUTHORITIES}", "-", PYTHON_IMAGE]
        with subprocess.Popen(
            [TAR, "--create", "--directory", str(root), "."], stdout=subprocess.PIPE
        ) as tar:
            subprocess.run(imported, stdin=tar.stdout, check=True, stdout=log, stderr=log)


def build(docker: str, image: Image, *, offline: bool) -> None:
    arguments = {"PYTHON_IMAGE": PYTHON_IMAGE, "REVISION": revision(), **index(offline=offline)}
    words = [f"--build-arg={name}={value}" for name, value in arguments.items()]
    words += [f"--build-arg={argument}" for argument in image.arguments]
    target = ["--target=cuda"] if image.tag.startswith("mindtrack/inference-cuda") else []
    network = ["--network=none"] if offline else []
    log_file = LOGS / f"{image.tag.split(':')[0].split('/')[-1]}.log"
    with step(image.tag, log_file) as log:
        command = [docker, "build", "--progress=plain", f"--file={image.dockerfile}", f"--tag={image.tag}"]
        run([*command, *words, *target, *network, "."], log)
    print(f"    {size(docker, image.tag) / MEGABYTE:.0f} MB")


def index(*, offline: bool) -> dict[str, str]:
    if offline:
        return {"PIP_NO_INDEX": "1"}
    mirror = os.environ.get("PIP_INDEX_URL")
    return {"PIP_INDEX_URL": mirror} if mirror else {}


def find_docker() -> str:
    """Return a Docker client that can build with BuildKit: since 23 that takes a plugin."""
    found = [path for folder in os.get_exec_path() if (path := shutil.which("docker", path=folder))]
    for docker in found:
        version = output([docker, "version", "--format", "{{.Client.Version}} {{.Server.Version}}"])
        if version and (int(version.split(".")[0]) < 23 or output([docker, "buildx", "version"])):  # noqa: PLR2004
            return docker
    raise BuildError(
        "no Docker engine answers, or no client of it can build with BuildKit"
        f" (looked at {', '.join(found) or 'the path'}). On Debian: apt-get install docker.io"
    )


def debootstrap() -> list[str]:
    program = shutil.which("debootstrap")
    if program is None:
        raise BuildError("debootstrap is missing. On Debian: apt-get install debootstrap")
    if os.geteuid() != 0:
        raise BuildError("debootstrap needs root")
    return [program, "--variant=minbase", f"--include={','.join(PACKAGES)}"]


def revision() -> str:
    return output(["git", "-C", str(ROOT), "rev-parse", "HEAD"]) or "unknown"


def has(docker: str, tag: str) -> bool:
    return bool(output([docker, "image", "inspect", "--format", "{{.Id}}", tag]))


def size(docker: str, tag: str) -> int:
    return int(output([docker, "image", "inspect", "--format", "{{.Size}}", tag]))


def output(command: Sequence[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.strip() if done.returncode == 0 else ""


@contextmanager
def step(what: str, log_file: Path) -> Iterator[int]:
    """Say what is done and how long it took; on failure, the end of its log."""
    began = time.monotonic()
    print(f"{what} ...", end="", flush=True)
    with log_file.open("w", encoding="utf-8") as log:
        try:
            yield log.fileno()
        except subprocess.CalledProcessError as error:
            log.flush()
            end = "\n".join(log_file.read_text(encoding="utf-8").splitlines()[-20:])
            print(" failed")
            raise BuildError(f"{error}\n{end}\nAll of it: {log_file}") from error
    print(f" {time.monotonic() - began:.0f} s")


def run(command: Sequence[str], log: int) -> None:
    environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
    subprocess.run(command, cwd=ROOT, env=environment, stdout=log, stderr=log, check=True)


if __name__ == "__main__":
    main(sys.argv[1:])
