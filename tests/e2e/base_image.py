"""Makes a base image from Debian's packages, without an image registry."""

from __future__ import annotations

import shutil
import subprocess
import tarfile
from pathlib import Path
from typing import Protocol

BASE = "localhost/concertmaster-base:bookworm"
RELEASE = "bookworm"
PACKAGES = ("python3", "python3-venv", "ca-certificates")
# The official slim images leave these out as well.
BALLAST = (
    *("var/cache/apt/archives", "var/lib/apt/lists", "var/log/apt"),
    *("usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info"),
)
CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
# Programs with their own certificates must trust the machine's, which may be those of a proxy.
VARIABLES = ("PIP_CERT", "SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Asking(Protocol):
    def ask(self, *args: str | Path) -> str: ...


def make_base(engine: Asking, cache: Path) -> None:
    """Make the image if the engine has none; this takes half a minute."""
    if engine.ask("images", "--quiet", BASE):
        return
    folder, archive = cache / "base", cache / "base.tar"
    if not archive.exists():
        _bootstrap(folder, cache / "debootstrap.log")
        _pack(folder, archive)
    variables = [f"ENV {name}={CERTIFICATES}" for name in VARIABLES] + [f"ENV PATH={PATH}"]
    changes = [word for one in variables for word in ("--change", one)]
    engine.ask("import", *changes, archive, BASE)
    archive.unlink()


def _bootstrap(folder: Path, log: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    include = f"--include={','.join(PACKAGES)}"
    command = ("debootstrap", "--variant=minbase", include, RELEASE, str(folder))
    with log.open("w") as out:
        subprocess.run(command, stdout=out, stderr=out, check=True)


def _pack(folder: Path, archive: Path) -> None:
    shutil.copyfile(CERTIFICATES, folder / CERTIFICATES.relative_to("/"))
    for name in BALLAST:
        shutil.rmtree(folder / name)
        (folder / name).mkdir()
    with tarfile.open(archive, "w") as file:
        file.add(folder, arcname=".")
    shutil.rmtree(folder)
