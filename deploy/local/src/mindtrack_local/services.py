"""How each service is started, and how to tell that it is ready."""

from __future__ import annotations

import http.client
import sys
from collections.abc import Mapping
from pathlib import Path

from mindtrack_local.ports import HOST
from mindtrack_local.process import ProcessSpec
from mindtrack_local.provider import DISCOVERY

ANSWER_TIMEOUT = 2.0  # seconds
MIGRATION_TIMEOUT = 120.0  # seconds
GATEWAY_TIMEOUT = 60.0  # seconds; a first start on a busy machine compiles every module it imports
#: A worker loads and compiles its model first.
INFERENCE_TIMEOUT = 120.0  # seconds
#: What people wait for is finished, as it is in a cluster; the model may be in the middle of a recording.
INFERENCE_GRACE = 60.0  # seconds


def migrate(variables: Mapping[str, str]) -> ProcessSpec:
    return ProcessSpec(
        name="migrate",
        command=_module("mindtrack_scheduler", "migrate"),
        environment=variables,
        keeps_running=False,
        ready_within=MIGRATION_TIMEOUT,
    )


def gateway(variables: Mapping[str, str], port: int) -> ProcessSpec:
    return ProcessSpec(
        name="gateway",
        command=_module("mindtrack_gateway"),
        environment=variables,
        ready=lambda: is_ready(port),
        ready_within=GATEWAY_TIMEOUT,
    )


def provider(var: Path, port: int, gateway_port: int) -> ProcessSpec:
    where = ("--var", str(var), "--port", str(port), "--gateway-port", str(gateway_port))
    return ProcessSpec(
        name="provider",
        command=_module("mindtrack_local.provider", *where),
        ready=lambda: is_ready(port, DISCOVERY),
        ready_within=GATEWAY_TIMEOUT,
    )


def inference(variables: Mapping[str, str], ready_file: Path, name: str = "inference") -> ProcessSpec:
    return ProcessSpec(
        name=name,
        command=_module("mindtrack_inference"),
        environment=variables,
        ready=ready_file.exists,
        ready_within=INFERENCE_TIMEOUT,
        grace=INFERENCE_GRACE,
        leftovers=(ready_file,),
    )


def scheduler(command: str, variables: Mapping[str, str]) -> ProcessSpec:
    """The relay, deliverer, beat or maintenance worker. Nothing waits for them: they catch up later."""
    return ProcessSpec(name=command, command=_module("mindtrack_scheduler", command), environment=variables)


def is_ready(port: int, path: str = "/readyz") -> bool:
    connection = http.client.HTTPConnection(HOST, port, timeout=ANSWER_TIMEOUT)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()


def _module(name: str, *arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", name, *arguments)
