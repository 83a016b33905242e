"""Make a virtual environment with the package and some of its extras, once. Needs only the standard library.

What is installed is written beside it, last; an interrupted run leaves no such note and the next one starts over.
"""

import argparse
import hashlib
import json
import os
import subprocess
import sys
import time
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NOTE = "brickstream-setup.json"
TAIL = 20
EVERY_S = 10.0


def main() -> int:
    """Install what is not installed yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venv", type=Path, default=Path(".venv"))
    parser.add_argument("extras", nargs="*")
    options = parser.parse_args()
    venv = ROOT / options.venv
    note = venv / NOTE
    key = _key(venv)
    known_key, known_extras = _read(note)
    extras = known_extras | set(options.extras)
    if known_key == key and known_extras == extras and (venv / "bin" / "python").exists():
        return 0
    note.unlink(missing_ok=True)
    # An environment knows its own path and Python by heart: after a move it has to be made anew.
    moved = bool(known_key) and any(known_key[name] != key[name] for name in ("root", "python"))
    _create(venv, anew=moved)
    failed = _install(venv, sorted(extras))
    if not failed:
        _write(note, key, extras)
    return failed


def _key(venv: Path) -> dict[str, str]:
    """Say what an environment depends on: where it is, its Python, and what the package asks for."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    asked = json.dumps([project["project"], project["build-system"]], sort_keys=True)
    version = ".".join(map(str, sys.version_info[:2]))
    return {"root": str(venv), "python": version, "asked": hashlib.sha256(asked.encode()).hexdigest()}


def _read(note: Path) -> tuple[dict[str, str], set[str]]:
    """Key and extras of the last set-up that came to its end; both empty where there was none."""
    if not note.exists():
        return {}, set()
    known = json.loads(note.read_text(encoding="utf-8"))
    return known["key"], set(known["extras"])


def _write(note: Path, key: dict[str, str], extras: set[str]) -> None:
    draft = note.with_suffix(".new")
    draft.write_text(json.dumps({"key": key, "extras": sorted(extras)}, indent=1), encoding="utf-8")
    draft.replace(note)


def _create(venv: Path, *, anew: bool) -> None:
    python = venv / "bin" / "python"
    if not anew and python.exists():
        works = subprocess.run([python, "-m", "pip", "--version"], capture_output=True, check=False).returncode == 0
        if works:
            return
    _say(f"making {venv.name} with Python {sys.version.split()[0]}")
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)


def _install(venv: Path, extras: list[str]) -> int:
    what = f".[{','.join(extras)}]" if extras else "."
    _say(f"installing brickstream with {', '.join(extras) or 'no extras'} into {venv.name} (minutes the first time)")
    command = [str(venv / "bin" / "python"), "-m", "pip", "install", "--progress-bar", "off", "--editable", what]
    environment = os.environ | {"PYTHONUNBUFFERED": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1", "PIP_USER": "0"}
    begin = time.monotonic()
    with subprocess.Popen(
        command, cwd=ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as pip:
        lines = _follow(pip)
    if pip.returncode:
        sys.stderr.write("".join(lines[-TAIL:]))
        _say(f"pip could not install brickstream (exit code {pip.returncode}); see the lines above and try again")
        return 2
    _say(f"ready in {time.monotonic() - begin:.0f} s")
    return 0


def _follow(pip: subprocess.Popen[str]) -> list[str]:
    """Read what pip says to its end; pass on a word of it now and then."""
    lines, packages, said = [], 0, time.monotonic()
    for line in pip.stdout or ():
        lines.append(line)
        packages += line.startswith("Collecting ")
        if line.startswith(("Collecting ", "Installing ")) and time.monotonic() - said > EVERY_S:
            said = time.monotonic()
            _say(f"  {packages} packages so far, now {line.strip()[:90]}")
    return lines


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        _say("interrupted: the next run starts the set-up over")
        sys.exit(130)
