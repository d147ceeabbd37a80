"""Adds an int8 variant to a bundle: post-training quantization of its ONNX graph with NNCF.

A variant is kept only if it says what the float32 model says, of speakers whom neither training nor
quantization heard. Weights use half of the int8 range (`overflow_fix`): without VNNI, x86 adds products of
int8 up in 16 bits and would saturate. The head, a few thousand multiplications, stays as it is: quantised, it
alone moved demo-synthetic's probabilities by 0.020 on average, all the rest by 0.003. Speed is not measured
here.
"""

from __future__ import annotations

import io
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import redirect_stdout
from dataclasses import dataclass
from functools import partial
from itertools import chain, zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import load_file
from transformers import Wav2Vec2FeatureExtractor

from mindtrack_shared.bundles import (
    CONFIG_NAME,
    GOLDEN_NAME,
    INT8_NAME,
    INT8_WEIGHTS_NAME,
    MANIFEST_NAME,
    ONNX_NAME,
    SAMPLE_RATE,
    Agreement,
    BundleError,
    BundleManifest,
    CheckpointConfig,
    Quantization,
)
from mindtrack_shared.domain.calibration import calibrated, selection
from mindtrack_shared.openvino import cpu_options, import_openvino
from mindtrack_trainer.dataset import normalise
from mindtrack_trainer.errors import DatasetError, ExportError
from mindtrack_trainer.manifest import Split, Utterance, read_manifest
from mindtrack_trainer.model_card import with_int8
from mindtrack_trainer.packaging import CARD_NAME, sha256
from mindtrack_trainer.sound import read_wav

CALIBRATION_WINDOWS, TEST_WINDOWS = 300, 500
_SEED = 8
#: Operation types left in float32, the fastest candidate first. wav2vec2's only plain convolutions are those
#: of its feature encoder; the positional one is a GroupConvolution.
_CANDIDATES: tuple[tuple[str, ...], ...] = ((), ("Convolution",))

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many windows are done, and how many there are."""

Windows = NDArray[np.float32]  # (n, samples), as the model takes them


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a variant may be from float32 on the test windows."""

    #: Least share of windows with the same likeliest emotion.
    labels: float = 0.99
    #: Most that probabilities may differ, on average over windows and emotions, and anywhere.
    mean: float = 0.01
    largest: float = 0.1

    def allows(self, found: Agreement) -> bool:
        return (
            found.labels >= self.labels
            and found.mean_difference <= self.mean
            and found.max_difference <= self.largest
        )


ANY = Tolerance(labels=0.0, mean=1.0, largest=1.0)


@dataclass(frozen=True, slots=True)
class _Heard:
    windows: Windows
    speakers: int


def quantize(
    bundle: Path,
    corpus: Path,
    progress: Progress | None = None,
    *,
    tolerance: Tolerance = Tolerance(),
) -> BundleManifest:
    """Write the int8 variant into a bundle, in place of an earlier one, and return the new manifest.

    Of `_CANDIDATES`, the first is taken that follows float32 closely enough on the test windows.

    Raises:
        ExportError: the directory is no bundle, or no candidate agrees; the bundle is left as it was.
        DatasetError: the corpus has no training or no test clip that fills a window.

    """
    manifest = _manifest(bundle)
    told = progress or (lambda *_: None)
    learnt = _windows(bundle, manifest, corpus, "train", CALIBRATION_WINDOWS)
    unseen = _windows(bundle, manifest, corpus, "test", TEST_WINDOWS)
    golden = _Heard(_as_served(bundle, load_file(bundle / GOLDEN_NAME)["windows"]), 0)
    openvino = import_openvino()
    import nncf  # type: ignore[import-untyped]  # noqa: PLC0415 - once the telemetry is hidden

    nncf.set_log_level(logging.ERROR)
    model = openvino.Core().read_model(bundle / ONNX_NAME)
    judge = _Judge(bundle, manifest, told)
    float32 = [judge.probabilities(model, heard.windows, "float32", "f32") for heard in (unseen, golden)]
    head = _head(model)
    refused = []
    for number, ignored in enumerate(_CANDIDATES, start=1):
        name = f"int8 {number}/{len(_CANDIDATES)}"
        scope = nncf.IgnoredScope(names=list(head), types=list(ignored))
        variant = _quantized(nncf, model, learnt.windows, scope, partial(told, name))
        agreement, on_golden = (
            _worst(
                _agreement(heard, expected, judge.probabilities(variant, heard.windows, name, rest))
                for rest in _rests()
            )
            for heard, expected in zip((unseen, golden), float32, strict=True)
        )
        if tolerance.allows(agreement):
            record = Quantization(
                method="NNCF post-training quantization, transformer, mixed preset, fast bias correction, "
                "overflow fix, head in float32",
                versions={"nncf": nncf.__version__, "openvino": openvino.__version__},
                calibration_windows=len(learnt.windows),
                calibration_speakers=learnt.speakers,
                ignored_scope=ignored,
                agreement=agreement,
                golden=on_golden,
            )
            return _write(bundle, manifest, variant, record)
        refused.append(
            f"with {', '.join(ignored) or 'nothing'} left in float32, {agreement.labels:.2%} of labels agree "
            f"and probabilities differ by {agreement.mean_difference:.4f} on average, "
            f"{agreement.max_difference:.3f} at most"
        )
    raise ExportError(
        f"{bundle} stays without int8: on {len(unseen.windows)} windows of {unseen.speakers} unseen "
        f"speakers, {'; '.join(refused)}; needed are {tolerance.labels:.2%}, {tolerance.mean:g} and "
        f"{tolerance.largest:g}. Serve this bundle in another precision"
    )


def _manifest(bundle: Path) -> BundleManifest:
    try:
        manifest = BundleManifest.read(bundle)
    except BundleError as error:
        raise ExportError(str(error)) from error
    if absent := [name for name in (*manifest.checksums, CARD_NAME) if not (bundle / name).is_file()]:
        raise ExportError(
            f"{bundle} is no whole bundle: it has no {', '.join(absent)}; make it again with "
            "`mindtrack-trainer export` or `import`"
        )
    return manifest


def _windows(bundle: Path, manifest: BundleManifest, corpus: Path, split: Split, most: int) -> _Heard:
    """One window each of up to `most` clips, clean or degraded, spread over labels and speakers."""
    length = round(manifest.window_seconds * SAMPLE_RATE)
    clips = [
        u
        for u in read_manifest(corpus)
        if u.split == split and u.label is not None and round(u.seconds * SAMPLE_RATE) >= length
    ]
    if not clips:
        raise DatasetError(
            f"the {split} split of {corpus} has no labelled clip of {manifest.window_seconds:g} s or more: "
            "calibrating needs training speakers and measuring needs test speakers"
        )
    rng = np.random.default_rng(_SEED)
    chosen = list(_spread(clips, rng))[:most]
    cuts = np.stack([_cut(corpus, clip, length, rng) for clip in chosen])
    return _Heard(_as_served(bundle, cuts), len({clip.speaker for clip in chosen}))


def _spread(clips: list[Utterance], rng: np.random.Generator) -> Iterator[Utterance]:
    """Label by label in turn, and no speaker a second time before all others of that label."""
    by_label: dict[str, list[tuple[int, Utterance]]] = {}
    turns: Counter[tuple[str, str]] = Counter()
    for index in rng.permutation(len(clips)):
        clip = clips[index]
        by_label.setdefault(str(clip.label), []).append((turns[str(clip.label), clip.speaker], clip))
        turns[str(clip.label), clip.speaker] += 1
    ordered = [sorted(by_label[label], key=lambda turn: turn[0]) for label in sorted(by_label)]
    return (turn[1] for turn in chain.from_iterable(zip_longest(*ordered)) if turn is not None)


def _cut(corpus: Path, clip: Utterance, length: int, rng: np.random.Generator) -> Windows:
    views = [path for path in (clip.path, clip.degraded_path) if path is not None]
    samples = read_wav(corpus / views[rng.integers(len(views))])
    if len(samples) < length:
        raise DatasetError(
            f"{corpus / clip.path} is shorter than its manifest says: prepare the corpus again"
        )
    start = rng.integers(len(samples) - length + 1)
    return samples[start : start + length].astype(np.float32) / np.float32(32768.0)


def _as_served(bundle: Path, windows: Windows) -> Windows:
    extractor = Wav2Vec2FeatureExtractor.from_pretrained(bundle)
    return normalise(windows) if extractor.do_normalize else windows


def _head(model: Any) -> tuple[str, ...]:  # noqa: ANN401
    """Names of the products behind the mean over time: every head pools before it multiplies."""
    names: list[str] = []
    for operation in model.get_ordered_ops():
        match operation.get_type_name():
            case "ReduceMean":
                names.clear()
            case "MatMul":
                names.append(operation.get_friendly_name())
    return tuple(names)


def _rests() -> tuple[str, ...]:
    """What workers compute in where the graph is not quantised: float32, or bfloat16 where the CPU has it."""
    able = import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    return ("f32", "bf16") if "BF16" in able else ("f32",)


def _quantized(
    nncf: Any,  # noqa: ANN401 - ships no types
    model: Any,  # noqa: ANN401
    windows: Windows,
    ignored: Any,  # noqa: ANN401
    told: Callable[[int, int], None],
) -> Any:  # noqa: ANN401
    def fed() -> Iterator[Windows]:  # several passes, each from the start
        for number, window in enumerate(windows, start=1):
            told(number, len(windows))
            yield window[np.newaxis]

    class Fed:
        def __iter__(self) -> Iterator[Windows]:
            return fed()

    with redirect_stdout(io.StringIO()):  # its own bars; stdout carries results only
        return nncf.quantize(
            model.clone(),
            nncf.Dataset(Fed()),
            preset=nncf.QuantizationPreset.MIXED,
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=len(windows),
            fast_bias_correction=True,
            ignored_scope=ignored,
            advanced_parameters=nncf.AdvancedQuantizationParameters(overflow_fix=nncf.OverflowFix.ENABLE),
        )


class _Judge:
    """Scores windows one by one, as a worker on a CPU does."""

    def __init__(self, bundle: Path, manifest: BundleManifest, told: Progress) -> None:
        config = CheckpointConfig.model_validate_json((bundle / CONFIG_NAME).read_bytes())
        self._selection = selection(config.labels, manifest.label_mapping)
        self._temperature, self._told = manifest.temperature, told

    def probabilities(self, model: Any, windows: Windows, name: str, rest: str) -> NDArray[np.float64]:  # noqa: ANN401
        """After the temperature, of the emotions that the model can express. (n, emotions)

        `rest` is what is computed in where the graph is not quantised, as OpenVINO spells it.
        """
        single = model.clone()
        single.reshape({"input_values": [1, windows.shape[1]]})
        compiled = import_openvino().Core().compile_model(single, "CPU", cpu_options(hint=rest))
        logits = []
        for number, window in enumerate(windows, start=1):
            logits.append(compiled({"input_values": window[np.newaxis]})["logits"][0].copy())
            self._told(f"{name}: measuring", number, len(windows))
        scores = calibrated(np.stack(logits), self._selection, self._temperature).probabilities
        return scores[:, self._selection.any(axis=0)]


def _agreement(heard: _Heard, expected: NDArray[np.float64], found: NDArray[np.float64]) -> Agreement:
    difference = np.abs(found - expected)
    return Agreement(
        windows=len(found),
        speakers=heard.speakers,
        labels=float((found.argmax(axis=1) == expected.argmax(axis=1)).mean()),
        mean_difference=float(difference.mean()),
        max_difference=float(difference.max()),
    )


def _worst(found: Iterable[Agreement]) -> Agreement:
    every = list(found)
    return every[0].model_copy(
        update={
            "labels": min(each.labels for each in every),
            "mean_difference": max(each.mean_difference for each in every),
            "max_difference": max(each.max_difference for each in every),
        }
    )


def _write(bundle: Path, manifest: BundleManifest, variant: Any, record: Quantization) -> BundleManifest:  # noqa: ANN401
    """Move variant, card and, last, the manifest into place: what breaks off halfway has no int8."""
    names = (INT8_NAME, INT8_WEIGHTS_NAME)
    others = {name: told for name, told in manifest.checksums.items() if name not in names}
    with TemporaryDirectory(prefix=".new-", dir=bundle) as folder:
        new = Path(folder)
        import_openvino().save_model(variant, new / INT8_NAME, compress_to_fp16=False)
        (new / CARD_NAME).write_text(with_int8((bundle / CARD_NAME).read_text(), record))
        if manifest.quantization is not None:
            without = manifest.model_copy(update={"checksums": others, "quantization": None})
            without.write(new)
            (new / MANIFEST_NAME).replace(bundle / MANIFEST_NAME)
        checksums = others | {name: sha256(new / name) for name in names}
        written = manifest.model_copy(update={"checksums": checksums, "quantization": record})
        written.write(new)
        for name in (*names, CARD_NAME, MANIFEST_NAME):
            (new / name).replace(bundle / name)
    return written
