"""A shader is told only what it does not know."""

from typing import Any

import numpy as np
import pytest

from brickstream.multiscale import View
from brickstream.render.look import Look
from brickstream.render.uniforms import Uniforms
from tests.fed import Fed, pyramid_of


class Program:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.told: list[tuple[str, Any]] = []

    def __setitem__(self, name: str, value: Any) -> None:
        self.told.append((name, value))


def test_what_is_known_is_not_said_again() -> None:
    program = Program()
    uniforms = Uniforms(program)
    first, second = object(), object()
    for value in (1.0, 1, np.float32(1), 2.0, 2.0, 1.0):
        uniforms["number"] = value
    for value in ((1.0, 2.0), np.array([1.0, 2.0]), [1.0, 3.0]):
        uniforms["numbers"] = value
    for value in (first, first, second):
        uniforms["texture"] = value
    names = [name for name, _ in program.told]
    assert names == ["number"] * 3 + ["numbers"] * 2 + ["texture"] * 2
    assert [value for name, value in program.told if name == "number"] == [1.0, 2.0, 1.0]
    assert program.told[-1] == ("texture", second)


def test_a_further_brick_is_drawn_without_a_word_to_the_shader(kit: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    pyramid, arrays = pyramid_of(kit, np.random.default_rng(5).random((32, 32, 32)), [])
    with Fed(kit, Look(clim=(0, 1))) as fed:
        plan, held = fed.begin(pyramid, View.volume(pyramid, canvas=(96, 72)))
        steps = fed.arrive(plan, arrays, held)
        next(steps)
        before = fed.picture()
        node = fed.screen.scene.visual
        updates = []
        node.events.update.connect(updates.append)
        told: list[str] = []
        monkeypatch.setattr(Uniforms, "__setitem__", lambda self, name, value: told.append(name))
        fed.screen.commit()
        assert not updates, "nothing has come"
        next(steps)
        fed.screen.commit()
        assert updates
        assert not told
        assert (fed.picture() != before).any()
