"""Writes constraints.txt: every version installed in this virtual environment, without local build labels."""

from importlib.metadata import distributions
from pathlib import Path

NOT_OURS = {"pip", "setuptools", "wheel", "tradespace"}

names = {d.metadata["Name"]: d.version.split("+")[0] for d in distributions()}
lines = [
    f"{name}=={version}"
    for name, version in sorted(names.items(), key=lambda kv: kv[0].lower())
    if name not in NOT_OURS
]
header = "# Every version that Tradespace is tested with; `make lock` writes this file anew.\n"
Path("constraints.txt").write_text(header + "\n".join(lines) + "\n")
