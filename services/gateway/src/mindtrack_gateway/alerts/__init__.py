"""Alerts: reading a person's, and saying that one was seen."""
