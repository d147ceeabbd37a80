"""The trainer's command line."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from mindtrack_shared.bundles import Head
from mindtrack_trainer.errors import TrainerError
from mindtrack_trainer.options import Freeze, TrainingOptions

app = typer.Typer(
    help="Make, measure and package models for MindTrack: from public corpora, from rule-synthesised speech, "
    "or of checkpoints that others trained.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)

_console = Console(stderr=True)  # stdout carries results only

DataArgument = Annotated[Path, typer.Argument(help="A corpus written by `prepare` or `synthesise`.")]
CheckpointArgument = Annotated[Path, typer.Argument(help="A directory written by `train`.")]


@app.command()
def synthesise(
    out: Annotated[Path, typer.Option(help="Where to write the clips and manifest.jsonl.")],
    speakers: Annotated[int, typer.Option(help="How many synthetic speakers.")] = 240,
    clips_per_speaker: Annotated[int, typer.Option(help="Shared out evenly over the five labels.")] = 40,
    seed: Annotated[int, typer.Option(min=0, help="The same seed gives the same corpus.")] = 2026,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
) -> None:
    """Write a corpus of rule-synthesised speech, outliers and probes, with speaker-disjoint splits."""
    from mindtrack_trainer import synthesis
    from mindtrack_trainer.manifest import MANIFEST

    with _clear_errors(), _bar("parts", None) as (bar, task):
        for done, total in synthesis.synthesise(out, speakers, clips_per_speaker, seed, workers):
            bar.update(task, completed=done, total=total)
    typer.echo(out / MANIFEST)


@app.command()
def prepare(  # noqa: PLR0913 - one per option
    corpus: Annotated[str, typer.Argument(help="ravdess, cremad, meld, iemocap, jl or emodb.")],
    path: Annotated[Path, typer.Argument(help="The corpus as published and unpacked.")],
    *,
    out: Annotated[Path, typer.Option(help="Where clips and manifest.jsonl go, beside other corpora.")],
    fold: Annotated[
        int | None, typer.Option(min=1, help="Published test fold; without one, speakers are drawn.")
    ] = None,
    test_speakers: Annotated[str, typer.Option(help="Name them instead, e.g. 07,08.")] = "",
    calibration_speakers: Annotated[str, typer.Option(help="Likewise.")] = "",
    degraded: Annotated[bool, typer.Option(help="Also write each clip as a lossy codec leaves it.")] = True,
    seed: Annotated[int, typer.Option(min=0, help="Decides drawn speakers and codecs.")] = 2026,
    workers: Annotated[int, typer.Option(min=1, help="Processes.")] = 2,
) -> None:
    """Convert a public corpus, with speaker-disjoint splits. Run it again to resume."""
    from mindtrack_trainer import preparation
    from mindtrack_trainer.corpora.splits import Choice

    test, calibration = (
        tuple(filter(None, names.split(","))) for names in (test_speakers, calibration_speakers)
    )
    choice = Choice(fold=fold, test=test, calibration=calibration, seed=seed)
    with _clear_errors():
        plan = preparation.plan(corpus, path, out, choice, degraded=degraded)
        outcomes = []
        with _bar("clips", len(plan.clips)) as (bar, task):
            for outcome in preparation.convert(plan, workers):
                outcomes.append(outcome)
                bar.advance(task)
        summary = preparation.record(plan, outcomes)
    printed = Console()
    printed.print(preparation.table(summary))
    for reason, clips in plan.dropped.items():
        typer.echo(f"dropped {clips}: {reason}")
    for skipped in summary.skipped:
        typer.echo(f"skipped {skipped.path}: {skipped.reason}")


@app.command()
def train(  # noqa: PLR0913 - one per option
    data: DataArgument,
    *,
    out: Annotated[Path, typer.Option(help="Checkpoint directory; an unfinished training in it is resumed.")],
    base: Annotated[
        Path | None,
        typer.Option(
            exists=True,
            file_okay=False,
            help="A pretrained wav2vec2 checkpoint to fine-tune; without it, a small model from scratch.",
        ),
    ] = None,
    freeze: Annotated[Freeze, typer.Option(help="What of the base stays as it is.")] = "features",
    window_seconds: Annotated[float, typer.Option(min=0.5, max=30, help="Shorter clips are left out.")] = 4.0,
    hop_seconds: Annotated[float, typer.Option(min=0.1, max=30, help="Between windows in service.")] = 2.0,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the training voices, at most.")] = 8,
    patience: Annotated[int, typer.Option(min=1, help="Epochs without a better UAR before stopping.")] = 3,
    batch: Annotated[int, typer.Option(min=2, help="Clips per step; each is seen clean and degraded.")] = 16,
    learning_rate: Annotated[
        float | None,
        typer.Option(min=1e-8, help="Peak of the one-cycle schedule; 8e-4 from scratch, 5e-5 for a base."),
    ] = None,
    speed: Annotated[
        float, typer.Option(min=0, max=0.2, help="Play clips faster or slower by up to this share.")
    ] = 0.0,
    seed: Annotated[int, typer.Option(min=0, help="Decides weights, order and augmentation.")] = 2026,
    mixed_precision: Annotated[bool, typer.Option(help="bfloat16, or float16 on GPUs without it.")] = True,
) -> None:
    """Train on the training voices, logging UAR on the calibration voices and keeping the best epoch."""
    from mindtrack_trainer import training
    from mindtrack_trainer.dataset import Framing, load
    from mindtrack_trainer.manifest import read_manifest
    from mindtrack_trainer.model import fresh_model

    _quiet_libraries()
    rate = learning_rate or (8e-4 if base is None else 5e-5)
    with _clear_errors(), _bar("steps", None) as (bar, task):
        options = TrainingOptions(
            base=base,
            freeze=freeze,
            framing=Framing(window_seconds, hop_seconds),
            epochs=epochs,
            patience=patience,
            batch=batch,
            learning_rate=rate,
            speed=speed,
            seed=seed,
            mixed_precision=mixed_precision,
        )
        corpora = sorted({utterance.corpus for utterance in read_manifest(data)})
        corpus = load(data, "train", options.framing, outliers=True)
        validation = load(data, "calibration", options.framing, outliers=False)
        if corpus.too_short:
            _console.print(f"{corpus.too_short} clips do not fill a window of {window_seconds:g} s: left out")
        model = fresh_model(options)
        for step in training.train(model, corpus, validation, options, out, corpora):
            done = step.epoch * step.steps + step.step + 1
            bar.update(task, completed=done, total=epochs * step.steps, description=f"loss {step.loss:.3f}")
            if step.uar is not None:
                _console.print(
                    f"epoch {step.epoch + 1} of {epochs}: UAR {step.uar:.3f} on calibration voices"
                )
    typer.echo(out)


@app.command()
def calibrate(
    checkpoint: CheckpointArgument,
    data: DataArgument,
    budget: Annotated[
        float,
        typer.Option(min=0, max=0.5, help="Largest share of clean calibration clips to leave unanswered."),
    ] = 0.05,
) -> None:
    """Fit temperature, stress calibration and abstention threshold on the calibration voices."""
    from mindtrack_trainer import calibration
    from mindtrack_trainer.scoring import Scorer

    _quiet_libraries()
    with _clear_errors(), _bar("recordings", None) as (bar, task):
        scorer = Scorer.read(checkpoint, lambda done, total: bar.update(task, completed=done, total=total))
        fitted = calibration.calibrate(scorer, data, budget)
        fitted.write(checkpoint)
    typer.echo(fitted.model_dump_json(indent=2))


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
    """Measure the test voices as they would be served; figures, report and plots go to the checkpoint."""
    from mindtrack_trainer import evaluation
    from mindtrack_trainer.calibration import Calibration
    from mindtrack_trainer.packaging import REPORT
    from mindtrack_trainer.plots import write_plots
    from mindtrack_trainer.report import report
    from mindtrack_trainer.scoring import Scorer

    _quiet_libraries()
    with _clear_errors(), _bar("recordings", None) as (bar, task):
        fitted = Calibration.read(checkpoint)
        scorer = Scorer.read(checkpoint, lambda done, total: bar.update(task, completed=done, total=total))
        codecs = None
        if recordings is not None:  # first: what it refuses, it refuses soon
            codecs = {"about": about, **evaluation.codec_robustness(scorer, recordings, fitted)}
        measured = evaluation.evaluate(scorer, data, fitted).model_copy(update={"codec_robustness": codecs})
        measured.write(checkpoint)
        text = report(measured)
        (checkpoint / REPORT).write_text(text)
        write_plots(measured, checkpoint)
    typer.echo(text)


@app.command()
def export(
    checkpoint: CheckpointArgument,
    out: Annotated[Path, typer.Option(help="The bundle directory to write.")],
    bundle_id: Annotated[str, typer.Option("--id", help="Lower case, as in URLs and logs.")],
    licence: Annotated[
        str | None, typer.Option(help="The weights' licence, as an SPDX id; needed after human speech.")
    ] = None,
    intended_use: Annotated[str | None, typer.Option(help="One sentence; needed after human speech.")] = None,
) -> None:
    """Make a bundle of a calibrated and evaluated checkpoint, with ONNX checked against torch."""
    from mindtrack_trainer.export import export_bundle

    _quiet_libraries()
    with _clear_errors(), _console.status("exporting"):
        manifest = export_bundle(checkpoint, out, bundle_id, licence=licence, intended_use=intended_use)
    typer.echo(f"{out}: {manifest.id}, revision {manifest.revision}")


@app.command()
def quantize(
    bundle: Annotated[Path, typer.Argument(help="A directory written by `export` or `import`.")],
    data: DataArgument,
) -> None:
    """Add an int8 variant to a bundle, if it says of unseen speakers what float32 says."""
    from mindtrack_trainer import quantization

    _quiet_libraries()
    with _clear_errors(), _bar("windows", None) as (bar, task):
        manifest = quantization.quantize(
            bundle,
            data,
            lambda name, done, total: bar.update(task, description=name, completed=done, total=total),
        )
    if manifest.quantization is not None:
        typer.echo(manifest.quantization.model_dump_json(indent=2))


@app.command("import")
def import_(  # noqa: PLR0913, PLR0917 - one parameter per option
    checkpoint: Annotated[str, typer.Argument(help="A directory, or the id of a checkpoint on the hub.")],
    out: Annotated[Path, typer.Option(help="The bundle directory to write.")],
    bundle_id: Annotated[str, typer.Option("--id", help="Lower case, as in URLs and logs.")],
    licence: Annotated[str, typer.Option(help="The weights' licence, as an SPDX id.")],
    intended_use: Annotated[str, typer.Option(help="One sentence; it goes into the manifest.")],
    revision: Annotated[
        str | None, typer.Option(help="Which commit on the hub; all forty digits, no branch or tag.")
    ] = None,
    head: Annotated[Head | None, typer.Option(help="Insist on one; else the keys tell.")] = None,
    label: Annotated[
        list[str] | None,
        typer.Option(help="THEIRS=OURS, or THEIRS=none, for labels that are not understood by themselves."),
    ] = None,
    labels_of: Annotated[
        str | None,
        typer.Option(help="Whose labels they are: ravdess, cremad, meld, iemocap, msp, jl, emodb."),
    ] = None,
    emotion_map: Annotated[
        Path | None, typer.Option("--map", help="Written by `fit-map`; for arousal, dominance and valence.")
    ] = None,
    window_seconds: Annotated[float, typer.Option(help="Length of a window.", min=0.1, max=30)] = 5.0,
    hop_seconds: Annotated[float, typer.Option(help="From one window's start to the next's.", min=0.1)] = 2.5,
) -> None:
    """Make a bundle of somebody else's checkpoint. Nothing is measured, and its card says so."""
    from mindtrack_trainer.dataset import Framing
    from mindtrack_trainer.emotion_map import EmotionMap
    from mindtrack_trainer.importing import ImportOptions, import_checkpoint, locate
    from mindtrack_trainer.labels import parse_labels

    _quiet_libraries()
    with _clear_errors(), _console.status("importing"):
        options = ImportOptions(
            bundle_id=bundle_id,
            licence=licence,
            intended_use=intended_use,
            framing=Framing(window_seconds, hop_seconds),
            source=f"{checkpoint}@{revision}" if revision else None,
            labels=parse_labels(label or []),
            labels_of=labels_of,
            head=head,
            emotion_map=EmotionMap.read(emotion_map) if emotion_map else None,
        )
        manifest = import_checkpoint(locate(checkpoint, revision), out, options)
    typer.echo(f"{out}: {manifest.id}, revision {manifest.revision}")


@app.command("fit-map")
def fit_map(
    checkpoint: Annotated[Path, typer.Argument(help="A checkpoint with arousal, dominance and valence.")],
    data: Annotated[Path, typer.Argument(help="A corpus written by `prepare`.")],
    out: Annotated[Path, typer.Option(help="The file to write, for `import --map`.")],
    window_seconds: Annotated[float, typer.Option(help="Length of a window.", min=0.1, max=30)] = 5.0,
) -> None:
    """Fit the way from arousal, dominance and valence to our emotions, on a corpus's training speakers."""
    from mindtrack_trainer import emotion_map
    from mindtrack_trainer.checkpoint import read_checkpoint

    _quiet_libraries()
    with _clear_errors(), _bar("clips", None) as (bar, task):
        fitted = emotion_map.fit_map(
            read_checkpoint(checkpoint),
            data,
            window_seconds,
            lambda done, total: bar.update(task, completed=done, total=total),
        )
        out.write_text(fitted.model_dump_json(indent=2) + "\n")
    typer.echo(f"{out}: fitted on {fitted.fitted_on}")


@app.command()
def samples(out: Annotated[Path, typer.Option(help="Where to write day-1.wav to day-7.m4a.")]) -> None:
    """Write the local demo's seven voice logs."""
    from mindtrack_trainer.samples import make_samples

    with _clear_errors():
        for path in make_samples(out):
            typer.echo(path)


def _quiet_libraries() -> None:
    from transformers.utils.logging import disable_progress_bar, set_verbosity_error

    disable_progress_bar()  # type: ignore[no-untyped-call]  # one bar is enough
    # It lists a base's missing head as if something were wrong; what is wrong, we refuse ourselves.
    set_verbosity_error()  # type: ignore[no-untyped-call]
    # The exporter looks for torchvision's operators, which no speech model has.
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)


@contextmanager
def _clear_errors() -> Iterator[None]:
    try:
        yield
    except (TrainerError, OSError) as error:
        _console.print(f"[red]error:[/red] {escape(str(error))}", highlight=False, soft_wrap=True)
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
