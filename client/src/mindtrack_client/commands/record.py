"""`mindtrack record`: speak, and see what the voice says."""

from __future__ import annotations

import shutil
import tempfile
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from mindtrack_client import batch, microphone, progress, report
from mindtrack_client.batch import Capture, Outcome
from mindtrack_client.core import WAIT_TIMEOUT
from mindtrack_client.errors import MicrophoneError
from mindtrack_client.invocation import Invocation, Output, invocation, local
from mindtrack_client.microphone import Take
from mindtrack_client.options import AsJson, Timeout, TimeZone

#: Below this level, dBFS, nobody spoke, or nobody was let in.
FAINT = -60.0


def record(  # noqa: PLR0913 - one parameter per option
    context: typer.Context,
    *,
    seconds: Annotated[float, typer.Option(min=0.1, max=3600, help="For how long.")] = 5.0,
    device: Annotated[
        str | None,
        typer.Option(metavar="DEVICE", help="Number, or part of the name; the system's choice otherwise."),
    ] = None,
    list_devices: Annotated[bool, typer.Option("--list-devices", help="Show what records, and end.")] = False,
    save: Annotated[
        Path | None,
        typer.Option(metavar="FILE", dir_okay=False, help="Keep the recording as this WAV file."),
    ] = None,
    wait: Annotated[bool, typer.Option(help="Wait for the result.")] = True,
    time_zone: TimeZone = None,
    timeout: Timeout = WAIT_TIMEOUT,
    as_json: AsJson = False,
) -> None:
    r"""Record from a microphone (16 kHz, mono), submit it and show what the voice says.

    Needs the extra `record`: pip install 'mindtrack-client\[record]'. A recording that could not be submitted
    is kept, and its place is told.
    """
    if list_devices:
        with local(context, as_json=as_json) as run:
            _show_devices(run)
        return
    with invocation(context, as_json=as_json) as run:
        if save is not None and save.exists():
            raise FileExistsError(f"{save} is there already")
        folder = Path(tempfile.mkdtemp(prefix="mindtrack-"))
        path = save or folder / f"{datetime.now().astimezone():%Y-%m-%d-%H%M%S}.wav"
        outcome = Outcome(path)
        made = False
        try:
            take = _take(run.err, path, seconds, int(device) if device and device.isdigit() else device)
            made = True
            _submit(run, outcome, take, time_zone, timeout if wait else None)
        finally:
            if not made:
                path.unlink(missing_ok=True)
            kept = made and outcome.job is None
            if kept:
                run.err.print(f"The recording is kept: {path}", soft_wrap=True)
            if save is not None or not kept:
                shutil.rmtree(folder)
        raise typer.Exit(outcome.exit_code)


def _take(console: Console, path: Path, seconds: float, device: int | str | None) -> Take:
    with progress.recording(console, seconds) as on_level:
        take = microphone.record(path, seconds, device, on_level)
    if take.gaps:
        console.print(f"The recording has {take.gaps} gaps: this machine was too busy.", soft_wrap=True)
    if take.peak < FAINT:
        console.print(
            f"The microphone heard next to nothing ({take.peak:.0f} dBFS): is it muted?", soft_wrap=True
        )
    return take


def _submit(
    run: Invocation, outcome: Outcome, take: Take, time_zone: str | None, timeout: float | None
) -> None:
    capture = Capture(recorded_at=take.began_at, time_zone=time_zone)
    try:
        batch.upload(run.mindtrack, [outcome], capture=capture, priority=None, console=run.err)
        if timeout is not None:
            batch.wait(run.mindtrack, [outcome], timeout=timeout, console=run.err)
    except KeyboardInterrupt:
        report.hint_unfinished(run, [outcome])
        raise
    report.outcomes(run, [outcome])


def _show_devices(run: Output) -> None:
    found = microphone.devices()
    for device in found:
        if run.as_json:
            run.print_document(device.as_dict())
        else:
            default = "*" if device.is_default else " "
            run.out.print(
                f"{default}{device.index:>3}  {device.name} ({device.sample_rate:.0f} Hz)", soft_wrap=True
            )
    if not found:
        raise MicrophoneError(microphone.NO_DEVICE)
