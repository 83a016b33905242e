"""Write the reference pictures to docs/pictures: ``python tools/pictures.py [NAME ...]``."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "tests")]

import references  # noqa: E402

from brickstream.viewers.files import write_png  # noqa: E402


def main(names: list[str]) -> int:
    """Draw and write the named pictures, or all of them."""
    unknown = set(names) - set(references.PICTURES)
    if unknown:
        print("no picture", *sorted(unknown), "- there are", *references.PICTURES)
        return 2
    references.FOLDER.mkdir(exist_ok=True)
    for name, picture in references.draw(names or list(references.PICTURES)):
        write_png(references.FOLDER / f"{name}.png", picture[..., :3])
        print(name)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
