"""An int8 variant joins a bundle only if it says of unseen speakers what float32 says."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from scipy.special import softmax
from typer.testing import CliRunner

from mindtrack_inference.bundle import load_bundle
from mindtrack_shared.bundles import INT8_NAME, INT8_WEIGHTS_NAME, BundleManifest, Head
from mindtrack_shared.openvino import import_openvino
from mindtrack_trainer.__main__ import app
from mindtrack_trainer.checkpoint import read_checkpoint
from mindtrack_trainer.dataset import LABELS, normalise
from mindtrack_trainer.errors import DatasetError, ExportError
from mindtrack_trainer.manifest import read_manifest, write_manifest
from mindtrack_trainer.packaging import NO_REVISION, package
from mindtrack_trainer.quantization import ANY, Tolerance, quantize
from unit.trainer.evaluations import HOP_SECONDS, SPEAKERS, WINDOW_SECONDS, write_checkpoint, write_corpus

FILES = (INT8_NAME, INT8_WEIGHTS_NAME)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Training and test speakers."""
    data = tmp_path_factory.mktemp("data")
    write_corpus(data)
    clips = read_manifest(data)
    write_manifest(
        data, [c.model_copy(update={"split": "train"}) if c.split == "calibration" else c for c in clips]
    )
    return data


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle in float32."""
    checkpoint, out = tmp_path_factory.mktemp("checkpoint"), tmp_path_factory.mktemp("plain")
    write_checkpoint(checkpoint)
    make(checkpoint, out)
    return out


@pytest.fixture(scope="module")
def quantized(plain: Path, corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = shutil.copytree(plain, tmp_path_factory.mktemp("quantized") / "bundle")
    quantize(out, corpus, tolerance=ANY)
    return out


def make(checkpoint: Path, out: Path) -> None:
    draft = BundleManifest(
        id="toy",
        revision=NO_REVISION,
        checksums={},
        window_seconds=WINDOW_SECONDS,
        hop_seconds=HOP_SECONDS,
        label_mapping={str(label): label for label in LABELS},
        licence="Apache-2.0",
        intended_use="Tests.",
    )
    package(read_checkpoint(checkpoint, Head.STOCK), draft, out, lambda _: "# toy\n")


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_the_variant_is_int8_and_answers_as_recorded(quantized: Path) -> None:
    model = import_openvino().Core().read_model(quantized / INT8_NAME)
    types = {node.get_output_element_type(0).get_type_name() for node in model.get_ops()}
    assert "i8" in types
    golden = load_file(quantized / "golden.safetensors")
    compiled = import_openvino().Core().compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    logits = compiled({"input_values": normalise(golden["windows"])})["logits"]
    shares, expected = softmax(logits, axis=1), softmax(golden["logits"], axis=1)
    record = BundleManifest.read(quantized).quantization
    assert record is not None
    assert record.golden.max_difference > 0
    # Kernels for one window and for three may round an activation to neighbouring integers.
    assert np.abs(shares - expected).max() == pytest.approx(record.golden.max_difference, abs=0.01)


def test_the_bundle_stays_whole_and_records_what_was_done(plain: Path, quantized: Path) -> None:
    before, manifest = BundleManifest.read(plain), load_bundle(quantized).manifest
    assert manifest.revision == before.revision
    assert set(manifest.checksums) == {*before.checksums, *FILES}
    record = manifest.quantization
    assert record is not None
    assert (record.calibration_windows, record.calibration_speakers) == (SPEAKERS * len(LABELS), SPEAKERS)
    assert (record.agreement.windows, record.agreement.speakers) == (SPEAKERS * len(LABELS), SPEAKERS)
    assert record.ignored_scope == ()
    assert set(record.versions) == {"nncf", "openvino"}
    assert (
        f"| {SPEAKERS} unseen speakers | 30 | {record.agreement.labels:.2%} |"
        in (quantized / "README.md").read_text()
    )


def test_nothing_reports_home(quantized: Path) -> None:
    assert quantized.is_dir()
    assert sys.modules["openvino_telemetry"] is None


def test_a_variant_that_cannot_agree_is_refused_and_the_bundle_stays(quantized: Path, corpus: Path) -> None:
    before = contents(quantized)
    with pytest.raises(ExportError, match=r"on 30 windows of 6 unseen .*with Convolution left in float32"):
        quantize(quantized, corpus, tolerance=Tolerance(mean=0.0))
    assert contents(quantized) == before


def test_again_takes_the_earlier_one_s_place(quantized: Path, corpus: Path, tmp_path: Path) -> None:
    out = shutil.copytree(quantized, tmp_path / "bundle")
    quantize(out, corpus, tolerance=ANY)
    assert load_bundle(out).manifest.quantization is not None
    assert set(contents(out)) == set(contents(quantized))
    assert (out / "README.md").read_text().count("## int8") == 1


def test_a_newer_bundle_drops_the_older_one_s_variant(plain: Path, quantized: Path, tmp_path: Path) -> None:
    out = shutil.copytree(quantized, tmp_path / "bundle")
    make(plain, out)
    assert load_bundle(out).manifest.quantization is None
    assert set(contents(out)) == set(contents(plain))


@pytest.mark.parametrize("split", ["train", "test"])
def test_a_corpus_without_a_split_is_refused(plain: Path, corpus: Path, tmp_path: Path, split: str) -> None:
    data = shutil.copytree(corpus, tmp_path / "data")
    write_manifest(data, [clip for clip in read_manifest(corpus) if clip.split != split])
    with pytest.raises(DatasetError, match=f"the {split} split of .* has no labelled clip"):
        quantize(plain, data)


def test_a_bundle_without_its_graph_is_refused(plain: Path, corpus: Path, tmp_path: Path) -> None:
    out = shutil.copytree(plain, tmp_path / "bundle")
    (out / "model.onnx").unlink()
    result = CliRunner().invoke(app, ["quantize", str(out), str(corpus)])
    assert result.exit_code == 1
    assert "no whole bundle: it has no model.onnx" in " ".join(result.stderr.split())
