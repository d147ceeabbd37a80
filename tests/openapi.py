"""Writes openapi.json, the interface as it is committed: `make openapi`."""

from __future__ import annotations

import json
import sys

from mindtrack_gateway.app import create_app


def document() -> str:
    return json.dumps(create_app().openapi(), indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(document())
