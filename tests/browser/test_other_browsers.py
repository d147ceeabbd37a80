"""Every page in Firefox and in WebKit, as Debian has them: it is drawn, and nothing in it breaks."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import Any, Protocol

import httpx2
import pytest
from websockets.sync.client import ClientConnection, connect

from mindtrack_local.issuer import Role
from mindtrack_local.ports import HOST, reserve
from mindtrack_local.stack import Stack
from patience import eventually

#: Where its driver listens, or the next that is free.
DRIVER_PORT = 9600
WITHIN = 120  # seconds; a browser starts, and a page is drawn
#: Where Firefox would otherwise ask its makers for settings by itself.
QUIET = 'user_pref("services.settings.server", "data:,nobody");\nuser_pref("app.normandy.enabled", false);\n'
LISTENING = re.compile(r"BiDi listening on (ws://\S+)")
#: Its heading, if it is drawn and nothing in it broke, else what is known.
STATE = """(() => {
  const ready = document.documentElement.dataset.ready === "true";
  const whole = document.getElementById("fault").hidden;
  const said = [...document.querySelectorAll("[role=status]")].map((each) => each.textContent);
  const loading = said.some((each) => each.startsWith("Loading"));
  const told = document.querySelector("h1").textContent;
  return ready && whole && !loading ? told : JSON.stringify({ ready, whole, loading });
})()"""

PERSON = {"/": "Record", "/history": "Your history", "/sharing": "Who sees what", "/settings": "Settings"}
VISITS: list[tuple[str, Role, dict[str, str]]] = [
    ("edith", "user", PERSON),
    ("florence", "clinician", {"/patients": "Patients"}),
    ("otto", "operator", {"/operations": "Operations"}),
]


class Window(Protocol):
    """A browser's one window."""

    def open(self, address: str) -> None: ...
    def keep(self, token: str) -> None: ...
    def evaluate(self, expression: str) -> Any: ...  # noqa: ANN401 - of JavaScript


class Firefox:
    """Spoken to by WebDriver BiDi, which it understands without a driver."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket = socket
        self._said = 0
        self._ask("session.new", capabilities={})
        self._context = self._ask("browsingContext.getTree")["contexts"][0]["context"]

    def open(self, address: str) -> None:
        self._ask("browsingContext.navigate", context=self._context, url=address, wait="complete")

    def keep(self, token: str) -> None:
        value = {"type": "string", "value": token}
        self._ask("storage.setCookie", cookie={"name": "mindtrack", "value": value, "domain": HOST})

    def evaluate(self, expression: str) -> Any:  # noqa: ANN401
        target = {"context": self._context}
        answer = self._ask("script.evaluate", expression=expression, target=target, awaitPromise=False)
        return answer["result"].get("value")

    def _ask(self, method: str, **parameters: object) -> Any:  # noqa: ANN401
        self._said += 1
        self._socket.send(json.dumps({"id": self._said, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=WITHIN))
            if answer.get("id") == self._said:
                assert answer["type"] == "success", answer
                return answer["result"]


class WebKit:
    """Spoken to by WebDriver, through the driver that comes with it."""

    def __init__(self, driver: httpx2.Client, program: Path) -> None:
        self._driver = driver
        options = {"binary": str(program), "args": ["--automation"]}
        asked = {"capabilities": {"alwaysMatch": {"webkitgtk:browserOptions": options}}}
        self._session = f"/session/{self._ask('/session', asked)['sessionId']}"

    def open(self, address: str) -> None:
        self._ask(f"{self._session}/url", {"url": address})

    def keep(self, token: str) -> None:
        self._ask(f"{self._session}/cookie", {"cookie": {"name": "mindtrack", "value": token, "path": "/"}})

    def evaluate(self, expression: str) -> Any:  # noqa: ANN401
        return self._ask(f"{self._session}/execute/sync", {"script": f"return {expression}", "args": []})

    def close(self) -> None:
        self._driver.delete(self._session)

    def _ask(self, path: str, body: object) -> Any:  # noqa: ANN401
        return self._driver.post(path, json=body).raise_for_status().json()["value"]


@contextmanager
def running(*command: str | Path, **options: Any) -> Iterator[subprocess.Popen[str]]:  # noqa: ANN401
    with subprocess.Popen([*map(str, command)], text=True, **options) as process:
        try:
            yield process
        finally:
            process.terminate()


@contextmanager
def firefox(folder: Path) -> Iterator[Window]:
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    if program is None:
        pytest.skip("Firefox is not installed; Debian has it as firefox-esr")
    folder.joinpath("user.js").write_text(QUIET)
    command = (program, "--headless", "--no-remote", "--profile", folder, "--remote-debugging-port", "0")
    told = folder / "told"
    with told.open("w") as file, running(*command, stdout=file, stderr=file):
        eventually(lambda: LISTENING.search(told.read_text()) is not None, within=WITHIN, what="it listens")
        found = LISTENING.search(told.read_text())
        assert found is not None
        with connect(f"{found[1]}/session", max_size=None) as socket:
            yield Firefox(socket)


@contextmanager
def webkit(folder: Path) -> Iterator[Window]:
    browsers = sorted(Path("/usr/lib").glob("*/webkit2gtk-4.*/MiniBrowser"))
    driver, screen = shutil.which("WebKitWebDriver"), shutil.which("Xvfb")
    if not browsers or driver is None or screen is None:
        pytest.skip("WebKit is not installed; Debian has it as webkit2gtk-driver, and a screen as xvfb")
    reserved = reserve("the driver", DRIVER_PORT)
    with running(screen, "-displayfd", "1", stdout=subprocess.PIPE) as display:
        assert display.stdout is not None
        environment = {
            "DISPLAY": f":{display.stdout.readline().strip()}",
            "PATH": "/usr/bin",
            "HOME": str(folder),
        }
        with (
            running(driver, f"--port={reserved.port}", env=environment),
            httpx2.Client(base_url=f"http://{HOST}:{reserved.port}", timeout=WITHIN) as client,
        ):
            eventually(lambda: _answers(client), within=WITHIN, what="the driver answers")
            reserved.release()
            with closing(WebKit(client, browsers[-1])) as window:
                yield window


def _answers(client: httpx2.Client) -> bool:
    try:
        return bool(client.get("/status").json()["value"]["ready"])
    except httpx2.TransportError:
        return False


@pytest.mark.parametrize("browser", [firefox, webkit])
def test_every_page_is_drawn(browser: Any, stack: Stack, edith: object, tmp_path: Path) -> None:  # noqa: ANN401
    with ExitStack() as open_:
        window: Window = open_.enter_context(browser(tmp_path))
        for subject, role, pages in VISITS:
            window.open(stack.base_url)
            window.keep(stack.token(subject, role))
            for path, heading in pages.items():
                window.open(stack.base_url + path)
                drawn(window, path, heading)


def drawn(window: Window, path: str, heading: str) -> None:
    seen: list[object] = []

    def whole() -> bool:
        seen.append(window.evaluate(STATE))
        return seen[-1] == heading

    try:
        eventually(whole, within=WITHIN, what=f"{path} is drawn")
    except AssertionError:
        pytest.fail(f"{path}: {seen[-1]}")
