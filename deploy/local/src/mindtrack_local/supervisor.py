"""Starts parts in order, keeps them running, and stops them in the reverse order."""

from __future__ import annotations

import threading
from pathlib import Path

from mindtrack_local.guardian import Guardian
from mindtrack_local.output import LAUNCHER, PartLog, Terminal
from mindtrack_local.part import Part
from mindtrack_local.process import ProcessSpec
from mindtrack_local.register import Register


class Supervisor:
    def __init__(self, logs: Path, register: Path, terminal: Terminal) -> None:
        self._logs = logs
        self._terminal = terminal
        self._register_path = register
        self._register = Register(register)
        self._log = PartLog(LAUNCHER, logs, terminal)
        self._logs_by_name = {LAUNCHER: self._log}
        self._guardian: Guardian | None = None
        self._tiers: list[list[Part]] = []
        self._hurry = threading.Event()

    @property
    def parts(self) -> dict[str, Part]:
        return {part.name: part for tier in self._tiers for part in tier}

    def log_lines(self, name: str) -> list[str]:
        """Return the last lines of a part, or of the launcher itself ("stack")."""
        return self._logs_by_name[name].last_lines

    def announce(self, line: str) -> None:
        self._log.write(line)

    def start(self, *specs: ProcessSpec, same_tier: bool = False) -> None:
        """Start these together and wait until all are ready. What was started before is ready already.

        They form a tier, which stops as a whole before the earlier ones do; with `same_tier` they join the
        last one instead.

        Raises:
            PartFailedError: one did not become ready; the others still run until `stop`.

        """
        self._guardian = self._guardian or Guardian(self._register_path)
        tier = [self._part(spec) for spec in specs]
        if same_tier and self._tiers:
            self._tiers[-1].extend(tier)
        else:
            self._tiers.append(tier)
        for part in tier:
            part.start()
        for part in tier:
            part.wait_ready()

    def run(self, spec: ProcessSpec) -> None:
        """Run a process that ends by itself, and wait for it.

        Raises:
            PartFailedError: it failed.

        """
        self.start(spec)
        self._tiers.pop()

    def stop(self) -> None:
        """Stop everything, last tier first; within a tier all are asked at once. Safe to call again."""
        while self._tiers:
            tier = self._tiers[-1]
            for part in reversed(tier):
                part.ask_to_stop()
            for part in reversed(tier):
                part.await_stop(self._hurry)
            self._tiers.pop()
        if self._guardian:
            if code := self._guardian.dismiss():
                self.announce(f"the guardian had ended with exit code {code}; nothing was guarded")
            self._guardian = None
        for log in self._logs_by_name.values():
            log.close()

    def hurry(self) -> None:
        """Make a `stop` under way kill what still runs instead of waiting for it."""
        self._hurry.set()

    def _part(self, spec: ProcessSpec) -> Part:
        log = self._logs_by_name.get(spec.name) or PartLog(spec.name, self._logs, self._terminal)
        self._logs_by_name[spec.name] = log
        return Part(spec, log, self._register, self.announce)
