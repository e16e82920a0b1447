"""Makes of each page's module and style sheet one small file with all that it imports; needs npm.

``make bundle`` runs it after every change below ``static/js`` and ``static/css``; nobody who installs or serves needs it,
because its results are part of the product.
"""

import hashlib
import json
import re
import shutil
import subprocess

from app.door.assets import BUNDLES, MANIFEST, STATIC, sources

ESBUILD = "esbuild@0.28.2"
TEMPLATES = STATIC.parent / "templates"
OPTIONS = ("--bundle", "--minify", "--format=esm", "--target=esnext", "--charset=utf8", "--log-level=warning")
_TAG = re.compile(r'<(?:script type="module"|link rel="stylesheet")[^>]*>')
_NAME = re.compile(r"'((?:css|js)/[\w-]+\.(?:css|js))'")


def entries() -> list[str]:
    """Modules and style sheets that pages name, inside the static folder."""
    tags = [tag for file in TEMPLATES.glob("*.html") for tag in _TAG.findall(file.read_text())]
    return sorted({name for tag in tags for name in _NAME.findall(tag)})


def bundle() -> None:
    """Write a bundle for every entry, and what they were made of."""
    made_of = sources()
    # First of all, and written last: without it a running server delivers the sources.
    (STATIC / MANIFEST).unlink(missing_ok=True)
    shutil.rmtree(STATIC / BUNDLES, ignore_errors=True)
    esbuild = ["npm", "exec", "--yes", f"--package={ESBUILD}", "--", "esbuild"]
    subprocess.run([*esbuild, *entries(), *OPTIONS, f"--outdir={BUNDLES}", "--outbase=."], cwd=STATIC, check=True)
    made = {
        file.relative_to(STATIC).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
        for file in sorted((STATIC / BUNDLES).rglob("*.*"))
    }
    (STATIC / MANIFEST).write_text(json.dumps({"sources": made_of, "bundles": made}, indent=1) + "\n")


if __name__ == "__main__":
    bundle()
