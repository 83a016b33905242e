"""Draw a trace of brickstream as a picture: a row for each lane, a colour for each kind of work, time to the right.

python tools/draw_trace.py trace.json docs/telemetry.png
"""

import argparse
import json
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

WIDTH, LEFT, ROW, GAP = 1000, 130, 7, 16
COLORS = {
    "blank": "#777777",
    "refining": "#b08030",
    "waiting": "#3b5f8a",
    "answer": "#5fc0f0",
    "requested": "#3b5f8a",
    "receiving": "#5fc0f0",
    "decoding": "#8fd060",
    "plan": "#d070d0",
    "poll": "#f0c040",
    "commit": "#f08040",
    "draw": "#f05050",
    "frame": "#444444",
}
Json = dict[str, Any]


def draw(trace: Json) -> Image.Image:
    """Draw the lanes of a trace, group by group."""
    events = trace["traceEvents"]
    groups = {e["pid"]: e["args"]["name"] for e in events if e["name"] == "process_name"}
    spans = [e for e in events if e["ph"] == "X"]
    end = max(e["ts"] + e["dur"] for e in spans)
    begin = min(e["ts"] for e in spans)
    lanes = sorted({(e["pid"], e["tid"]) for e in spans})
    tops, top = {}, 24
    for place, lane in enumerate(lanes):
        top += GAP if place and lanes[place - 1][0] != lane[0] else 0
        tops[lane] = top
        top += ROW
    picture = Image.new("RGB", (WIDTH, top + 2 * GAP + 4), "#181818")
    pen = ImageDraw.Draw(picture)

    def x(time: float) -> float:
        return LEFT + (time - begin) / (end - begin) * (WIDTH - LEFT - 10)

    for span in spans:
        y, kind = tops[span["pid"], span["tid"]], span["name"] if span["cat"] != "decoding" else "decoding"
        if kind in COLORS:
            right = max(x(span["ts"] + span["dur"]), x(span["ts"]) + 1)
            pen.rectangle((x(span["ts"]), y, right, y + ROW - 2), fill=COLORS[kind])
    for pid, name in groups.items():
        mine = [y for (group, _), y in tops.items() if group == pid]
        if mine:
            pen.text((8, min(mine) - 3), name, fill="#eeeeee")
    for fifth in range(6):
        time = begin + (end - begin) * fifth / 5
        anchor = "ra" if fifth == 5 else "ma"
        pen.text((x(time), 4), f"{(time - begin) / 1000:.0f} ms", fill="#aaaaaa", anchor=anchor)
    for place, (name, color) in enumerate(COLORS.items()):
        left = 8 + place * (WIDTH - 16) / len(COLORS)
        pen.rectangle((left, top + GAP, left + 8, top + GAP + 8), fill=color)
        pen.text((left + 12, top + GAP - 2), name, fill="#cccccc")
    return picture


def main() -> None:
    """Read a trace and write its picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trace", type=Path)
    parser.add_argument("out", type=Path)
    options = parser.parse_args()
    draw(json.loads(options.trace.read_text(encoding="utf-8"))).save(options.out)


if __name__ == "__main__":
    main()
