"""What a person sees once the stack runs, and after the demo."""

from __future__ import annotations

from importlib.resources import files

from mindtrack_local.demo import SAMPLES
from mindtrack_local.stack import Stack

SUBJECT = "demo"


def welcome(stack: Stack) -> str:
    """Addresses, a token, and two commands to paste."""
    layout = stack.infrastructure.layout
    sample = files("mindtrack_local") / "samples" / SAMPLES[0]
    bearer = '-H "Authorization: Bearer $MINDTRACK_TOKEN"'
    return f"""
MindTrack runs at {stack.base_url}  (docs: {stack.base_url}/docs, logs: {layout.logs})

Open that address in a browser and sign in as whom you like: ada, who records, florence, a clinician, or
otto, an operator.{_more(stack)}

For the API, speak for the user "{SUBJECT}" for the next twelve hours:

  export MINDTRACK_URL={stack.base_url}
  export MINDTRACK_TOKEN={stack.token(SUBJECT)}

Submit a recording, then read the week:

  curl -sS {bearer} -F file=@{sample} "$MINDTRACK_URL/v1/jobs"
  curl -sS {bearer} "$MINDTRACK_URL/v1/users/me/trends?days=7"

.venv/bin/mindtrack reads the same two variables.

Ctrl-C stops everything; the data stays in {layout.var}.
"""


def _more(stack: Stack) -> str:
    """Say how there come to be more people, or nothing where there are."""
    return (
        "" if stack.infrastructure.layout.identities.exists() else " `make seed` adds people with a history."
    )


def next_steps() -> str:
    return """Where to go from here
  make up      keep the stack running; prints the API docs' address, a token and
               commands to paste
  README.md    what each part does, and how to run it for real
"""
