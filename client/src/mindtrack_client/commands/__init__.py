"""Commands with a subject of their own; `cli.py` has the rest and puts all together."""
