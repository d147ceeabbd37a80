"""torch, for machines with a CUDA device. On the CPU it computes in float32 only, for comparison."""

from __future__ import annotations

import json
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mindtrack_inference.bundle import Bundle
from mindtrack_inference.engines import Precision
from mindtrack_shared.bundles import CONFIG_NAME, WEIGHTS_NAME, BundleError

if TYPE_CHECKING:
    import torch

    from mindtrack_shared.heads import HeadedEncoder

NAME = "torch"
#: NVIDIA's table of wav2vec2-base on an A100 gains nothing beyond 8 windows of 6.5 s; ours are shorter.
CUDA_BATCH = 16
#: What NVIDIA's driver shows on Linux, and under WSL.
_DRIVERS = (Path("/dev/nvidiactl"), Path("/dev/dxg"))


def installed() -> bool:
    """Whether the optional packages are there; imports neither."""
    return all(find_spec(name) is not None for name in ("torch", "transformers"))


def has_cuda() -> bool:
    """Whether there is a CUDA device; imports torch, which takes seconds, only where there may be one."""
    if not any(device.exists() for device in _DRIVERS):
        return False
    import torch  # noqa: PLC0415

    return torch.cuda.is_available()


def precisions() -> tuple[Precision, ...]:
    """What the device can compute in, quickest first."""
    import torch  # noqa: PLC0415

    if not torch.cuda.is_available():
        return (Precision.FP32,)
    half = torch.cuda.is_bf16_supported(including_emulation=False)
    return (Precision.BF16 if half else Precision.FP16, Precision.FP32)


class TorchEngine:
    """The checkpoint itself, always called with as many windows: every shape is known to the kernels."""

    name = NAME

    def __init__(
        self, model: HeadedEncoder, precision: Precision, device: torch.device, batch: int, samples: int
    ) -> None:
        import torch  # noqa: PLC0415

        self.precision, self.batch = precision, batch
        self._model, self._device = model, device
        # From pinned memory the device copies by itself.
        self._input = torch.zeros(batch, samples, pin_memory=device.type == "cuda")
        self._dtype = {Precision.BF16: torch.bfloat16, Precision.FP16: torch.float16}.get(precision)

    def score(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        parts = [self._batch(windows[at : at + self.batch]) for at in range(0, len(windows), self.batch)]
        return np.concatenate(parts) if parts else np.empty((0, self._model.labels), np.float32)

    def _batch(self, windows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Score up to a batch of windows; repeats fill it and are dropped."""
        import torch  # noqa: PLC0415

        self._input.numpy()[:] = np.resize(windows, self._input.shape)
        autocast = torch.autocast(self._device.type, self._dtype, enabled=self._dtype is not None)
        with torch.inference_mode(), autocast:
            answer = self._model(self._input.to(self._device, non_blocking=True))
        logits: NDArray[np.float32] = answer[: len(windows)].float().cpu().numpy()
        return logits


def load(bundle: Bundle, precision: Precision, *, threads: int | None = None) -> TorchEngine:
    """Build a bundle's model from its configuration and weights, on the CUDA device if there is one.

    `threads` bounds the cores of this process's torch; as torch sees fit when None.

    Raises:
        BundleError: the configuration or the weights make no model.

    """
    import torch  # noqa: PLC0415
    from safetensors.torch import load_file  # noqa: PLC0415
    from torch.nn.utils import parametrize  # noqa: PLC0415
    from transformers import Wav2Vec2Config  # noqa: PLC0415

    from mindtrack_shared.heads import HEADS  # noqa: PLC0415

    cuda = torch.cuda.is_available()
    device = torch.device("cuda" if cuda else "cpu")
    if threads is not None:
        torch.set_num_threads(threads)
    if cuda:
        # TensorFloat-32 would miss the golden logits.
        torch.backends.cudnn.allow_tf32 = False
        torch.backends.cuda.matmul.allow_tf32 = False
    path = bundle.directory / CONFIG_NAME
    document = json.loads(path.read_bytes())
    try:
        config = Wav2Vec2Config.from_dict(document, attn_implementation="sdpa")
    except (TypeError, ValueError) as error:
        raise BundleError(f"{path} is no configuration of a wav2vec2: {error}") from error
    tensors = load_file(bundle.directory / WEIGHTS_NAME)
    model = HEADS[bundle.manifest.head].from_checkpoint(config, tensors)
    convolution = model.wav2vec2.encoder.pos_conv_embed.conv
    if parametrize.is_parametrized(convolution, "weight"):
        parametrize.remove_parametrizations(convolution, "weight")  # computed once, not at each call
    return TorchEngine(model.to(device), precision, device, CUDA_BATCH if cuda else 1, bundle.window_samples)
