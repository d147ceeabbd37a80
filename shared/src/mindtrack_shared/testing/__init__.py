"""Fakes, shipped beside the ports they stand for."""
