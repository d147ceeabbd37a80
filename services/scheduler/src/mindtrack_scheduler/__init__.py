"""Keeps jobs moving: the relay rings for them, beat and a light worker repair what got stuck."""
