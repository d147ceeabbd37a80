"""The golden windows: what an engine must say of them before it may say anything of people."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mindtrack_inference.bundle import Bundle
from mindtrack_inference.engines import Engine, Precision
from mindtrack_shared.bundles import GOLDEN_TOLERANCE, BundleError

#: Keeps silence finite. From transformers' Wav2Vec2FeatureExtractor.zero_mean_unit_var_norm.
VARIANCE_FLOOR = 1e-7
#: What a reduced precision must keep: the share of equal labels, and the mean |Δp|.
MIN_AGREEMENT, MAX_SHIFT = 0.99, 0.01


def heard(bundle: Bundle, windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Bring windows to what the checkpoint wants: zero mean and unit variance, summed in float64, or as is.

    (n, samples) to (n, samples)
    """
    if not bundle.do_normalize:
        return windows
    mean = windows.mean(axis=1, dtype=np.float64, keepdims=True)
    variance = windows.var(axis=1, dtype=np.float64, keepdims=True)
    values: NDArray[np.float32] = ((windows - mean) / np.sqrt(variance + VARIANCE_FLOOR)).astype(np.float32)
    return values


def check(bundle: Bundle, engine: Engine) -> None:
    """Have an engine score the golden windows.

    Raises:
        BundleError: float32 misses the logits by more than `GOLDEN_TOLERANCE`; or a lower precision chooses
            other labels or shifts the probabilities by more than it may.

    """
    golden = bundle.golden()
    who = f"{bundle.directory} on {engine.name} in {engine.precision}"
    # One by one: an engine need not prepare for more at start.
    each = [engine.score(window[np.newaxis]) for window in heard(bundle, golden.windows)]
    logits = np.concatenate(each).astype(np.float64)  # (k, labels)
    if not np.isfinite(logits).all():
        raise BundleError(f"{who} fails on the golden windows: its logits are not finite")
    if engine.precision is Precision.FP32:
        difference = float(np.abs(logits - golden.logits).max())
        if not difference <= GOLDEN_TOLERANCE:  # also where the stored ones are NaN
            raise BundleError(
                f"{who} misses the golden logits by {difference:.1e}, more than {GOLDEN_TOLERANCE}: "
                "make the bundle again with `mindtrack-trainer export` or `import`"
            )
        return
    temperature = bundle.manifest.temperature
    agreement = float((logits.argmax(axis=1) == golden.logits.argmax(axis=1)).mean())
    shift = float(np.abs(_softmax(logits / temperature) - _softmax(golden.logits / temperature)).mean())
    if not (agreement >= MIN_AGREEMENT and shift <= MAX_SHIFT):
        raise BundleError(
            f"{who} agrees with {agreement:.0%} of the golden labels and shifts the probabilities by "
            f"{shift:.3f} on average ({MIN_AGREEMENT:.0%} and {MAX_SHIFT} are asked): choose another "
            "precision or auto"
        )


def _softmax(logits: NDArray[np.floating]) -> NDArray[np.float64]:
    weights = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return shares
