"""A project of Docker Compose, with our file and the air-gapped servers."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
FILES = ("docker-compose.yml", "deploy/airgap/docker-compose.yml")
#: Of a stack on a busy machine: eight containers start at once.
HEALTHY_WITHIN = 240.0  # seconds
POLL = 0.5  # seconds


class ComposeError(Exception):
    """What Compose, or a container, did not do."""


def find_compose(docker: str) -> tuple[str, ...]:
    """Return the command: the plugin, or the program that came before it."""
    if subprocess.run([docker, "compose", "version"], capture_output=True, check=False).returncode == 0:
        return (docker, "compose")
    program = shutil.which("docker-compose")
    if program is None:
        raise ComposeError("Docker Compose is missing. On Debian: apt-get install docker-compose")
    return (program,)


@dataclass(frozen=True)
class Project:
    docker: str
    name: str
    env_file: Path

    def compose(self, *arguments: str) -> str:
        """Run a command of Compose and return what it printed.

        Raises:
            ComposeError: it failed, or goes on for ever: `up` does when what others wait for cannot start.

        """
        files = [word for file in FILES for word in ("--file", str(ROOT / file))]
        command = [
            *find_compose(self.docker),
            *("--project-name", self.name, "--project-directory", str(ROOT)),
            *("--env-file", str(self.env_file)),
            *files,
            *arguments,
        ]
        return _output(command)

    def containers(
        self, service: str | None = None, *, stopped: bool = False
    ) -> dict[str, Mapping[str, object]]:
        """Return the state of containers by service. A service has one container here."""
        labels = [f"label=com.docker.compose.project={self.name}"]
        if service is not None:
            labels.append(f"label=com.docker.compose.service={service}")
        filters = [word for label in labels for word in ("--filter", label)]
        ids = _output([self.docker, "ps", "--quiet", *(["--all"] if stopped else []), *filters]).split()
        if not ids:
            return {}
        inspected = json.loads(_output([self.docker, "inspect", *ids]))
        return {each["Config"]["Labels"]["com.docker.compose.service"]: each for each in inspected}

    def wait_healthy(self, services: Sequence[str]) -> None:
        """Wait until all services are healthy.

        Raises:
            ComposeError: one is not in time; the message has the end of its log.

        """
        deadline = time.monotonic() + HEALTHY_WITHIN
        while ill := [name for name in services if not self._is_healthy(name)]:
            if time.monotonic() > deadline:
                raise ComposeError(
                    f"{', '.join(ill)} not healthy in {HEALTHY_WITHIN:.0f} s:\n{self.log(ill[0])}"
                )
            time.sleep(POLL)

    def _is_healthy(self, service: str) -> bool:
        container = self.containers(service).get(service)
        return container is not None and health(container) == "healthy"

    def log(self, service: str) -> str:
        return self.compose("logs", "--no-color", "--tail", "30", service)

    def query(self, statement: str) -> list[list[str]]:
        """Ask the database, inside its container."""
        psql = ["psql", "--username", "mindtrack", "--dbname", "mindtrack", "--no-align", "--tuples-only"]
        container = self.containers("postgres")["postgres"]
        printed = _output([self.docker, "exec", str(container["Id"]), *psql, "--command", statement])
        return [line.split("|") for line in printed.splitlines()]


def health(container: Mapping[str, object]) -> str:
    state = container["State"]
    assert isinstance(state, dict)
    return str(state.get("Health", {}).get("Status", "none"))


def _output(command: Sequence[str]) -> str:
    begun = f"{' '.join(command[:4])} ..."
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=HEALTHY_WITHIN)
    except subprocess.TimeoutExpired as error:
        raise ComposeError(f"{begun} did not end in {HEALTHY_WITHIN:.0f} s") from error
    if done.returncode != 0:
        raise ComposeError(f"{begun} failed:\n{done.stdout[-2000:]}{done.stderr[-4000:]}")
    return done.stdout
