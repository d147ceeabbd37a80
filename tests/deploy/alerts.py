"""Writes the rules for a plain Prometheus from those for the Prometheus operator: `make alerts`."""

from __future__ import annotations

import sys
from pathlib import Path

import yaml

SOURCE = Path(__file__).parents[2] / "k8s/components/monitoring/alerts.yaml"
HEAD = "# Written by `make alerts` from k8s/components/monitoring/alerts.yaml. Do not edit.\n"


def plain() -> str:
    """Return the rules as a file that `rule_files` names."""
    return HEAD + yaml.safe_dump(yaml.safe_load(SOURCE.read_text())["spec"], sort_keys=False, width=110)


if __name__ == "__main__":
    sys.stdout.write(plain())
