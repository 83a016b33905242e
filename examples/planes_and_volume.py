"""Three planes and a volume of one image on one canvas: four views, one scheduler, one cache, one budget.

Run: python examples/planes_and_volume.py URL [OUT.png]
"""

import sys

import brickstream as bs
from brickstream.render import BrickScene, use_headless
from brickstream.viewers.files import write_png

SIDE = 400


def main(url: str, out: str | None = None) -> None:
    if out is not None:
        use_headless()
    from vispy import app, scene

    canvas = scene.SceneCanvas(size=(2 * SIDE, 2 * SIDE), bgcolor="black", show=out is None)
    canvas.set_current()
    grid = canvas.central_widget.add_grid(spacing=0)
    quarters = [BrickScene(canvas, grid.add_view(row, column), 128 << 20) for row in (0, 1) for column in (0, 1)]
    with bs.Engine.in_thread() as engine:
        image = engine.open(url, timeout=30)
        views = [bs.View.plane(image, shown, canvas=(SIDE, SIDE)) for shown in (("y", "x"), ("z", "x"), ("y", "z"))]
        views.append(bs.View.volume(image, canvas=(SIDE, SIDE), camera=bs.Camera(azimuth=30, elevation=20)))
        viewports = [engine.viewport(quarter.sink) for quarter in quarters]
        for viewport, quarter, view in zip(viewports, quarters, views, strict=True):
            viewport.show(image, view)
            quarter.set_view(view)

        def tick(event: object = None) -> None:
            canvas.set_current()
            for viewport, quarter in zip(viewports, quarters, strict=True):
                viewport.poll(budget_ms=1)
                quarter.commit(budget_ms=1)
            canvas.update()

        timer = app.Timer(1 / 60, connect=tick, start=out is None)
        if out is None:
            app.run()
        while out is not None and not all(viewport.is_complete for viewport in viewports):
            tick()
            print(", ".join(f"{viewport.live.progress:.0%}" for viewport in viewports))
            next((viewport.wait(1 / 60) for viewport in viewports if not viewport.is_complete), None)
        timer.stop()
        chunks = sum(part.chunks.shape[0] for view in views for part in engine.engine.plan(image, view).levels)
        print(f"{engine.stats().requests} requests for {chunks} chunks in four views")
        for quarter in quarters:
            quarter.commit()
    if out is not None:
        write_png(out, canvas.render())


if __name__ == "__main__":
    main(*sys.argv[1:])
