"""The quantum floor by itself: it needs torch and numpy only, so that it can become a distribution of its own."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import hqzoo.quantum

FLOOR = Path(hqzoo.quantum.__file__).parent
OWN = ("hqzoo.quantum.", "hqzoo.errors.", "hqzoo._lazy.", "hqzoo._memory.")

ALONE = """
import sys
from importlib.metadata import PackageNotFoundError, packages_distributions, requires
import re

def needed(*names):
    found, pending = set(), list(names)
    while pending:
        name = re.sub(r"[-_.]+", "-", pending.pop()).lower()
        if name not in found:
            found.add(name)
            try:
                pending += [re.match(r"[\\w.-]+", line)[0] for line in requires(name) or () if "extra ==" not in line]
            except PackageNotFoundError:
                pass
    return found

allowed = needed("torch", "numpy")
named = {top: {re.sub(r"[-_.]+", "-", n).lower() for n in names} for top, names in packages_distributions().items()}
tops = {top for top, names in named.items() if names & allowed}

class Nothing:
    def find_spec(self, name, path=None, target=None):
        top = name.partition(".")[0]
        if top not in sys.stdlib_module_names and top not in tops and top != "hqzoo":
            raise ModuleNotFoundError(f"{name} is not installed here", name=name)

sys.meta_path.insert(0, Nothing())
"""


def alone(program):
    """Run a program where no other package can be imported."""
    done = subprocess.run([sys.executable, "-W", "error", "-c", ALONE + program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_circuits_run_draw_and_are_written_with_torch_and_numpy_alone():
    out = alone("""
for name in ("pennylane", "qiskit", "torchquantum", "matplotlib", "scipy", "lightning", "yaml"):
    try:
        __import__(name)
    except ModuleNotFoundError:
        continue
    raise SystemExit(f"{name} can be imported")

import torch
from hqzoo.quantum import QuantumLayer, circuits, from_qasm
from hqzoo.quantum.diagnostics import diagnose
from hqzoo.quantum.drawing import draw
from hqzoo.quantum.export import to_qasm

for engine in ("auto", "cone", "statevector", "density"):
    layer = QuantumLayer(circuits.hq_unet(2, 2), engine, seed=0)
    data = torch.rand(3, layer.circuit.n_data, requires_grad=True)
    layer(data).sum().backward()
    assert data.grad.abs().sum() > 0 and layer.weights.grad.abs().sum() > 0
draw(layer.circuit)
diagnose(circuits.hq_unet(2, 2))
assert from_qasm(to_qasm(layer.circuit)).circuit == layer.circuit
print("done")
""")
    assert out == "done\n"


@pytest.mark.parametrize(
    ("program", "extra"),
    [
        ("from hqzoo.quantum.diagnostics import hardware_cost; hardware_cost(circuits.qufex())", "qiskit"),
        ("from hqzoo.quantum import from_qiskit; from_qiskit(None)", "qiskit"),
        ("from hqzoo.quantum import from_pennylane; from_pennylane(lambda: None)", "pennylane"),
        ("from hqzoo.quantum import from_torchquantum; from_torchquantum(None, None)", "torchquantum"),
        ("from hqzoo.quantum import QuantumLayer; QuantumLayer(circuits.qufex(), 'pennylane')", "pennylane"),
    ],
)
def test_what_needs_an_extra_names_it(program, extra):
    out = alone(f"""
from hqzoo.errors import CircuitError
from hqzoo.quantum import circuits
try:
    {program.replace("; ", chr(10) + "    ")}
except CircuitError as error:
    print(error)
""")
    assert f'pip install "hqzoo[{extra}]"' in out


def test_the_floor_imports_nothing_of_hqzoo_but_its_errors():
    found = {}
    for path in sorted(FLOOR.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                if name.partition(".")[0] == "hqzoo" and not f"{name}.".startswith(OWN):
                    found.setdefault(name, path.name)
    assert not found
    for helper in ("errors", "_lazy", "_memory"):
        for node in ast.walk(ast.parse((FLOOR.parent / f"{helper}.py").read_text())):
            if isinstance(node, ast.ImportFrom):
                assert not (node.module or "").startswith("hqzoo")


def test_other_libraries_are_imported_inside_functions():
    for path in sorted(FLOOR.rglob("*.py")):
        for node in ast.parse(path.read_text()).body:
            names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                top = name.partition(".")[0]
                assert top in ("hqzoo", "torch", "numpy") or top in sys.stdlib_module_names, f"{path} imports {name}"
