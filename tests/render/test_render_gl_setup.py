from __future__ import annotations

import subprocess
import sys


def run(code: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)


def test_importing_the_room_loads_no_graphics() -> None:
    code = (
        "import sys, brickstream.render\n"
        "assert not {'vispy', 'OpenGL'} & set(sys.modules), 'bare'\n"
        "import brickstream.render.offscreen\n"
        "assert 'OpenGL' not in sys.modules, 'offscreen'\n"
    )
    done = run(code)
    assert done.returncode == 0, done.stderr


def test_headless_after_a_display_is_refused() -> None:
    code = (
        "import sys, types\n"
        "sys.modules['OpenGL.platform'] = types.ModuleType('OpenGL.platform')\n"
        "from brickstream.errors import GraphicsError\n"
        "from brickstream.render import use_headless\n"
        "try:\n    use_headless()\nexcept GraphicsError as error:\n    print(error)\n"
    )
    assert "loaded for a display already" in run(code).stdout


def test_a_missing_library_names_the_packages() -> None:
    code = (
        "import ctypes.util, ctypes\n"
        "find, load = ctypes.util.find_library, ctypes.CDLL.__init__\n"
        "names = ('EGL',)\n"
        "ctypes.util.find_library = lambda name: None if name in names else find(name)\n"
        "def refuse(self, name, *args, **kwargs):\n"
        "    if name and 'libEGL.so' in str(name): raise OSError(f'{name}: cannot open')\n"
        "    return load(self, name, *args, **kwargs)\n"
        "ctypes.CDLL.__init__ = refuse\n"
        "from brickstream.errors import GraphicsError\n"
        "from brickstream.render import OffscreenView\n"
        "try:\n    OffscreenView().open()\nexcept GraphicsError as error:\n    print(error)\n"
    )
    done = run(code)
    assert "libegl1 libgl1 libgl1-mesa-dri" in done.stdout, done.stderr
    assert len(done.stdout.splitlines()) == 1
