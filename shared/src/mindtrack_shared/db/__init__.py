"""Persistence: one set of models and statements, run by the async gateway and the sync services alike."""
