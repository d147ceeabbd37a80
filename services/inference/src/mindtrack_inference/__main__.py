"""`mindtrack-inference`: run the worker until SIGTERM, then finish the drain in hand.

`mindtrack-inference analyse FILE...` needs no database, queue or storage: it analyses recordings on this
machine and prints one JSON document per line.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mindtrack_inference.errors import InferenceError, RecordingRejectedError
from mindtrack_inference.settings import InferenceSettings, QualitySettings
from mindtrack_inference.startup import without_collecting
from mindtrack_shared.bundles import BundleError

if TYPE_CHECKING:
    from mindtrack_inference.pipeline import Analyzer

#: What argparse, too, exits with when it was called wrongly.
USAGE_ERROR = 2


def main(arguments: Sequence[str] | None = None) -> None:
    options = _parser().parse_args(arguments)
    try:
        if options.command == "analyse":
            analyse(options.files)
        else:
            work()
    except (BundleError, InferenceError, ValueError) as error:
        sys.exit(f"mindtrack-inference: {error}")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="mindtrack-inference",
        description="Without a command: run the worker until SIGTERM, then finish the drain in hand.",
        epilog="Settings come from MINDTRACK_* variables; see docs/settings.md.",
    )
    commands = parser.add_subparsers(dest="command", title="commands")
    offline = commands.add_parser(
        "analyse",
        help="analyse recordings on this machine",
        description="Analyse recordings without database, queue or storage: one JSON document per line, with "
        "all numbers, also where a recording is rejected.",
    )
    offline.add_argument("files", nargs="+", type=Path, metavar="FILE", help="a recording")
    return parser


def work() -> None:
    """Run the worker; exit with 78 (EX_CONFIG) if its bundle or its storage cannot be served.

    Raises:
        ValueError: a setting is missing or makes no sense.

    """
    with without_collecting():
        from mindtrack_inference import roll
        from mindtrack_inference.worker import build_app, queues, run, set_up_logging
        from mindtrack_shared.observability.liveness import LifeSign
        from mindtrack_shared.observability.metrics import served_for_children
        from mindtrack_shared.settings import (
            DatabaseSettings,
            JobSettings,
            LivenessSettings,
            MetricsSettings,
            QueueSettings,
            StorageSettings,
            TracingSettings,
        )

        # What is wrong must stop the service here, not each of its children.
        for group in (QualitySettings, DatabaseSettings, JobSettings, StorageSettings, TracingSettings):
            group()
        settings, queue = InferenceSettings(), QueueSettings()
        set_up_logging()  # Celery would ask for it later, and warn of things before
        if settings.ready_file is not None:
            settings.ready_file.unlink(missing_ok=True)  # of the worker that ran here before
        life_sign = LifeSign(LivenessSettings().file)
        app = build_app(settings, queue)
    with roll.kept(settings), served_for_children(MetricsSettings()):
        status = run(app, queues(settings), life_sign)
    sys.exit(status)


def analyse(files: Sequence[Path]) -> None:
    """Print one line of JSON per recording: its analysis, or why it was rejected.

    Raises:
        BundleError: the bundle cannot be served.
        ValueError: a setting makes no sense.

    """
    from mindtrack_inference import audio
    from mindtrack_inference.assembly import build_analyzer
    from mindtrack_inference.bundle import load_bundle

    if unfit := [str(file) for file in files if not file.is_file() or not os.access(file, os.R_OK)]:
        sys.stderr.write(f"mindtrack-inference: not a file that can be read: {', '.join(unfit)}\n")
        sys.exit(USAGE_ERROR)
    audio.cap_pieces()
    settings = InferenceSettings()
    analyzer = build_analyzer(load_bundle(settings.bundle), settings, QualitySettings())
    for file in files:
        finding = {"file": str(file), **_finding(analyzer, file)}
        sys.stdout.write(json.dumps(finding, allow_nan=False) + "\n")
        sys.stdout.flush()


def _finding(analyzer: Analyzer, file: Path) -> dict[str, Any]:
    try:
        analysis = analyzer.analyze(file.read_bytes())
    except RecordingRejectedError as rejection:
        return {"status": "rejected", **_rejection(rejection)}
    said = analysis.probabilities
    return {
        "status": "succeeded",
        "indeterminate": analysis.indeterminate,
        "emotion": said.emotion,
        "stress_score": said.stress_score,
        **asdict(analysis),
    }


def _rejection(error: RecordingRejectedError) -> dict[str, Any]:
    return {
        "code": error.code,
        "detail": error.detail,
        "advice": error.code.advice,
        "measured": error.measured,
        "needed": error.needed,
        "unit": error.code.unit,
        "quality": None if error.quality is None else asdict(error.quality),
    }


if __name__ == "__main__":
    main()
