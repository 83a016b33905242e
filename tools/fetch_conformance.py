"""Fetch the packages whose tests and schemas the conformance tests read, once. Needs only the standard library and pip.

They are unpacked into the virtual environment and never installed: `VENV/conformance/NAME-VERSION`. The files are
pinned by their hashes, since parts of them are run.
"""

import argparse
import os
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
TAIL = 20


@dataclass(frozen=True)
class Package:
    """One file of a package index."""

    name: str
    version: str
    sha256: str
    wheel: bool = False

    @property
    def folder(self) -> str:
        """Where it is unpacked; a source distribution has this folder inside itself."""
        return f"{self.name.replace('-', '_')}-{self.version}{'.wheel' if self.wheel else ''}"


# ome-zarr-models: the last release whose source distribution has its tests.
PACKAGES = (
    Package("yaozarrs", "0.3.4", "7d38998c01d7e562557bf8e74fb3fa35f894e2e98c38521f3bc9e01a109a15d5"),
    Package("ome-zarr-models", "1.7", "3979d304f7669e7a22be0bd8a6dd5dcc93fe85af3d842e56930d2ef2e6929090"),
    Package("ngff-zarr", "0.50.0", "8b50e2b92169e28b2563eb969906250f1c030200a2eed4dba718927d67c6874f"),
    Package("ngff-zarr", "0.50.0", "967124641361bec40e3057635062e4b5b2771a442e78e25a16673e49e5f82853", wheel=True),
    Package(
        "ome-zarr-transformations-conformance",
        "0.1.2",
        "690e18147efe224d6d571d67957957c8c08c94e7df51a7b72218c38ea949d897",
    ),
)


def main() -> int:
    """Fetch what is not there yet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--venv", type=Path, default=Path(".venv"))
    options = parser.parse_args()
    venv = ROOT / options.venv
    home = venv / "conformance"
    missing = [package for package in PACKAGES if not (home / package.folder).is_dir()]
    if not missing:
        return 0
    home.mkdir(exist_ok=True)
    _say(f"fetching {len(missing)} packages for the conformance tests")
    # In the same file system, so that a finished folder appears at once.
    with tempfile.TemporaryDirectory(dir=home, prefix=".fetching-") as room:
        for wheel in (False, True):
            wanted = [package for package in missing if package.wheel is wheel]
            if wanted and not _download(venv / "bin" / "python", wanted, Path(room), wheel=wheel):
                return 2
        for package in missing:
            _unpack(package, Path(room))
            (Path(room) / package.folder).rename(home / package.folder)
    return 0


def _download(python: Path, wanted: list[Package], room: Path, *, wheel: bool) -> bool:
    """Let pip fetch files; it knows the indexes, the proxies and the cache of this machine."""
    lines = [f"{package.name}=={package.version} --hash=sha256:{package.sha256}\n" for package in wanted]
    (room / "requirements.txt").write_text("".join(lines), encoding="utf-8")
    kind = ["--only-binary", ":all:"] if wheel else ["--no-binary", ",".join(package.name for package in wanted)]
    # They are read, not installed: what Python they want does not matter.
    command = [python, "-m", "pip", "download", "--quiet", "--no-deps", "--ignore-requires-python", *kind]
    command += ["--requirement", room / "requirements.txt", "--dest", room]
    environment = os.environ | {"PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        sys.stderr.write("".join(done.stderr.splitlines(keepends=True)[-TAIL:]))
        _say("pip could not fetch the packages of the conformance tests; see the lines above and try again")
    return done.returncode == 0


def _unpack(package: Package, room: Path) -> None:
    if package.wheel:
        with zipfile.ZipFile(next(room.glob(f"{package.name.replace('-', '_')}-{package.version}-*.whl"))) as archive:
            archive.extractall(room / package.folder)
        return
    with tarfile.open(room / f"{package.folder}.tar.gz") as archive:
        archive.extraction_filter = getattr(tarfile, "data_filter", None)  # newer Pythons ask for one
        archive.extractall(room, members=[member for member in archive if _is_plain(member, package.folder)])


def _is_plain(member: tarfile.TarInfo, folder: str) -> bool:
    """Files and folders inside the package's own folder; no links, no devices."""
    path = Path(member.name)
    return (member.isfile() or member.isdir()) and path.parts[0] == folder and ".." not in path.parts


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        _say("interrupted: the next run fetches what is missing")
        sys.exit(130)
