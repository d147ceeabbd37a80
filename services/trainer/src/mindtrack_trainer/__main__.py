"""The trainer's command line."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from mindtrack_trainer.errors import TrainerError

app = typer.Typer(
    help="Make, measure and package MindTrack's demo model from rule-synthesised speech.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

_console = Console(stderr=True)  # stdout carries results only

DataArgument = Annotated[Path, typer.Argument(help="A corpus written by `synthesise`.")]
CheckpointArgument = Annotated[Path, typer.Argument(help="A directory written by `train`.")]


@app.command()
def synthesise(
    out: Annotated[Path, typer.Option(help="Where to write the clips and manifest.jsonl.")],
    speakers: Annotated[int, typer.Option(help="How many synthetic speakers.")] = 158,
    clips_per_speaker: Annotated[int, typer.Option(help="Shared out evenly over the five labels.")] = 80,
    seed: Annotated[int, typer.Option(help="The same seed gives the same corpus.")] = 2026,
    workers: Annotated[int, typer.Option(help="Processes.")] = 2,
) -> None:
    """Write a corpus of rule-synthesised speech with speaker-disjoint splits."""
    from mindtrack_trainer import synthesis

    total = speakers * clips_per_speaker
    with _clear_errors(), _bar("clips", total) as (bar, task):
        for written in synthesis.synthesise(out, speakers, clips_per_speaker, seed, workers):
            bar.update(task, completed=written)
    typer.echo(out / synthesis.MANIFEST)


@app.command()
def train(  # noqa: PLR0913 - one per option
    data: DataArgument,
    *,
    out: Annotated[Path, typer.Option(help="Checkpoint directory; an unfinished training in it is resumed.")],
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training voices.")] = 4,
    batch: Annotated[int, typer.Option(min=2, help="Clips per step; each is seen clean and degraded.")] = 16,
    learning_rate: Annotated[float, typer.Option(help="Peak of the one-cycle schedule.")] = 8e-4,
    seed: Annotated[int, typer.Option(help="Decides weights, order and augmentation.")] = 2026,
    bf16: Annotated[bool, typer.Option(help="bfloat16 autocast: faster where the CPU has it.")] = True,
) -> None:
    """Train a small Wav2Vec2 from scratch, logging UAR on the calibration voices after every epoch."""
    from mindtrack_trainer import training
    from mindtrack_trainer.dataset import load
    from mindtrack_trainer.model import make_config

    _quiet_libraries()
    options = training.TrainingOptions(epochs, batch, learning_rate, seed=seed, bf16=bf16)
    with _clear_errors(), _bar("steps", None) as (bar, task):
        steps = training.train(load(data, "train"), load(data, "calibration"), make_config(), options, out)
        for step in steps:
            done = step.epoch * step.steps + step.step + 1
            bar.update(task, completed=done, total=epochs * step.steps, description=f"loss {step.loss:.3f}")
            if step.uar is not None:
                _console.print(
                    f"epoch {step.epoch + 1} of {epochs}: UAR {step.uar:.3f} on calibration voices"
                )
    typer.echo(out)


@app.command()
def evaluate(
    checkpoint: CheckpointArgument,
    data: DataArgument,
    recordings: Annotated[
        Path | None,
        typer.Option(
            exists=True, file_okay=False, help="WAV files to measure codec robustness on, 5 s or longer."
        ),
    ] = None,
    about: Annotated[str, typer.Option(help="What the recordings are, for the model card.")] = "unnamed",
) -> None:
    """Fit the temperature, measure the test voices, print the report and keep it by the weights."""
    from mindtrack_trainer import evaluation
    from mindtrack_trainer.dataset import load
    from mindtrack_trainer.model import load_model

    _quiet_libraries()
    with _clear_errors(), _console.status("evaluating"):
        model = load_model(checkpoint)
        report = evaluation.evaluate(model, load(data, "calibration"), load(data, "test"))
        if recordings is not None:
            temperature = float(str(report["temperature"]))
            robustness = evaluation.codec_robustness(model, recordings, temperature)
            report["codec_robustness"] = {"about": about, **robustness}
    text = json.dumps(report, indent=2)
    (checkpoint / evaluation.EVALUATION).write_text(text + "\n")
    typer.echo(text)


@app.command()
def export(
    checkpoint: CheckpointArgument,
    out: Annotated[Path, typer.Option(help="The bundle directory to write.")],
    bundle_id: Annotated[str, typer.Option("--id", help="Lower case, as in URLs and logs.")],
) -> None:
    """Write a bundle: checkpoint, ONNX checked against torch, manifest, model card."""
    from mindtrack_trainer.evaluation import EVALUATION
    from mindtrack_trainer.export import export_bundle

    _quiet_libraries()
    measured = checkpoint / EVALUATION
    with _clear_errors(), _console.status("exporting"):
        if not measured.exists():
            raise TrainerError(f"{checkpoint} was never measured: run `mindtrack-trainer evaluate` first")
        manifest = export_bundle(checkpoint, out, bundle_id, json.loads(measured.read_text()))
    typer.echo(f"{out}: {manifest.id}, revision {manifest.revision}")


@app.command("import")
def import_(  # noqa: PLR0913, PLR0917 - one parameter per option
    checkpoint: Annotated[Path, typer.Argument(help="A local Hugging Face wav2vec2 classifier.")],
    out: Annotated[Path, typer.Option(help="The bundle directory to write.")],
    bundle_id: Annotated[str, typer.Option("--id", help="Lower case, as in URLs and logs.")],
    licence: Annotated[str, typer.Option(help="The weights' licence, as an SPDX id.")],
    intended_use: Annotated[str, typer.Option(help="One sentence; it goes into the manifest.")],
    label: Annotated[
        list[str] | None,
        typer.Option(help="THEIRS=OURS, e.g. fear=Anxious; once per label that is not named like ours."),
    ] = None,
    window_seconds: Annotated[float, typer.Option(help="Length of a window.", min=0.1, max=30)] = 5.0,
    hop_seconds: Annotated[float, typer.Option(help="From one window's start to the next's.", min=0.1)] = 2.5,
) -> None:
    """Make a bundle of somebody else's checkpoint. Nothing is measured, and its card says so."""
    from mindtrack_trainer.importing import ImportOptions, import_checkpoint, parse_labels

    _quiet_libraries()
    with _clear_errors(), _console.status("importing"):
        options = ImportOptions(
            bundle_id=bundle_id,
            labels=parse_labels(label or []),
            window_seconds=window_seconds,
            hop_seconds=hop_seconds,
            licence=licence,
            intended_use=intended_use,
        )
        manifest = import_checkpoint(checkpoint, out, options)
    typer.echo(f"{out}: {manifest.id}, revision {manifest.revision}")


@app.command()
def samples(out: Annotated[Path, typer.Option(help="Where to write day-1.wav to day-7.m4a.")]) -> None:
    """Write the local demo's seven voice logs."""
    from mindtrack_trainer.samples import make_samples

    with _clear_errors():
        for path in make_samples(out):
            typer.echo(path)


def _quiet_libraries() -> None:
    from transformers.utils.logging import disable_progress_bar

    disable_progress_bar()  # type: ignore[no-untyped-call]  # one bar is enough
    # The exporter looks for torchvision's operators, which no speech model has.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)


@contextmanager
def _clear_errors() -> Iterator[None]:
    try:
        yield
    except (TrainerError, OSError) as error:
        _console.print(f"[red]error:[/red] {error}", highlight=False)
        raise typer.Exit(1) from error


@contextmanager
def _bar(unit: str, total: int | None) -> Iterator[tuple[Progress, TaskID]]:
    columns = (
        *(TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TextColumn(unit)),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=_console) as bar:
        yield bar, bar.add_task("", total=total)


if __name__ == "__main__":
    app()
