"""OpenVINO on the CPU: imported late, without its telemetry, and with the same answers on every machine."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType
from typing import Any, cast


def import_openvino() -> ModuleType:
    """Import OpenVINO when a model is loaded, and without its telemetry.

    Importing takes 0.2 s, which tests and the parent of worker processes need not spend. It also posts an
    event to Google Analytics and leaves an id in the home directory, unless CI=true. With the telemetry
    package hidden, OpenVINO falls back to the silent stand-in it ships.
    """
    cast("dict[str, ModuleType | None]", sys.modules).setdefault("openvino_telemetry", None)
    import openvino  # noqa: PLC0415

    return cast("ModuleType", openvino)


def cpu_options(
    threads: int | None = None, *, hint: str = "f32", cache: Path | None = None
) -> dict[str, Any]:
    """Options for `compile_model`.

    `threads` bounds the cores one call may use, all of them when None; `hint` names the precision as OpenVINO
    spells it; compiled models are kept in the directory `cache`.
    """
    options: dict[str, Any] = {
        "PERFORMANCE_HINT": "LATENCY",
        # Left to itself, OpenVINO computes in bfloat16 wherever the CPU can: other machines, other scores.
        "INFERENCE_PRECISION_HINT": hint,
        # Pinned, the threads of two worker processes would share one core while others idle.
        "ENABLE_CPU_PINNING": False,
    }
    if threads is not None:
        options["INFERENCE_NUM_THREADS"] = threads
    if cache is not None:
        options["CACHE_DIR"] = str(cache)
    return options
