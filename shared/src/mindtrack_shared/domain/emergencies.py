"""Emergencies: somebody opens one person's data without a grant, for a reason and a short while."""

from __future__ import annotations

from datetime import timedelta

#: 45 CFR 164.312(a)(2)(ii) asks for a way in, and names no time; an hour is a shift's handover.
LASTS = timedelta(hours=1)
#: A reason is a sentence, not a word.
SHORTEST_REASON = 20
LONGEST_REASON = 500
