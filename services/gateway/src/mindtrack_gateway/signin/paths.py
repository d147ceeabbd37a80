"""Where somebody may be sent once they have signed in: to a path of ours, and nowhere else."""

from __future__ import annotations

import re
from urllib.parse import unquote, urlsplit

LONGEST = 1024  # characters; it travels in a cookie
#: Browsers take a backslash for a slash, and leave out tabs and line ends: none of these pass.
_PATH = re.compile(r"/(?![/\\])[\x21-\x5b\x5d-\x7e]*")
#: They would have somebody sign in without end.
OWN = "session"


def local_path(wanted: object) -> str | None:
    """Return a path with its query and fragment as it is, or None if a browser could leave our page by it."""
    if not isinstance(wanted, str) or len(wanted) > LONGEST or not _PATH.fullmatch(wanted):
        return None
    segments = [unquote(segment) for segment in urlsplit(wanted).path.split("/")[1:]]
    if segments[0] == OWN or not {".", ".."}.isdisjoint(segments):
        return None
    return wanted
