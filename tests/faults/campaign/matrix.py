"""Every fault there is, in the order of their numbers."""

from __future__ import annotations

from faults.campaign import broker, clients, database, storage, workers
from faults.campaign.trial import MATRIX, Fault

__all__ = ["FAULTS", "broker", "clients", "database", "storage", "workers"]

FAULTS: tuple[Fault, ...] = tuple(sorted(MATRIX.values(), key=lambda fault: fault.order))
