"""What reaches a log: declared events with declared fields, and of everything else who and where."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from pydantic import BaseModel, ValidationError

from mindtrack_shared.bundles import BundleError
from mindtrack_shared.observability import events
from mindtrack_shared.observability.exceptions import LONGEST_CHAIN, accounts, as_text, caught
from mindtrack_shared.observability.fields import FIELDS
from mindtrack_shared.settings import JobSettings, StorageSettings

ROOT = Path(__file__).parents[3]
SOURCES = [
    path
    for folder in ("shared", "services/gateway", "services/inference", "services/scheduler")
    for path in sorted((ROOT / folder / "src").rglob("*.py"))
]
LEVELS = {"debug", "info", "warning", "error", "exception", "critical", "tell"}
CANARY = "canary-5b1d"
JOB = "01890a5d-ac96-774b-bcce-b302099a8057"


def logged(
    code: str, *arguments: str, log_format: str = "json", level: str = "DEBUG"
) -> tuple[list[dict[str, Any]], str]:
    """Run code in a process that logs as services do; return its lines, and all that it wrote."""
    prelude = (
        "from mindtrack_shared.observability.logging import configure_logging, get_logger\n"
        "from mindtrack_shared.observability import events\n"
        "from mindtrack_shared.settings import LogSettings\n"
        "import logging, sys\n"
        f"configure_logging(LogSettings(level={level!r}, format={log_format!r}), service='test')\n"
        "CANARY = sys.argv[1]\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", prelude + code, CANARY, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    written = done.stdout + done.stderr
    if log_format != "json":
        return [], written
    return [json.loads(line) for line in done.stderr.splitlines()], written


def test_a_line_is_an_event_and_what_is_declared() -> None:
    ((line,), _) = logged(f"get_logger().info(events.JOB_ACCEPTED, job_id={JOB!r}, size_bytes=12)")
    assert line.pop("timestamp")
    assert line == {
        "event": "job_accepted",
        "level": "info",
        "service": "test",
        "job_id": JOB,
        "size_bytes": 12,
    }


#: What somebody may log, by what is wrong with it.
ATTEMPTS = {
    "a field nobody declared": "get_logger().info(events.JOB_ACCEPTED, file_name=CANARY)",
    "a value of another kind": "get_logger().info(events.JOB_ACCEPTED, job_id=CANARY)",
    "text for a number": "get_logger().info(events.JOB_ACCEPTED, count=CANARY)",
    "a sentence": "get_logger().info(events.JOB_ACCEPTED, reason=f'no {CANARY}!')",
    "an event nobody declared": "get_logger().info(CANARY)",
    "an argument": "get_logger().info(events.JOB_ACCEPTED, CANARY)",
    "a context": """
import structlog
with structlog.contextvars.bound_contextvars(person=CANARY):
    get_logger().info(events.JOB_ACCEPTED)
""",
    "a library's arguments": "logging.getLogger('a').warning('GET %s', CANARY)",
    "a library's f-string": "logging.getLogger('a').warning(f'GET {CANARY}')",
    "a library's concatenation": "logging.getLogger('a').warning('GET ' + CANARY)",
    "a library's extra": "logging.getLogger('a').warning(CANARY, extra={'person': CANARY})",
    "an exception as a message": "logging.getLogger('a').warning(ValueError(CANARY))",
    "arguments that do not fit": "logging.getLogger('a').warning('one %d', CANARY)",
    "a stack": "logging.getLogger('a').warning('x', stack_info=True)",
    "a warning": "import warnings; warnings.warn(CANARY)",
    "an exception nobody caught": "raise ValueError(CANARY)",
    "a group of them": "raise ExceptionGroup(CANARY, [ValueError(CANARY)])",
    "one in a thread": """
import threading
def fail():
    raise ValueError(CANARY)
thread = threading.Thread(target=fail)
thread.start()
thread.join()
""",
    "one in a destructor": """
class Odd:
    def __del__(self):
        raise ValueError(CANARY)
Odd()
""",
    "one of a task that nobody awaited": """
import asyncio
async def fail():
    raise ValueError(CANARY)
async def forget():
    asyncio.create_task(fail())
    await asyncio.sleep(0.01)
asyncio.run(forget())
""",
    "one and its cause": """
try:
    try:
        int(CANARY)
    except ValueError as error:
        raise KeyError(CANARY) from error
except KeyError:
    get_logger().exception(events.REQUEST_FAILED)
""",
}
#: Runs each of them, and lets none end the process before its time.
TRY_ALL = """
import json, sys
for code in json.loads(sys.argv[2]):
    try:
        exec(code)
    except Exception:
        sys.excepthook(*sys.exc_info())
"""


@pytest.mark.parametrize("log_format", ["json", "console"])
def test_nothing_else_is_written(log_format: str) -> None:
    _, written = logged(TRY_ALL, json.dumps(list(ATTEMPTS.values())), log_format=log_format)
    lines = written.splitlines()
    assert len(lines) >= len(ATTEMPTS)
    assert [line for line in lines if CANARY in line] == []


def test_an_exception_that_ends_a_process_is_told_likewise() -> None:
    ((line,), written) = logged("raise ValueError(CANARY)")
    assert (line["event"], line["exception"][0]["type"]) == (events.SERVICE_BROKEN, "builtins.ValueError")
    assert CANARY not in written


def test_a_line_says_how_much_it_withholds() -> None:
    ((line,), _) = logged(f"get_logger().info(events.JOB_ACCEPTED, job_id={JOB!r}, a=1, b=2)")
    assert (line["job_id"], line["withheld"]) == (JOB, 2)


def test_a_library_is_quoted_where_its_words_are_constants() -> None:
    code = "log = logging.getLogger('some.library')\nlog.warning('Retrying')\nlog.warning('GET %s', CANARY)\n"
    lines, _ = logged(code + "log.warning(f'GET {CANARY}')")
    assert [line.get("message") for line in lines] == ["Retrying", "GET %s", None]
    assert {line["event"] for line in lines} == {events.LIBRARY_SPOKE}
    assert {line["logger"] for line in lines} == {"some.library"}
    assert [line["at"].split(":")[1] for line in lines] == ["8", "9", "10"]


@pytest.mark.parametrize(("level", "told"), [("INFO", ["A warning"]), ("DEBUG", ["A step", "A warning"])])
def test_steps_of_libraries_are_for_who_looks_for_a_fault(level: str, told: list[str]) -> None:
    code = "log = logging.getLogger('some.library')\nlog.info('A step')\nlog.warning('A warning')\n"
    lines, _ = logged(f"{code}get_logger().info(events.JOB_ACCEPTED)", level=level)
    assert [line["message"] for line in lines[:-1]] == told
    assert lines[-1]["event"] == events.JOB_ACCEPTED


def test_an_exception_is_told_by_type_and_place() -> None:
    code = "def inner(): open('/nowhere/' + CANARY)\ndef outer(): inner()\n"
    code += "try: outer()\nexcept OSError: get_logger().exception(events.REQUEST_FAILED)"
    ((line,), _) = logged(code)
    assert line["exception"] == [
        {
            "type": "builtins.FileNotFoundError",
            "code": "ENOENT",
            "at": ["__main__:9 <module>", "__main__:8 outer", "__main__:7 inner"],
        }
    ]


def test_the_database_is_told_by_its_code() -> None:
    (told,) = accounts(psycopg.errors.UniqueViolation(CANARY))
    assert told == {"type": "psycopg.errors.UniqueViolation", "code": "23505", "at": []}


def test_what_operators_set_up_is_told_in_words() -> None:
    assert accounts(BundleError("no such bundle"))[0]["detail"] == "no such bundle"
    with pytest.raises(ValidationError) as raised:
        StorageSettings(url="s3://recordings", access_key_id=CANARY)
    (told,) = accounts(raised.value)
    assert told["detail"] == "MINDTRACK_STORAGE: Value error, access_key_id and secret_access_key go together"
    assert CANARY not in str(raised.value)
    with pytest.raises(ValidationError) as raised:
        JobSettings(max_attempts=0)
    assert accounts(raised.value)[0]["detail"] == (
        "MINDTRACK_JOB_MAX_ATTEMPTS: Input should be greater than 0"
    )


def test_what_does_not_fit_another_model_is_not() -> None:
    class Request(BaseModel):
        age: int

    with pytest.raises(ValidationError) as raised:
        Request.model_validate({"age": CANARY})
    assert "detail" not in accounts(raised.value)[0]
    assert CANARY in str(raised.value)


def test_a_chain_ends() -> None:
    error = first = ValueError()
    for _ in range(2 * LONGEST_CHAIN):
        following = ValueError()
        error.__cause__, error = following, following
    error.__cause__ = first
    assert len(accounts(first)) == LONGEST_CHAIN


def test_people_read_it_line_by_line() -> None:
    assert as_text([{"type": "builtins.OSError", "code": "ENOENT", "at": ["a:1 f"]}]) == (
        "builtins.OSError ENOENT\n    a:1 f"
    )


def test_exc_info_in_its_forms() -> None:
    error = ValueError()
    assert caught(error) is caught((ValueError, error, None)) is error
    assert caught(None) is caught(True) is caught((None, None, None)) is None
    try:
        raise error
    except ValueError:
        assert caught(True) is error


# --- Nothing is logged that would be withheld ------------------------------------------------------------


def calls() -> Iterator[tuple[str, ast.Call]]:
    """Find where services log: calls of a level that begin with an event."""
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and _logs(node.func):
                yield f"{path.relative_to(ROOT)}:{node.lineno}", node


def _logs(called: ast.expr) -> bool:
    if isinstance(called, ast.Name):
        return called.id == "tell"
    if not isinstance(called, ast.Attribute) or called.attr not in LEVELS:
        return False
    by = called.value
    return isinstance(by, ast.Call) and isinstance(by.func, ast.Name) and by.func.id == "get_logger"


def test_services_log_declared_fields_only() -> None:
    found = list(calls())
    undeclared = [
        f"{place}: {keyword.arg}"
        for place, call in found
        for keyword in call.keywords
        if keyword.arg not in {*FIELDS, "exc_info", None}
    ]
    assert len(found) > 50
    assert undeclared == []


def test_services_name_events_by_constants() -> None:
    """Or by a variable that was given one."""
    odd = [
        place
        for place, call in calls()
        if not isinstance(call.args[0], ast.Attribute | ast.Name) or len(call.args) > 1
    ]
    assert odd == []
    assert events.JOB_ACCEPTED in events.NAMES
    assert events.UNDECLARED in events.NAMES


def test_services_log_no_messages_of_exceptions() -> None:
    told = [
        place
        for place, call in calls()
        for keyword in call.keywords
        if keyword.arg != "exc_info" and ast.unparse(keyword.value) in {"str(error)", "repr(error)", "error"}
    ]
    assert told == []


def test_every_kind_refuses_a_sentence() -> None:
    accepting = [name for name, fits in FIELDS.items() if fits("Eve said: I sleep badly.")]
    assert accepting == []
