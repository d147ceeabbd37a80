"""Chooses an engine and a precision: the quickest that says what the bundle says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from mindtrack_inference.bundle import Bundle
from mindtrack_inference.engines import (
    Engine,
    EngineChoice,
    Precision,
    PrecisionChoice,
    golden,
    openvino,
    torch,
)
from mindtrack_shared.bundles import BundleError
from mindtrack_shared.observability import events
from mindtrack_shared.observability.logging import get_logger
from mindtrack_shared.openvino import import_openvino

#: Names of the instructions as Linux spells them in /proc/cpuinfo.
INT8_FLAGS = frozenset({"avx512_vnni", "avx_vnni", "amx_int8"})
BF16_FLAGS = frozenset({"avx512_bf16", "amx_bf16"})
FP16_FLAGS = frozenset({"avx512_fp16", "amx_fp16"})
_CPUINFO = Path("/proc/cpuinfo")


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a CPU can compute in."""

    #: OpenVINO's OPTIMIZATION_CAPABILITIES.
    optimised: frozenset[str]
    #: /proc/cpuinfo's flags; none where that file is not.
    flags: frozenset[str]

    def computes(self, precision: Precision) -> bool:
        """Whether a precision works; int8 also where it gains nothing."""
        match precision:
            case Precision.FP32:
                return True
            case Precision.INT8:
                return "INT8" in self.optimised
            case Precision.BF16:
                return "BF16" in self.optimised and bool(self.flags & BF16_FLAGS)
            case Precision.FP16:
                return "FP16" in self.optimised and bool(self.flags & FP16_FLAGS)

    def candidates(self) -> tuple[Precision, ...]:
        """The precisions worth trying, quickest first."""
        int8 = self.computes(Precision.INT8) and self.flags & INT8_FLAGS
        bf16 = self.computes(Precision.BF16)
        return (
            *((Precision.INT8,) if int8 else ()),
            *((Precision.BF16,) if bf16 else ()),
            Precision.FP32,
        )


def this_cpu() -> Capabilities:
    optimised = frozenset(import_openvino().Core().get_property("CPU", "OPTIMIZATION_CAPABILITIES"))
    lines = _CPUINFO.read_text().splitlines() if _CPUINFO.is_file() else []
    flags = next((line.partition(":")[2] for line in lines if line.startswith("flags")), "")
    return Capabilities(optimised, frozenset(flags.split()))


def open_engine(  # noqa: PLR0913 - what a worker may be told about its engine
    bundle: Bundle,
    *,
    engine: EngineChoice = "auto",
    precision: Precision | PrecisionChoice = "auto",
    threads: int | None = None,
    cache: Path | None = None,
    together: bool = True,
    cpu: Capabilities | None = None,
) -> Engine:
    """Load the engine asked for, once it said of the golden windows what the bundle says.

    `auto` takes torch where it finds a CUDA device, else OpenVINO; and the quickest precision that passes.
    What is asked for by name is never replaced. On a CPU, several windows are scored at once unless
    `together` is false. `cpu` is this machine's unless given.

    Raises:
        BundleError: machine or bundle lack what was asked for, or it fails on the golden windows.

    """
    if engine == "torch" and not torch.installed():
        raise BundleError(
            "torch is not installed: install mindtrack-inference[torch], or choose the engine openvino"
        )
    if engine == "torch" or (engine == "auto" and torch.installed() and torch.has_cuda()):
        able = torch.precisions()
        return _first(
            bundle,
            able if precision == "auto" else (_asked(precision, able, "torch on this device"),),
            lambda each: torch.load(bundle, each, threads=threads),
        )
    cpu = cpu or this_cpu()
    if precision == "auto":
        candidates = tuple(each for each in cpu.candidates() if each is not Precision.INT8 or bundle.has_int8)
    else:
        able = tuple(each for each in Precision if cpu.computes(each))
        candidates = (_asked(precision, able, "OpenVINO on this CPU"),)
        if Precision.INT8 in candidates and not bundle.has_int8:
            raise BundleError(
                f"{bundle.directory} has no int8 variant: make one with `mindtrack-trainer quantize`, or "
                "choose another precision"
            )
    rest = Precision.BF16 if cpu.computes(Precision.BF16) else Precision.FP32
    return _first(
        bundle,
        candidates,
        lambda each: openvino.load(bundle, each, threads=threads, cache=cache, rest=rest, together=together),
    )


def _asked(precision: str, able: tuple[Precision, ...], where: str) -> Precision:
    asked = Precision(precision)
    if asked not in able:
        raise BundleError(f"{where} does not compute in {asked}: choose one of {', '.join(able)}, or auto")
    return asked


def _first(bundle: Bundle, candidates: tuple[Precision, ...], load: Callable[[Precision], Engine]) -> Engine:
    """The first candidate that passes; what the last one raises is raised."""
    *tried, last = candidates
    for precision, following in zip(tried, candidates[1:], strict=True):
        try:
            return _checked(bundle, load(precision))
        except BundleError as error:
            get_logger().warning(
                events.ENGINE_STEPPED_DOWN,
                bundle=bundle.manifest.id,
                precision=str(precision),
                instead=str(following),
                exc_info=error,
            )
    return _checked(bundle, load(last))


def _checked(bundle: Bundle, engine: Engine) -> Engine:
    golden.check(bundle, engine)
    return engine
