"""`python -m faults.campaign`: try every fault, or some; print what was found, and write it down."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from faults.campaign import report
from faults.campaign.journal import Journal
from faults.campaign.matrix import FAULTS
from faults.campaign.rig import DEPLOYED, QUICK, Rig
from faults.campaign.trial import Fault, Result, run

RUNS = Path(__file__).parents[3] / "var/faults"


def main() -> int:
    parser = argparse.ArgumentParser(prog="faults", description=__doc__)
    parser.add_argument("--only", metavar="F6,F8", help="try these alone")
    parser.add_argument("--share", type=float, default=1.0, help="do this share of the rounds")
    parser.add_argument("--keep-page", action="store_true", help="leave docs/reliability.md as it is")
    options = parser.parse_args()
    wanted = set(options.only.upper().split(",")) if options.only else {fault.name for fault in FAULTS}
    if unknown := wanted - {fault.name for fault in FAULTS}:
        parser.error(f"no such faults: {', '.join(sorted(unknown))}")
    load = os.getloadavg()[0]
    folder = RUNS / time.strftime("%Y%m%d-%H%M%S")
    results: list[Result] = []
    with Journal(folder / "journal.jsonl") as journal:
        for pace in (QUICK, DEPLOYED):
            chosen = [fault for fault in FAULTS if fault.name in wanted and fault.pace is pace]
            for result in trials(chosen, folder, journal, pace, options.share):
                results.append(result)
                if not options.keep_page:
                    report.write(results, load, options.share)
    results.sort(key=lambda result: result.fault.order)
    rows = [report.row(result) for result in results]
    say(f"\n{report.table(results)}\n\n{report.summary(rows, load, options.share)}")
    say(f"Journal and logs: {folder}")
    return 0 if all(result.holds or result.skipped for result in results) else 1


def trials(
    faults: Sequence[Fault], folder: Path, journal: Journal, pace: Mapping[str, str], share: float
) -> Iterator[Result]:
    """Try faults of one pace, one after the other, and say a line about each."""
    if not faults:
        return
    name = "quick" if pace is QUICK else "deployed"
    with Rig(folder / name, pace) as rig:
        for fault in faults:
            say(f"{fault.name:>4}  {fault.injected}")
            result = run(fault, rig, journal, share)
            found = result.skipped or ("holds" if result.holds else "DOES NOT HOLD")
            say(f"      {found}: {result.accepted} jobs, {result.seconds:.0f} s")
            told = [*(check.figure for check in result.checks), *([result.broken] if result.broken else [])]
            for words in (*told, *map(str, result.violations[:10])):
                say(f"        {words}")
            yield result


def say(words: str) -> None:
    sys.stdout.write(f"{words}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
