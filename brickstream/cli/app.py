"""Commands. Each reads its options, calls the room that does the work, and says the result."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from typer.exceptions import TyperException

from brickstream.cli import console, options
from brickstream.cli.bench import bench_app
from brickstream.cli.options import Json
from brickstream.errors import BrickstreamError

OK, USER_ERROR, FAILED_CHUNKS, TIMED_OUT, INTERRUPTED = 0, 2, 3, 4, 130

app = typer.Typer(
    name="brickstream",
    help="Show a multiscale, chunked image of any size while it is still being fetched.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
app.add_typer(bench_app, name="bench")

Url = Annotated[str, typer.Argument(help="An http(s) URL or a folder: OME-Zarr, a Zarr array, or a group of arrays.")]
Image = Annotated[str, typer.Option("--image", help="Path of one image in a plate or another collection: A/1/0")]
Point = Annotated[list[str] | None, typer.Option(help="World position on an axis that is not displayed: z=90 t=3")]
Stats = Annotated[bool, typer.Option("--stats", help="Say what was fetched, decoded and drawn, and how long it took.")]
Trace = Annotated[Path | None, typer.Option(metavar="OUT.json", help="Write a trace for ui.perfetto.dev.")]
Center = Annotated[list[str] | None, typer.Option(help="World position of the middle: y=100,x=200")]
Zoom = Annotated[float | None, typer.Option(help="Canvas pixels per world unit; default: all fits.")]
Camera = Annotated[list[str] | None, typer.Option(help="azimuth=,elevation=,roll=,fov=,distance=")]
Clim = Annotated[str | None, typer.Option(help="Contrast limits LO,HI.")]
Colormap = Annotated[str | None, typer.Option(help="A colormap's name; default grays, of labels a colour each.")]
Interpolation = Annotated[str | None, typer.Option(help="nearest, linear or cubic.")]
Method = Annotated[str | None, typer.Option(help="Of volumes: mip (default), translucent, iso, surfaces, ...")]
LOOK_HELP = "How it looks: FILE.json, or KEY=VALUE such as gamma=0.5 or surfaces.count=5. See docs/rendering.md."
LookWords = Annotated[list[str] | None, typer.Option("--look", metavar="LOOK", help=LOOK_HELP)]
ScaleBar = Annotated[bool, typer.Option("--scale-bar", help="Draw a bar of a round length over it.")]
Axes = Annotated[bool, typer.Option("--axes", help="Draw arrows along the displayed axes over it.")]
ColorBar = Annotated[bool, typer.Option("--colorbar", help="Draw the colormap with its limits over it.")]
Text = Annotated[list[str] | None, typer.Option(help="Write this over it, at the top left or: bottom-left:TEXT")]
MaxCanvas = Annotated[int | None, typer.Option(help="Draw in tiles of at most so many pixels a side.", min=16)]
PROFILE_HELP = "lan, campus, s3-same-region, s3-far, home-30mbps, mobile or bad-day; single options change it."
Timeout = Annotated[float | None, typer.Option(help="Seconds, from the start of the opening.", min=0)]


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line; return its exit code."""
    words = options.join_words(sys.argv[1:] if argv is None else argv)
    try:
        code = app(words, standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        code = INTERRUPTED
    except TyperException as error:
        console.error_line(f"{error.format_message()} (see brickstream --help)")
        return USER_ERROR
    except BrickstreamError as error:
        console.error_line(error)
        return USER_ERROR
    if code == INTERRUPTED:
        console.error_line("interrupted")
    return code if isinstance(code, int) else OK


@app.callback()
def _root() -> None:
    """Show a multiscale, chunked image of any size while it is still being fetched."""


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Where pictures, timeline and sample images go.")] = Path("demo-out"),
    stay: Annotated[bool, typer.Option("--stay", help="Keep the windows open until they are closed.")] = False,
    latency_ms: Annotated[float, typer.Option(help="Latency of the built-in server.", min=0)] = 50.0,
) -> int:
    """Make sample images, serve them with latency, show them coarse to fine in 2D and 3D, and print the times.

    Example: brickstream demo --out demo-out
    """
    from brickstream.cli.demo import run_demo

    return run_demo(out, stay=stay, latency_ms=latency_ms)


@app.command()
def sample(
    name: Annotated[str, typer.Argument(help="globe, brain, synthetic or microscope.")],
    dest: Annotated[Path, typer.Argument(help="The folder to make.")],
    ome: Annotated[str, typer.Option("--format", help="OME-Zarr 0.4 (Zarr v2) or 0.5 (Zarr v3).")] = "0.5",
    sharded: Annotated[bool, typer.Option("--sharded", help="Pack chunks into shards (0.5 only).")] = False,
    shape: Annotated[str | None, typer.Option(help="Of synthetic and microscope: 256x256x256.")] = None,
    chunks: Annotated[str | None, typer.Option(help="Pixels of a chunk, an axis each: 64x64x64.")] = None,
    codec: Annotated[str, typer.Option(help="zstd, blosc or none.")] = "zstd",
) -> int:
    """Write a real image as OME-Zarr with a pyramid.

    Example: brickstream sample brain brain.ome.zarr --sharded
    """
    from brickstream.samples import write_sample

    sizes = {
        "shape": None if shape is None else options.shape(shape),
        "chunks": None if chunks is None else options.shape(chunks, "--chunks"),
    }
    with console.progress(f"writing {name}") as step:
        path = write_sample(name, dest, ome_version=ome, sharded=sharded, codec=codec, progress=step, **sizes)
    console.say(str(path))
    return OK


@app.command()
def serve(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The folder to serve.")],
    port: Annotated[int, typer.Option(help="0 takes a free one.", min=0, max=65535)] = 8765,
    profile: Annotated[str | None, typer.Option(help=PROFILE_HELP)] = None,
    latency_ms: Annotated[float | None, typer.Option(help="A round trip, before each first byte.", min=0)] = None,
    jitter_ms: Annotated[float | None, typer.Option(help="Of the latency, either way, at random.", min=0)] = None,
    ttfb_ms: Annotated[float | None, typer.Option(help="What the server takes, on top of that.", min=0)] = None,
    connect_ms: Annotated[float | None, typer.Option(help="Once for each TCP connection.", min=0)] = None,
    connect_round_trips: Annotated[float | None, typer.Option(help="The same, in round trips.", min=0)] = None,
    bandwidth_mbps: Annotated[float | None, typer.Option(help="Of all responses together.", min=0)] = None,
    connection_mbps: Annotated[float | None, typer.Option(help="Of each connection.", min=0)] = None,
    max_connections: Annotated[int | None, typer.Option(help="Served at once; others wait.", min=1)] = None,
    keep_alive_s: Annotated[float | None, typer.Option(help="Idle connections are closed then.", min=0)] = None,
    requests_per_connection: Annotated[int | None, typer.Option(help="Then it is closed.", min=1)] = None,
    rate_503: Annotated[
        float | None, typer.Option("--rate-503", "--error-rate", help="Said 503.", min=0, max=1)
    ] = None,
    rate_reset: Annotated[float | None, typer.Option(help="Broken off in the middle.", min=0, max=1)] = None,
    rate_truncate: Annotated[float | None, typer.Option(help="Cut, with a length to match.", min=0, max=1)] = None,
    rate_hang: Annotated[float | None, typer.Option(help="Begun and never ended.", min=0, max=1)] = None,
    rate_corrupt: Annotated[float | None, typer.Option(help="With one wrong byte.", min=0, max=1)] = None,
    rate_trickle: Annotated[float | None, typer.Option(help="Going on at a crawl.", min=0, max=1)] = None,
    trickle_kbps: Annotated[float | None, typer.Option(help="How fast that is.", min=0)] = None,
    tail_rate: Annotated[float | None, typer.Option(help="With a longer latency.", min=0, max=1)] = None,
    tail_factor: Annotated[float | None, typer.Option(help="How many times as long.", min=1)] = None,
    retry_after: Annotated[int | None, typer.Option(help="Seconds that a 503 asks to wait.", min=0)] = None,
    seed: Annotated[int | None, typer.Option(help="Of jitter, tail and faults.")] = None,
    script: Annotated[Path | None, typer.Option(metavar="FAULTS.json", help="Which requests fail.")] = None,
    missing_status: Annotated[int, typer.Option(help="For what is not there: 404 or 403.")] = 404,
    ignore_range: Annotated[bool, typer.Option("--ignore-range", help="Send everything, also to Range.")] = False,
) -> int:
    """Serve a folder on 127.0.0.1 like a far, slow or bad network; Ctrl-C ends it.

    GET /_serve/log lists the requests; /synthetic/ZxYxX/ is a computed image of any size.

    Rates are shares of the responses, 0 to 1. Which ones is decided by the seed, or by a script.

    Example: brickstream serve data --profile s3-far --rate-503 0.02
    """
    from brickstream.cli.serving import network_of, run_server
    from brickstream.latency import Quirks
    from brickstream.latency.network.script import read_script

    network = network_of(
        profile,
        latency_ms=latency_ms,
        jitter_ms=jitter_ms,
        ttfb_ms=ttfb_ms,
        connect_ms=connect_ms,
        connect_round_trips=connect_round_trips,
        bandwidth_mbps=bandwidth_mbps,
        connection_mbps=connection_mbps,
        max_connections=max_connections,
        keep_alive_s=keep_alive_s,
        requests_per_connection=requests_per_connection,
        rate_503=rate_503,
        rate_reset=rate_reset,
        rate_truncate=rate_truncate,
        rate_hang=rate_hang,
        rate_corrupt=rate_corrupt,
        rate_trickle=rate_trickle,
        trickle_kbps=trickle_kbps,
        tail_rate=tail_rate,
        tail_factor=tail_factor,
        retry_after=retry_after,
        seed=seed,
    )
    faults = None if script is None else read_script(script)
    return run_server(folder, port, network, Quirks(missing_status, ignore_range), faults)


@app.command()
def info(url: Url, image: Image = "", as_json: Json = False) -> int:
    """Say what is there: an image's axes, levels, channels and labels, or the images to choose from.

    Example: brickstream info http://127.0.0.1:8765/brain.ome.zarr
    """
    from brickstream.chunks import below
    from brickstream.cli import describe, tables

    document = describe.describe(below(url, image))
    if as_json:
        console.say_json(document)
    else:
        console.say("\n".join(tables.lines(document)))
    return OK


@app.command()
def snapshot(
    url: Url,
    out: Annotated[Path, typer.Argument(metavar="OUT.png", help="The picture to write.")],
    image: Image = "",
    size: Annotated[str, typer.Option(help="WxH in pixels.")] = "800x600",
    ndisplay: Annotated[int, typer.Option(help="2: a plane, 3: a volume.", min=2, max=3)] = 2,
    displayed: Annotated[str | None, typer.Option(help="Axes to show, such as y,x or z,y,x.")] = None,
    point: Point = None,
    margins: Annotated[list[str] | None, typer.Option(help="Of a thick slice, to both sides: z=5")] = None,
    projection: Annotated[str | None, typer.Option(help="Of --margins: mean (default), max, min or sum.")] = None,
    normal: Annotated[list[str] | None, typer.Option(help="An oblique cut across this: z=1,y=0.5")] = None,
    level: Annotated[int | None, typer.Option(help="Use this level (0 is the finest).")] = None,
    center: Center = None,
    zoom: Zoom = None,
    look: LookWords = None,
    method: Method = None,
    clim: Clim = None,
    colormap: Colormap = None,
    interpolation: Interpolation = None,
    camera: Camera = None,
    scale_bar: ScaleBar = False,
    axes: Axes = False,
    colorbar: ColorBar = False,
    text: Text = None,
    debug_levels: Annotated[bool, typer.Option("--debug-levels", help="Tint places by the level drawn there.")] = False,
    channels: Annotated[str | None, typer.Option(help="Show these together, each in its colour: 0,1,2 or all.")] = None,
    channel_colors: Annotated[str | None, typer.Option(help="Instead of the metadata's: ff0000,green")] = None,
    data: Annotated[Path | None, typer.Option(metavar="OUT.npy", help="Also write the finished array.")] = None,
    dense: Annotated[bool, typer.Option("--dense", help="Draw with vispy's dense visuals instead.")] = False,
    ram_budget: Annotated[str, typer.Option(help="For decoded chunks: 2GiB")] = "2GiB",
    gpu_budget: Annotated[str, typer.Option(help="For the texture atlas: 512MiB")] = "512MiB",
    max_inflight: Annotated[int, typer.Option(help="Reads at the same time.", min=1)] = 64,
    prefetch: Annotated[str, typer.Option(help="on or off: fetch ahead of what is in view.")] = "off",
    max_texture: Annotated[int | None, typer.Option(help="Pretend that the GL limit is this.", min=16)] = None,
    max_canvas: MaxCanvas = None,
    timeout: Timeout = None,
    stats: Stats = False,
    trace: Trace = None,
    as_json: Json = False,
) -> int:
    """Draw a view offscreen when it is complete, and say what it cost.

    Exit code 0: complete; 3: complete with failed chunks; 4: timeout, picture of what is there; 2: error.

    Example: brickstream snapshot http://127.0.0.1:8765/brain.ome.zarr brain.png --ndisplay 3 --camera elevation=20
    """
    from brickstream.chunks import below
    from brickstream.cli.snapshot import Wish, run_snapshot
    from brickstream.viewers.snapshot import Limits

    thick = options.pairs(margins, "--margins")
    wish = Wish(
        url=below(url, image),
        out=options.out_file(out),
        canvas=options.size(size),
        ndisplay=ndisplay,
        displayed=tuple(displayed.split(",")) if displayed else None,
        point=options.pairs(point, "--point"),
        margins=thick,
        projection=options.projection(projection, thick),
        normal=options.pairs(normal, "--normal"),
        level=level,
        center=options.center(center),
        zoom=zoom,
        camera=options.camera(camera),
        channels=options.channels(channels, channel_colors),
        as_labels=colormap is None and clim is None,
        look=options.look(
            look,
            method=method,
            clim=options.clim(clim),
            colormap=colormap,
            interpolation=interpolation,
            marks="levels" if debug_levels else None,
        ),
        limits=Limits(
            options.byte_count(ram_budget, "--ram-budget"),
            options.byte_count(gpu_budget, "--gpu-budget"),
            max_inflight,
            max_texture,
            timeout,
            options.on_off(prefetch, "--prefetch"),
            max_canvas,
        ),
        overlays=options.overlays(scale_bar, axes, colorbar, text),
        data=options.out_file(data) if data is not None else None,
        trace=options.out_file(trace) if trace is not None else None,
        stats=stats,
    )
    return run_snapshot(wish, dense=dense, as_json=as_json)


@app.command()
def animate(
    url: Url,
    keyframes: Annotated[Path | None, typer.Argument(metavar="[KEYFRAMES.json]", help="What is shown when.")] = None,
    out: Annotated[Path, typer.Option(metavar="OUT", help="film.gif, .png, .mp4, or a folder.")] = Path("frames"),
    fps: Annotated[float, typer.Option(help="Frames a second.")] = 25.0,
    orbit: Annotated[float | None, typer.Option(help="Turn a volume by so many degrees instead.")] = None,
    seconds: Annotated[float, typer.Option(help="How long the turn takes.")] = 6.0,
    image: Image = "",
    size: Annotated[str, typer.Option(help="WxH in pixels.")] = "800x600",
    ndisplay: Annotated[int, typer.Option(help="2: a plane, 3: a volume.", min=2, max=3)] = 3,
    point: Point = None,
    center: Center = None,
    zoom: Zoom = None,
    camera: Camera = None,
    look: LookWords = None,
    method: Method = None,
    clim: Clim = None,
    colormap: Colormap = None,
    interpolation: Interpolation = None,
    scale_bar: ScaleBar = False,
    axes: Axes = False,
    colorbar: ColorBar = False,
    text: Text = None,
    max_canvas: MaxCanvas = None,
    timeout: Annotated[float | None, typer.Option(help="Seconds, for each frame.", min=0)] = None,
) -> int:
    """Draw a film of keyframes, or of a turn, each frame when it is complete. The format: docs/figures.md.

    Example: brickstream animate http://127.0.0.1:8765/brain.ome.zarr --orbit 360 --out brain.gif --fps 20
    """
    from brickstream.chunks import below
    from brickstream.cli.animate import run_animate
    from brickstream.cli.snapshot import Wish
    from brickstream.viewers.report import Limits

    wish = Wish(
        url=below(url, image),
        out=out,
        canvas=options.size(size),
        ndisplay=ndisplay,
        point=options.pairs(point, "--point"),
        center=options.center(center),
        zoom=zoom,
        camera=options.camera(camera),
        look=options.look(look, method=method, clim=options.clim(clim), colormap=colormap, interpolation=interpolation),
        limits=Limits(timeout=timeout, max_canvas=max_canvas),
        overlays=options.overlays(scale_bar, axes, colorbar, text),
    )
    turn = None if orbit is None else (orbit, seconds)
    return run_animate(wish, keyframes, turn, fps)


@app.command()
def view(
    url: Url,
    image: Image = "",
    ndisplay: Annotated[int, typer.Option(help="2: a plane, 3: a volume.", min=2, max=3)] = 2,
    size: Annotated[str, typer.Option(help="WxH of the window.")] = "800x600",
    point: Point = None,
    clim: Clim = None,
    colormap: Colormap = None,
    look: LookWords = None,
    method: Method = None,
    prefetch: Annotated[str, typer.Option(help="on or off: fetch ahead of what is in view.")] = "on",
    screenshot: Annotated[Path | None, typer.Option(metavar="OUT.png", help="Write a picture when complete.")] = None,
    exit_when_complete: Annotated[bool, typer.Option("--exit-when-complete", help="Close when complete.")] = False,
    timeout: Timeout = None,
    record: Annotated[
        Path | None, typer.Option(metavar="OUT.json", help="Write down what was looked at, when.")
    ] = None,
    stats: Stats = False,
    trace: Trace = None,
) -> int:
    """Open a window: pan and zoom or orbit with the mouse, keys 2 and 3 switch, sliders move the other axes.

    Keys s, a and c show and hide the scale bar, the axes and the colour bar.

    Example: brickstream view http://127.0.0.1:8765/brain.ome.zarr --ndisplay 3
    """
    from brickstream.chunks import below
    from brickstream.cli.view import run_view
    from brickstream.viewers.desktop import WindowOptions

    window = WindowOptions(
        url=below(url, image),
        ndisplay=ndisplay,
        canvas=options.size(size),
        point=options.pairs(point, "--point"),
        look=options.look(look, method=method, clim=options.clim(clim), colormap=colormap),
        as_labels=colormap is None and clim is None,
        screenshot=options.out_file(screenshot) if screenshot is not None else None,
        exit_when_complete=exit_when_complete,
        timeout=timeout,
        prefetch=options.on_off(prefetch, "--prefetch"),
    )
    return run_view(
        window,
        stats=stats,
        trace=None if trace is None else options.out_file(trace),
        record=None if record is None else options.out_file(record),
    )


@app.command("demo-pictures", hidden=True)
def demo_pictures(flat: str, volume: str, out: Path) -> int:
    """Draw the demo's pictures offscreen: the part of the demo that runs in a process of its own."""
    from brickstream.cli.demo import draw_pictures

    return draw_pictures(flat, volume, out)
