"""What clinicians write down about the persons who granted it, and what they call them."""

from __future__ import annotations

#: Characters of a note.
LONGEST_NOTE = 10_000
#: Of a clinician's own word for a person.
LONGEST_LABEL = 80
