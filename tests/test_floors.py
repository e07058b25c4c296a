"""The plan of the house, held to: imports go downwards, and only its own file knows a concrete task or data set."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests import floors


def test_every_file_has_a_floor() -> None:
    tops = {path.parts[0].removesuffix(".py") for path in floors.files() if str(path) not in floors.FACADE}
    assert tops == set(floors.FLOORS)


def test_imports_go_downwards() -> None:
    inner = [path for path in floors.files() if str(path) not in floors.FACADE]
    found = [floors.breach(path, name) for path in inner for name in floors.imports(path, floors.tree(path))]
    assert found, "nothing was read"
    assert not any(found), "\n".join(filter(None, found))


@pytest.mark.parametrize(
    ("path", "code", "allowed"),
    [
        ("models/x.py", "from hqzoo.data.sensor import Sensor", True),
        ("models/x.py", "from hqzoo.data import sensor", True),
        ("models/x.py", "from hqzoo.data import Sensor", False),
        ("models/x.py", "def f():\n    import hqzoo.tasks", False),
        ("models/x.py", "from hqzoo import tasks", False),
        ("models/x.py", "from ..tasks import base", False),
        ("models/x.py", "from ..nn import unet", True),
        ("models/x.py", "from . import registry", True),
        ("data/x.py", "from hqzoo.models import create_model", False),
        ("quantum/engines/x.py", "from ...nn import unet", False),
        ("quantum/engines/x.py", "from ..circuit import Circuit", True),
        ("tasks/x.py", "if TYPE_CHECKING:\n    from hqzoo.compare import Table", False),
        ("scenes/x.py", "from hqzoo.tasks.base import Task", True),
        ("errors.py", "import hqzoo.quantum", False),
        ("_lightning.py", "from hqzoo.errors import HqzooError", True),
        ("cli/x.py", "from hqzoo import __version__", True),
    ],
)
def test_the_judge_knows_up_from_down(path: str, code: str, allowed: bool) -> None:
    found = [floors.breach(Path(path), name) for name in floors.imports(Path(path), ast.parse(code))]
    assert any(found) != allowed


@pytest.mark.parametrize(("folder", "ending"), [("tasks", "Task"), ("data", "DataModule")])
def test_what_is_concrete_is_named_in_its_own_file_alone(folder: str, ending: str) -> None:
    """A new task or data set touches its own file only, so no other file may count on a particular one."""
    allowed = floors.concrete(folder, ending)
    assert allowed, f"hqzoo/{folder} defines no class that ends with {ending}"
    named = {path: floors.names(floors.tree(path)) for path in floors.files()}
    found = [
        f"{path} names {name}"
        for name, places in allowed.items()
        for path in floors.files()
        if path not in places and name in named[path]
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("code", "named"),
    [
        ("from hqzoo.tasks import ToyTask", True),
        ("import hqzoo.tasks as t\nt.ToyTask()", True),
        ("def f(task: ToyTask) -> None: ...", True),
        ("PATH = 'hqzoo.tasks.ToyTask'", True),
        ("raise ConfigError('Give it to a ToyTask instead.')", False),
        ("def f() -> None:\n    '''Take a ToyTask.'''", False),
    ],
)
def test_the_judge_tells_names_from_prose(code: str, named: bool) -> None:
    assert ("ToyTask" in floors.names(ast.parse(code))) == named
