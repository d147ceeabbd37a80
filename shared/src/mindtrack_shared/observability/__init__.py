"""Logs and metrics without people's data in them."""
