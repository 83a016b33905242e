"""Make the API reference out of the docstrings, as HTML that needs no network. Warnings are errors."""

import argparse
import importlib
import inspect
import sys
import warnings
from pathlib import Path
from types import ModuleType

import pdoc

MODULES = (
    "brickstream",
    "brickstream.engine",
    "brickstream.multiscale",
    "brickstream.chunks",
    "brickstream.render",
    "brickstream.viewers.napari",
    "brickstream.testing",
    "brickstream.latency",
    "brickstream.errors",
)


def main() -> int:
    """Write one page for each module."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, nargs="?", default=Path("docs-out"))
    out = parser.parse_args().out
    for module in map(importlib.import_module, MODULES):
        for name in getattr(module, "__all__", ()):
            found = getattr(module, name)
            # Names that load on first use are not found by who looks into the module only.
            module.__dict__.setdefault(name, found)
            if inspect.isclass(found):
                _gather(found)
    pdoc.render.configure(docformat="numpy", show_source=False, search=True, footer_text="brickstream")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        # What dataclasses and named tuples make knows not where it comes from: such a type is shown as it is written.
        warnings.filterwarnings("ignore", "Error parsing type annotation")
        pdoc.pdoc(*MODULES, output_directory=out)
    sys.stdout.write(f"{out / 'brickstream.html'}\n")
    return 0


def _gather(kind: type) -> None:
    """Let a class have itself what it has from bases that are no part of the API: there nobody would look for it."""
    for base in kind.__mro__[1:]:
        module = sys.modules[base.__module__]
        if not base.__module__.startswith("brickstream.") or base.__name__ in _public(module):
            continue
        for name, member in vars(base).items():
            if not name.startswith("_") and name not in vars(kind):
                setattr(kind, name, member)


def _public(module: ModuleType) -> set[str]:
    """Names that the package of a module gives out."""
    package = importlib.import_module(module.__name__.rpartition(".")[0])
    return set(getattr(package, "__all__", ()))


if __name__ == "__main__":
    sys.exit(main())
