"""Who can be chosen when somebody signs in to the embedded stack. Nobody proves anything."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from mindtrack_local.issuer import Role


@dataclass(frozen=True)
class Identity:
    subject: str
    roles: tuple[Role, ...]
    about: str


ALWAYS = (
    Identity("ada", ("user",), "A person who records. Her history is what you give her."),
    Identity("florence", ("clinician",), "A clinician. She sees what persons grant her."),
    Identity("otto", ("operator",), "An operator. He sees queues and workers, and nobody's data."),
)


def save(path: Path, identities: Iterable[Identity]) -> None:
    """Keep them for the provider, which may be running."""
    draft = path.with_suffix(".draft")
    draft.write_text(json.dumps([asdict(identity) for identity in identities]), encoding="utf-8")
    draft.replace(path)


def offered(path: Path) -> tuple[Identity, ...]:
    """Return all who can be chosen now."""
    if not path.exists():
        return ALWAYS
    rows = json.loads(path.read_text(encoding="utf-8"))
    return (*ALWAYS, *(Identity(row["subject"], tuple(row["roles"]), row["about"]) for row in rows))
