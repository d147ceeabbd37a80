"""Each published layout loads whole, computes what its author's code computes, or is refused by its keys."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from mindtrack_shared.bundles import Head
from mindtrack_trainer.checkpoint import read_checkpoint
from mindtrack_trainer.errors import ExportError
from mindtrack_trainer.packaging import score
from unit.trainer.checkpoints import (
    DIMENSIONS,
    IEMOCAP,
    LABELS,
    LARGE,
    author,
    config,
    config_of,
    published,
    sound,
    write,
)

Tensors = dict[str, Tensor]


def said_by(model: nn.Module) -> Tensor:
    with torch.inference_mode():
        answer: Tensor = model(torch.from_numpy(sound()))
    return answer


@pytest.mark.parametrize("head", list(Head))
@pytest.mark.parametrize("pickled", [True, False])
def test_a_head_is_told_by_its_keys_and_computes_what_its_author_does(
    tmp_path: Path, head: Head, *, pickled: bool
) -> None:
    theirs = author(head, config_of(head))
    checkpoint = read_checkpoint(write(tmp_path, config_of(head), published(theirs), pickled=pickled))
    assert checkpoint.head is head
    assert checkpoint.labels == LABELS[head]
    ours = checkpoint.regression() if head is Head.DIMENSIONAL else checkpoint.model()
    answer = torch.from_numpy(score(ours, sound()))
    torch.testing.assert_close(answer, said_by(theirs), atol=5e-5, rtol=0)
    assert answer.std(dim=0).min() > 1e-3  # the windows are told apart


@pytest.mark.parametrize("large", [True, False])
def test_a_weighted_layer_sum_is_that_of_transformers(tmp_path: Path, *, large: bool) -> None:
    """As superb's checkpoints have it, base and large."""
    settings = config(IEMOCAP, use_weighted_layer_sum=True, **LARGE if large else {})
    theirs = author(Head.STOCK, settings)
    checkpoint = read_checkpoint(write(tmp_path, settings, published(theirs)))
    answer = torch.from_numpy(score(checkpoint.model(), sound()))
    torch.testing.assert_close(answer, said_by(theirs), atol=5e-5, rtol=0)


def test_half_precision_weights_are_computed_with_in_full(tmp_path: Path) -> None:
    theirs = author(Head.STOCK, config(IEMOCAP)).half().float()
    halves = {name: tensor.half() for name, tensor in published(theirs).items()}
    checkpoint = read_checkpoint(write(tmp_path, config(IEMOCAP), halves))
    answer = torch.from_numpy(score(checkpoint.model(), sound()))
    torch.testing.assert_close(answer, said_by(theirs), atol=5e-5, rtol=0)


def test_todays_names_of_weight_norm_are_understood_too(tmp_path: Path) -> None:
    theirs = author(Head.STOCK, config(IEMOCAP))
    tensors = {name.removeprefix("theirs."): tensor for name, tensor in theirs.state_dict().items()}
    assert "wav2vec2.encoder.pos_conv_embed.conv.parametrizations.weight.original0" in tensors
    checkpoint = read_checkpoint(write(tmp_path, config(IEMOCAP), tensors))
    answer = torch.from_numpy(score(checkpoint.model(), sound()))
    torch.testing.assert_close(answer, said_by(theirs), atol=5e-5, rtol=0)


def without(*names: str) -> Callable[[Tensors], Tensors]:
    return lambda tensors: {name: tensor for name, tensor in tensors.items() if name not in names}


def plus(name: str, *shape: int) -> Callable[[Tensors], Tensors]:
    return lambda tensors: tensors | {name: torch.zeros(shape)}


def encoder_only(tensors: Tensors) -> Tensors:
    return {name: tensor for name, tensor in tensors.items() if name.startswith("wav2vec2.")}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (encoder_only, "no head: it is a bare encoder, which must be fine-tuned first"),
        (
            without("projector.bias"),
            "no known head has the keys classifier.bias, classifier.weight, projector.w",
        ),
        (
            plus("classifier.dense.weight", 16, 16),
            "no known head has the keys .*classifier.dense.weight.*Known are",
        ),
    ],
)
def test_a_layout_that_nobody_knows_is_refused(
    tmp_path: Path, change: Callable[[Tensors], Tensors], message: str
) -> None:
    tensors = published(author(Head.STOCK, config(IEMOCAP)))
    with pytest.raises(ExportError, match=message):
        read_checkpoint(write(tmp_path, config(IEMOCAP), change(tensors)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (encoder_only, "missing: projector.weight, projector.bias, classifier.weight, classifier.bias$"),
        (plus("classifier.dense.weight", 16, 16), "unexpected: classifier.dense.weight$"),
        (
            plus("classifier.weight", 7, 256),
            r"misshapen: classifier.weight \(7, 256\) instead of \(4, 256\)$",
        ),
        (without("wav2vec2.encoder.layer_norm.bias"), "missing: wav2vec2.encoder.layer_norm.bias$"),
        (without("wav2vec2.encoder.pos_conv_embed.conv.weight_g"), "missing: .*conv.*original0$"),
        (plus("wav2vec2.adapter.proj.weight", 1), "unexpected: wav2vec2.adapter.proj.weight$"),
    ],
)
def test_one_wrong_key_is_enough(tmp_path: Path, change: Callable[[Tensors], Tensors], message: str) -> None:
    tensors = published(author(Head.STOCK, config(IEMOCAP)))
    checkpoint = read_checkpoint(write(tmp_path, config(IEMOCAP), change(tensors)), Head.STOCK)
    with pytest.raises(ExportError, match=f"the weights do not fit: {message}"):
        checkpoint.model()


def test_a_regression_without_its_map_is_no_classifier(tmp_path: Path) -> None:
    tensors = published(author(Head.DIMENSIONAL, config(DIMENSIONS)))
    checkpoint = read_checkpoint(write(tmp_path, config(DIMENSIONS), tensors))
    with pytest.raises(ExportError, match=r"missing: emotions.weight, emotions.bias"):
        checkpoint.model()


def test_a_classifier_is_no_regression(tmp_path: Path) -> None:
    tensors = published(author(Head.STOCK, config(IEMOCAP)))
    with pytest.raises(ExportError, match="has a stock head; it needs no map"):
        read_checkpoint(write(tmp_path, config(IEMOCAP), tensors)).regression()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model_type": "hubert"}, "a model of type hubert; only wav2vec2 is supported"),
        (
            {"auto_map": {"AutoModel": "modeling.EmotionModel"}},
            r"code of its own \(auto_map\), and none is ever",
        ),
        ({"pooling_mode": "max"}, "pools by max; only the mean over time"),
        ({"add_adapter": True}, "has adapter layers"),
        ({"hidden_size": "big"}, r"config\.json is no configuration of a wav2vec2: .*hidden_size"),
        ({"conv_dim": [8]}, r"config\.json is no configuration of a wav2vec2: "),
        ({"hidden_act": "no-such"}, r"config\.json makes no model: "),
        ({"num_conv_pos_embedding_groups": 0}, r"config\.json makes no model: "),
        ({"num_attention_heads": 3}, r"config\.json makes no model: "),
    ],
)
def test_what_a_configuration_may_not_ask_for(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    folder = write(tmp_path, config(IEMOCAP), published(author(Head.STOCK, config(IEMOCAP))))
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    with pytest.raises(ExportError, match=message):
        read_checkpoint(folder).model()


@pytest.mark.parametrize("text", ["[]", "null", '"wav2vec2"'])
def test_a_configuration_is_an_object(tmp_path: Path, text: str) -> None:
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ExportError, match="holds a model of type None; only wav2vec2"):
        read_checkpoint(tmp_path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('{"sampling_rate": 16000, "auto_map": {"AutoFeatureExtractor": "x.X"}}', r"of its own \(auto_map\)"),
        ("[]", "is no configuration of a feature extractor"),
        ("sampling_rate: 16000", "is no configuration of a feature extractor"),
    ],
)
def test_what_a_preprocessor_may_not_be(tmp_path: Path, text: str, message: str) -> None:
    folder = write(tmp_path, config(IEMOCAP), published(author(Head.STOCK, config(IEMOCAP))))
    (folder / "preprocessor_config.json").write_text(text)
    with pytest.raises(ExportError, match=rf"preprocessor_config\.json .*{message}"):
        read_checkpoint(folder)


def test_a_model_that_listens_at_another_rate_is_refused(tmp_path: Path) -> None:
    tensors = published(author(Head.STOCK, config(IEMOCAP)))
    folder = write(tmp_path, config(IEMOCAP), tensors, sampling_rate=8_000)
    with pytest.raises(
        ExportError, match="listens at 8000 Hz, not 16000: choose a model that was trained at"
    ):
        read_checkpoint(folder)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("config.json", "is no checkpoint: it has no config.json"),
        ("preprocessor_config.json", "has no preprocessor_config.json: copy that of the model"),
        ("model.safetensors", "has neither model.safetensors nor pytorch_model.bin"),
    ],
)
def test_a_missing_file_is_named(tmp_path: Path, name: str, message: str) -> None:
    folder = write(tmp_path, config(IEMOCAP), published(author(Head.STOCK, config(IEMOCAP))))
    (folder / name).unlink()
    with pytest.raises(ExportError, match=message):
        read_checkpoint(folder)


class Trap:
    """Pickled, it would run code when loaded."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return _spring, ("caught",)


def _spring(word: str) -> None:
    raise SystemExit(word)


@pytest.mark.parametrize("content", [b"", b"junk", None])
def test_weights_that_are_not_plain_tensors_are_refused(tmp_path: Path, content: bytes | None) -> None:
    folder = write(tmp_path, config(IEMOCAP), {}, pickled=True)
    if content is None:
        torch.save({"classifier.weight": Trap()}, folder / "pytorch_model.bin")
    else:
        (folder / "pytorch_model.bin").write_bytes(content)
    with pytest.raises(ExportError, match="are no plain tensors by name"):
        read_checkpoint(folder)
