"""Look at a remote image in napari while it is being fetched; with OUT.png, write a picture once complete, and end.

Run: python examples/napari_viewer.py URL [OUT.png]
"""

import sys

import napari

from brickstream.viewers.napari import add_to_viewer


def main(url: str, out: str | None) -> None:
    viewer = napari.Viewer()
    image = add_to_viewer(viewer, url)
    print(f"{len(image.layers)} layers of {image.image.format}")

    def write() -> None:
        viewer.screenshot(out, canvas_only=True, flash=False)
        print(f"100% of what is in view, {image.engine.stats().requests} requests: {out}")
        viewer.close()

    if out is not None:
        image.on_complete(write)
    napari.run()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else None)
