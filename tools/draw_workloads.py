"""Draw what is in view in some workloads: ``python tools/draw_workloads.py IMAGE [docs/workloads.png]``."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

import brickstream as bs
from brickstream.latency.workloads import Session, load_workload
from brickstream.viewers.files import write_png

NAMES = ("jump", "pan", "recorded")
SIZE, GAP, HEAD = (300, 300), 12, 18
MOST = 24  # rectangles
FIRST, LAST = np.array([230, 60, 50]), np.array([70, 120, 255])


def panel(whole: bs.View, ground: Image.Image, session: Session) -> Image.Image:
    """The image with a rectangle around what is in view at times that are evenly spread over the views."""
    picture = ground.copy()
    draw = ImageDraw.Draw(picture)
    steps = session.steps
    for number in np.linspace(0, len(steps) - 1, min(MOST, len(steps))).astype(int):
        view = steps[number].view
        share = number / max(1, len(steps) - 1)
        middle = (np.array(view.center) - whole.center)[::-1] * whole.zoom + np.array(SIZE) / 2
        half = np.array(view.world_size) * whole.zoom / 2
        box = np.clip([middle - half, middle + half], 0, np.array(SIZE) - 1)
        draw.rectangle(
            [tuple(corner) for corner in box.tolist()], outline=tuple(((1 - share) * FIRST + share * LAST).astype(int))
        )
    return picture


def main(where: str, out: str = "docs/workloads.png") -> int:
    """Draw all of them side by side."""
    with bs.Engine.in_thread() as engine:
        image = engine.open(where)
        whole = bs.View.plane(image, canvas=SIZE)
        sessions = [load_workload(name).session(image) for name in NAMES]
    drawn = bs.render_offscreen(where, whole)
    ground = Image.fromarray(np.asarray(drawn)[..., :3] // 2)
    sheet = Image.new("RGB", (len(NAMES) * (SIZE[0] + GAP) - GAP, SIZE[1] + HEAD), "white")
    words = ImageDraw.Draw(sheet)
    for number, (name, session) in enumerate(zip(NAMES, sessions, strict=True)):
        left = number * (SIZE[0] + GAP)
        words.text((left, 2), f"{name}, {session.seconds:.1f} s", fill="black")
        sheet.paste(panel(whole, ground, session), (left, HEAD))
    write_png(Path(out), np.asarray(sheet))
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
