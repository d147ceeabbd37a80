"""`gaps.py BASE WAL`: name the first segment that is missing from a base backup's log; ends with 1 if one is.

A restore without a target takes a gap for the end of the log and succeeds, so look before you restore. Needs
neither a server nor PostgreSQL's programs, and follows the log from timeline to timeline.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

SEGMENT = re.compile(r"[0-9A-F]{8}([0-9A-F]{8})([0-9A-F]{8})(?:\.partial)?")
#: How large segments are, unless the cluster was made with others.
USUAL_BYTES = 16 * 1024 * 1024
#: Bytes of log whose segments share the middle of their names.
NAMED_ALIKE = 2**32


def first_gap(base: Path, log: Path) -> str | None:
    """Return the name of the first segment missing between a base backup and the newest segment, if one is.

    The newest may be partial: the server was lost while it wrote. If there was a newer one, nobody knows.
    What the base backup brought along counts; but a log that ends before the base backup did is no log.
    """
    ranges = json.loads((base / "backup_manifest").read_text(encoding="utf-8"))["WAL-Ranges"]
    archived, brought = _segments(log), _segments(base / "pg_wal")
    size = max((*archived.values(), *brought.values()), default=USUAL_BYTES)
    whole = {name for name, length in (archived | brought).items() if length == size}
    begins = [(position // size, timeline) for position, timeline in _timelines(log, ranges[-1]["Timeline"])]

    def name(number: int) -> str:
        timeline = next(timeline for begin, timeline in reversed(begins) if begin <= number)
        high, low = divmod(number, NAMED_ALIKE // size)
        return f"{timeline:08X}{high:08X}{low:08X}"

    first = _position(ranges[0]["Start-LSN"]) // size
    last = (_position(ranges[-1]["End-LSN"]) - 1) // size
    newest = max(
        (
            number
            for number in {_number(segment, size) for segment in archived}
            if archived.keys() & {name(number), f"{name(number)}.partial"}
        ),
        default=-1,
    )
    if newest < last:
        return name(last)
    return next((name(number) for number in range(first, newest) if name(number) not in whole), None)


def _segments(folder: Path) -> dict[str, int]:
    """Return names of segments and their lengths in bytes."""
    return {path.name: path.stat().st_size for path in folder.iterdir() if SEGMENT.fullmatch(path.name)}


def _number(name: str, size: int) -> int:
    found = SEGMENT.fullmatch(name)
    assert found is not None  # noqa: S101 - nothing else is asked about
    high, low = (int(part, 16) for part in found.groups())
    return high * (NAMED_ALIKE // size) + low


def _position(lsn: str) -> int:
    high, low = (int(part, 16) for part in lsn.split("/"))
    return high * NAMED_ALIKE + low


def _timelines(log: Path, timeline: int) -> list[tuple[int, int]]:
    """Return where each timeline begins, up to the newest: the one that a restore follows by itself."""
    newest = max((int(path.stem, 16) for path in log.glob("*.history")), default=timeline)
    if newest <= timeline:
        return [(0, timeline)]
    lines = (log / f"{newest:08X}.history").read_text(encoding="utf-8").splitlines()
    left = [line.split() for line in lines if line.strip() and not line.startswith("#")]
    begins = [0, *(_position(lsn) for _, lsn, *_ in left)]
    return list(zip(begins, [*(int(former) for former, *_ in left), newest], strict=True))


def main() -> None:
    base, log = (Path(argument) for argument in sys.argv[1:])
    if missing := first_gap(base, log):
        print(missing)
        sys.exit(1)


if __name__ == "__main__":
    main()
