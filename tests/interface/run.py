"""`make fuzz-api`: thousands of made-up requests against a real gateway, held to openapi.json (Schemathesis).

With a person's token and without one. It fails on an answer that is an error of ours, that has a status, a
type, a header or a body that the interface does not name, or that ignores the token. Schemathesis has a
virtual environment of its own, since it needs other versions of what we use.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from mindtrack_local.config import StackConfig
from mindtrack_local.stack import Stack

ROOT = Path(__file__).parents[2]
#: Streams that last as long as somebody listens.
ENDLESS = "/v1/events"
#: Checks that do not fit. A time within twenty years, bytes that are audio, or a digest that is the body's:
#: no schema holds these rules, so what is valid by it may be refused. And `GET /v1/jobs/status` is a job's
#: address with an id that is none (422), not a method that is missing (405).
UNFIT = ("positive_data_acceptance", "unsupported_method")


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description="Hold the gateway to openapi.json with made-up requests.")
    parser.add_argument("--schemathesis", default="schemathesis", help="the program")
    parser.add_argument("--examples", type=int, default=80, help="made-up requests per operation and phase")
    parser.add_argument("--seed", type=int, default=1, help="of the requests that are made up")
    options = parser.parse_args(arguments)
    with TemporaryDirectory() as folder:
        config = StackConfig(var=Path(folder) / "var", services=("gateway", "relay"), durable=False)
        with Stack(config) as stack:
            command = [
                *(options.schemathesis, "run", str(ROOT / "openapi.json"), "--url", stack.base_url),
                *("--exclude-path", ENDLESS, "--request-timeout", "35", "--continue-on-failure"),
                *("--checks", "all", "--exclude-checks", ",".join(UNFIT), "--warnings=off"),
                *("--max-examples", str(options.examples), "--seed", str(options.seed)),
            ]
            token = f"Authorization: Bearer {stack.token('ada', 'user', 'clinician')}"
            environment = {**os.environ, "SCHEMATHESIS_HOOKS": "hooks"}
            runs = [
                subprocess.run([*command, *extra], check=False, cwd=Path(__file__).parent, env=environment)
                for extra in (["-H", token], [])
            ]
    return max(run.returncode for run in runs)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
