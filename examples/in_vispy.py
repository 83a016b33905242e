"""Show a remote volume in a vispy canvas: what a viewer's author has to write.

Run: python examples/in_vispy.py URL [OUT.png]
"""

import sys

import brickstream as bs
from brickstream.render import BrickScene, use_headless


def main(url: str, out: str | None = None) -> None:
    if out is not None:
        use_headless()  # before anything makes a canvas
    from vispy import app, io, scene

    canvas = scene.SceneCanvas(size=(800, 600), bgcolor="black", show=out is None)
    bricks = BrickScene(canvas, canvas.central_widget.add_view(), max_gpu_bytes=512 << 20, colormap="magma")
    with bs.Engine.in_thread(sink=bricks.sink) as engine:
        image = engine.open(url, timeout=30)
        view = bs.View.volume(image, canvas=canvas.physical_size, camera=bs.Camera(azimuth=30, elevation=20))
        engine.show(image, view)
        bricks.set_view(view)

        def tick(event: object = None) -> None:
            engine.poll(budget_ms=4)
            canvas.set_current()
            if bricks.commit(budget_ms=4):
                print(f"{engine.live.progress:.0%}, levels on screen: {bricks.sink.shown_levels()}")
                canvas.update()

        if out is None:
            _timer = app.Timer(1 / 60, connect=tick, start=True)  # runs as long as somebody holds it
            app.run()
            return
        while not engine.is_complete or bricks.sink.pending_uploads:
            engine.wait(1 / 60)
            tick()
    io.write_png(out, canvas.render())


if __name__ == "__main__":
    main(*sys.argv[1:])
