"""Engines agree with each other, and with the bundle, or are not served."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from importlib.machinery import ModuleSpec
from pathlib import Path

import numpy as np
import onnx
import pytest
from structlog.testing import capture_logs

from mindtrack_inference.bundle import Bundle, load_bundle
from mindtrack_inference.classifier import Classifier
from mindtrack_inference.engines import Precision, PrecisionChoice, openvino
from mindtrack_inference.engines.selection import Capabilities, open_engine
from mindtrack_inference.engines.torch import has_cuda
from mindtrack_shared.bundles import INT8_NAME, INT8_WEIGHTS_NAME, BundleError, Head
from mindtrack_shared.domain.emotions import Emotion
from mindtrack_shared.observability import events
from mindtrack_shared.openvino import import_openvino
from mindtrack_trainer.checkpoint import read_checkpoint
from mindtrack_trainer.dataset import Framing
from mindtrack_trainer.emotion_map import EmotionMap, head_digest
from mindtrack_trainer.importing import ImportOptions, import_checkpoint
from unit.inference.models import listening_model, sha256, write_bundle
from unit.trainer.checkpoints import author, config_of, published, sound, write

PLAIN = Capabilities(frozenset({"FP32", "INT8"}), frozenset({"avx2"}))
VNNI = Capabilities(frozenset({"FP32", "INT8"}), frozenset({"avx2", "avx_vnni"}))
AMX = Capabilities(frozenset({"FP32", "INT8", "BF16"}), frozenset({"amx_int8", "amx_bf16"}))


@pytest.fixture
def tiny(tmp_path: Path) -> Path:
    return write_bundle(tmp_path / "tiny", listening_model())


def with_int8(directory: Path, *, seed: int = 0) -> Bundle:
    """Add an int8 variant: the graph itself, or another one's with another seed."""
    graph = directory.parent / "variant.onnx"
    onnx.save(listening_model(seed=seed), graph)
    openvino = import_openvino()
    model = openvino.Core().read_model(graph)
    openvino.save_model(model, directory / INT8_NAME, compress_to_fp16=False)
    vouch(directory, INT8_NAME, INT8_WEIGHTS_NAME)
    return load_bundle(directory)


def vouch(directory: Path, *names: str) -> None:
    path = directory / "mindtrack.json"
    manifest = json.loads(path.read_text())
    manifest["checksums"] |= {name: sha256(directory / name) for name in names}
    path.write_text(json.dumps(manifest))


def without(monkeypatch: pytest.MonkeyPatch, absent: str) -> None:
    find = importlib.util.find_spec

    def spec(name: str, package: str | None = None) -> ModuleSpec | None:
        return None if name == absent else find(name, package)

    monkeypatch.setattr("mindtrack_inference.engines.torch.find_spec", spec)


@pytest.mark.parametrize("head", Head)
def test_torch_and_openvino_agree(tmp_path: Path, head: Head) -> None:
    settings = config_of(head)
    directory = write(tmp_path / "in", settings, published(author(head, settings)))
    bundle = served(directory, tmp_path / "bundle", head)
    engines = [
        Classifier.load(bundle, engine="torch", precision="fp32"),
        Classifier.load(bundle, engine="openvino", precision="fp32"),
    ]
    ours, theirs = (each.logits(sound(5)) for each in engines)
    assert np.ptp(ours, axis=0).max() > 1e-3  # they do tell windows apart
    assert np.abs(ours - theirs).max() <= 1e-4
    assert [(e.provenance.engine, e.provenance.precision) for e in engines] == [
        ("torch", "fp32"),
        ("openvino", "fp32"),
    ]


def served(directory: Path, out: Path, head: Head) -> Bundle:
    fitted = None
    if head is Head.DIMENSIONAL:
        fitted = EmotionMap(
            labels=list(Emotion),
            weight=np.random.default_rng(2).standard_normal((5, 3)).tolist(),
            bias=[0.0] * 5,
            fitted_on="nothing",
            head_digest=head_digest(read_checkpoint(directory)),
        )
    options = ImportOptions(
        bundle_id="theirs",
        licence="MIT",
        intended_use="tests",
        framing=Framing(window_seconds=1.0, hop_seconds=0.5),
        emotion_map=fitted,
    )
    import_checkpoint(directory, out, options)
    return load_bundle(out)


@pytest.mark.parametrize(("cpu", "precision"), [(PLAIN, "fp32"), (VNNI, "int8")])
def test_auto_takes_int8_where_the_cpu_has_instructions_for_it(
    tiny: Path, cpu: Capabilities, precision: str
) -> None:
    assert open_engine(with_int8(tiny), engine="openvino", cpu=cpu).precision == precision


def test_auto_takes_no_int8_from_a_bundle_without(tiny: Path) -> None:
    assert open_engine(load_bundle(tiny), engine="openvino", cpu=VNNI).precision == "fp32"


def test_candidates_are_tried_from_the_quickest() -> None:
    assert AMX.candidates() == ("int8", "bf16", "fp32")
    assert VNNI.candidates() == ("int8", "fp32")
    assert PLAIN.candidates() == ("fp32",)


def test_auto_steps_down_from_a_variant_that_disagrees(tiny: Path) -> None:
    with capture_logs() as logs:
        engine = open_engine(with_int8(tiny, seed=1), engine="openvino", cpu=VNNI)
    assert engine.precision == "fp32"
    (log,) = logs
    assert (log["event"], log["precision"], log["instead"]) == (events.ENGINE_STEPPED_DOWN, "int8", "fp32")
    assert "of the golden labels" in str(log["exc_info"])


def test_auto_steps_down_from_a_variant_that_cannot_be_read(tiny: Path) -> None:
    with_int8(tiny)
    (tiny / INT8_NAME).write_text("junk")
    vouch(tiny, INT8_NAME)
    with capture_logs() as logs:
        assert open_engine(load_bundle(tiny), engine="openvino", cpu=VNNI).precision == "fp32"
    assert "cannot score" in str(logs[0]["exc_info"])


def test_a_variant_asked_for_is_not_replaced(tiny: Path) -> None:
    with pytest.raises(BundleError, match=r"of the golden labels .* choose another precision or auto"):
        open_engine(with_int8(tiny, seed=1), engine="openvino", precision="int8", cpu=VNNI)


@pytest.mark.parametrize(
    ("precision", "message"),
    [
        ("bf16", "does not compute in bf16: choose one of fp32, int8, or auto"),
        ("fp16", "does not compute in fp16"),
        ("int8", "has no int8 variant: make one with `mindtrack-trainer quantize`"),
    ],
)
def test_what_machine_or_bundle_lack_is_refused(tiny: Path, precision: PrecisionChoice, message: str) -> None:
    with pytest.raises(BundleError, match=message):
        open_engine(load_bundle(tiny), engine="openvino", precision=precision, cpu=PLAIN)


def test_torch_on_a_cpu_computes_in_float32_only(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(BundleError, match="torch on this device does not compute in bf16"):
        open_engine(load_bundle(tiny), engine="torch", precision="bf16")


@pytest.mark.parametrize("absent", ["torch", "transformers"])
def test_without_torch_openvino_serves(tiny: Path, monkeypatch: pytest.MonkeyPatch, absent: str) -> None:
    without(monkeypatch, absent)
    bundle = load_bundle(tiny)
    assert open_engine(bundle, cpu=PLAIN).name == "openvino"
    with pytest.raises(BundleError, match=r"torch is not installed: install mindtrack-inference\[torch\]"):
        open_engine(bundle, engine="torch")


def test_auto_without_cuda_is_openvino(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    assert open_engine(load_bundle(tiny), cpu=PLAIN).name == "openvino"


@pytest.mark.skipif(has_cuda(), reason="torch is what auto takes here")
@pytest.mark.parametrize("engine", ["openvino", "auto"])
def test_openvino_imports_no_torch(tiny: Path, engine: str) -> None:
    script = """
import sys
from mindtrack_inference.bundle import load_bundle
from mindtrack_inference.classifier import Classifier
Classifier.load(load_bundle(sys.argv[1]), engine=sys.argv[2])
assert not {"torch", "transformers"} & set(sys.modules)
"""
    subprocess.run([sys.executable, "-c", script, str(tiny), engine], check=True)


@pytest.mark.parametrize("name", [INT8_NAME, INT8_WEIGHTS_NAME])
def test_an_int8_variant_without_checksum_is_refused(tiny: Path, name: str) -> None:
    (tiny / name).write_bytes(b"left over")
    with pytest.raises(BundleError, match=f"no checksum names {name}"):
        load_bundle(tiny)


@pytest.mark.parametrize("name", [INT8_NAME, INT8_WEIGHTS_NAME])
def test_half_an_int8_variant_is_refused(tiny: Path, name: str) -> None:
    (tiny / name).write_bytes(b"half")
    vouch(tiny, name)
    with pytest.raises(BundleError, match=f"names {name} alone"):
        load_bundle(tiny)


def test_compiled_models_are_kept(tiny: Path, tmp_path: Path) -> None:
    bundle, cache = load_bundle(tiny), tmp_path / "cache"
    windows = np.random.default_rng(3).standard_normal((2, bundle.window_samples)).astype(np.float32)
    first, second = (open_engine(bundle, engine="openvino", cpu=PLAIN, cache=cache) for _ in range(2))
    assert list(cache.iterdir())
    np.testing.assert_array_equal(first.score(windows), second.score(windows))


def test_windows_are_scored_together_as_they_are_alone() -> None:
    bundle = load_bundle("demo-synthetic")
    engine = openvino.load(bundle, Precision.FP32, threads=2)
    cut = np.random.default_rng(4).standard_normal((5, bundle.window_samples)).astype(np.float32)
    assert engine.batch == 2
    together = engine.score(cut)
    assert len(engine._together) == 2
    assert np.ptp(together, axis=0).max() > 1e-3  # they do tell windows apart
    np.testing.assert_array_equal(together, np.concatenate([engine.score(row[np.newaxis]) for row in cut]))


def test_ways_of_computing_that_differ_are_not_mixed(tiny: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(openvino, "SAME", -1.0)  # which nothing is
    bundle = load_bundle(tiny)
    engine = openvino.load(bundle, Precision.FP32, threads=2)
    assert engine.score(np.zeros((3, bundle.window_samples), np.float32)).shape == (3, len(bundle.labels))
    assert len(engine._together) == 1


def test_windows_come_one_by_one_where_nothing_is_gained_or_memory_is_dear(tiny: Path) -> None:
    bundle = load_bundle(tiny)
    engines = [openvino.load(bundle, Precision.FP32, threads=1)]
    engines.append(openvino.load(bundle, Precision.FP32, threads=2, together=False))
    assert [engine.batch for engine in engines] == [1, 1]


def test_no_more_windows_at_once_than_memory_serves(tiny: Path) -> None:
    engine = open_engine(load_bundle(tiny), engine="openvino", cpu=PLAIN, threads=64)
    assert engine.batch == openvino.MOST_TOGETHER
