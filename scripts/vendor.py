"""Fetches what others wrote and pages load, at pinned versions, with its licence, smallest form and hash; needs npm.

``make vendor`` runs it; nobody who installs or serves needs it, because its results are part of the product.
"""

import hashlib
import subprocess
import tarfile
import tempfile
from pathlib import Path
from typing import NamedTuple

from app.door.assets import QUICK_BYTES, STATIC, TWIN
from app.negotiation import compressed

VENDOR = STATIC / "vendor"
SUMS = VENDOR / "SHA256SUMS"


class Package(NamedTuple):
    """A package of the registry, and what is taken from it."""

    name: str
    version: str
    files: dict[str, str]
    """Inside the package, and its name here."""


PACKAGES = (
    Package(
        "plotly.js-cartesian-dist-min",
        "4.1.1",
        {"plotly-cartesian.min.js": "plotly-cartesian-4.1.1.min.js", "LICENSE": "plotly-LICENSE.txt"},
    ),
)


def fetch(package: Package, folder: Path) -> None:
    """Take a package's files out of its archive."""
    asked = ["npm", "pack", "--silent", f"{package.name}@{package.version}"]
    archive = folder / subprocess.run(asked, cwd=folder, check=True, capture_output=True, text=True).stdout.split()[-1]
    with tarfile.open(archive) as opened:
        for inside, name in package.files.items():
            found = opened.extractfile(f"package/{inside}")
            assert found is not None, f"{package.name} has no {inside}"
            (VENDOR / name).write_bytes(found.read())


def seal() -> None:
    """Write the smallest form beside every large file, and the hashes of all."""
    for file in VENDOR.glob(f"*.js{TWIN}"):
        file.unlink()
    for file in VENDOR.glob("*.js"):
        content = file.read_bytes()
        if len(content) >= QUICK_BYTES:
            file.with_name(f"{file.name}{TWIN}").write_bytes(compressed(content, "br", once=True))
    files = sorted(file for file in VENDOR.iterdir() if file != SUMS)
    lines = [f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {file.name}" for file in files]
    SUMS.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as folder:
        for package in PACKAGES:
            fetch(package, Path(folder))
    seal()
