"""What every registered model promises, with every control it has.

Small models, built once and shared: a test that changes one works on a copy.
"""

import copy
from functools import cache

import onnxruntime
import pytest
import torch

import hqzoo
from hqzoo.models import create_model, list_models, model_info
from hqzoo.nn import frozen_parts
from hqzoo.quantum import QuantumLayer
from hqzoo.quantum.diagnostics import inert_weights
from tests.fixtures.inputs import inputs_of

# What makes a model small; others are built with their defaults, and a width of 8 where they have one.
SMALL = {
    "hqf_net": {
        "width": 4, "gamma": 1.0, "fusion_dim": 16, "fusion_heads": 2, "backbone": "vit_small_patch16_dinov3",
        "backbone_args": {"embed_dim": 32, "depth": 4, "num_heads": 2},
    },
    "hq_unet": {"width": 8, "input_size": 32},
    "qu_net": {"filters": (8, 12, 8), "n_filters": 2, "placement": "both"},
}  # fmt: skip
OPTIONS = {"mlp_time": {"control_hidden": 7}}
SIZE = 32
ZOO = [name for name in list_models("segmentation") if model_info(name).build.__module__.startswith("hqzoo.")]
CELLS = [(name, control) for name in ZOO for control in model_info(name).controls or ("",)]

# Parameters that no gradient reaches, because what stands in the circuit's place ignores its input or is zero.
BEFORE_THE_CORE = ("bottleneck.pre.", "encoder.down.3.")
BEFORE_THE_CORES = ("qmoe.pre.", *(f"qskip.{level}.pre." for level in range(4)))
BEHIND_THE_CORES = ("qmoe.post.weight", *(f"qskip.{level}.post.weight" for level in range(4)))
# Deformable attention starts with offsets and weights that do not depend on the query, as published.
QUERIES = tuple(f"fusion.blocks.{level}.{part}" for level in range(4) for part in ("query.", "level"))
UNREACHED = {
    **{("hqf_net", control): QUERIES for control in model_info("hqf_net").controls},
    ("hqf_net", "constant"): (*QUERIES, *BEFORE_THE_CORES),
    ("hqf_net", "zero"): (*QUERIES, *BEFORE_THE_CORES, *BEHIND_THE_CORES, "qmoe.router."),
    ("hq_unet", "constant"): BEFORE_THE_CORE,
    ("hq_unet", "zero"): (*BEFORE_THE_CORE, "bottleneck.post.weight"),
    ("coqcnn", "zero"): ("decoder.0.weight",),
    ("dense_classifier", "constant"): ("head.norm.", "head.cells.reduce."),
    ("dense_classifier", "zero"): ("head.norm.", "head.cells.reduce.", "head.cells.expand.weight"),
    # Of 32 pixels one key is left, and all queries look at it.
    ("segformer", ""): tuple(f"net.encoder.block{k}.{i}.attn.q." for k in range(1, 5) for i in range(2)),
}
# Circuit weights that change no output: in Qu-Net's second filter without CNOT, RX(b1) is the last gate before <X>.
# In COQCNN, the last band's ring is phases before a read-out that does not see them.
INERT = {
    ("qu_net", "separable"): {"bottleneck.cores.1": {3}, "skip.cores.1": {3}},
    **{("coqcnn", control): {"core": {8, 9, 10, 11}} for control in ("quantum", "frozen")},
    ("coqcnn", "separable"): {"core": set(range(12))},  # the ring is all that couples the pixels to the ancilla
}

pytestmark = pytest.mark.filterwarnings(r"ignore:\\d+ of the circuit's \\d+ weights change no output")
cells = pytest.mark.parametrize(("name", "control"), CELLS)
# Compiling and exporting take seconds a model: in `make test` only what holds a circuit, or no control at all. Of large
# models, which take half a minute each, no more than that among the slow tests either: their controls are others' too.
QUICK = ("", "quantum", "separable")
LARGE = ("hqf_net", "deeplabv3plus", "fpn", "segformer", "unetplusplus", "diresunet")
compiled_cells = pytest.mark.parametrize(
    ("name", "control"),
    [
        cell if cell[1] in QUICK and cell[0] not in LARGE else pytest.param(*cell, marks=pytest.mark.slow)
        for cell in CELLS
        if cell[1] in QUICK or cell[0] not in LARGE
    ],
)


def fresh(name: str, control: str, in_channels: int = 3):
    torch.manual_seed(0)
    chosen = {"control": control, **OPTIONS.get(control, {})} if control else {}
    width = {"width": 8} if "width" in model_info(name).arguments else {}
    return create_model(name, inputs=inputs_of(in_channels), num_classes=2, **SMALL.get(name, width), **chosen)


@cache
def shared(name: str, control: str):
    return fresh(name, control).eval()


def images(batch: int = 2, bands: int = 3, size: int = SIZE):
    return torch.rand(batch, bands, size, size, generator=torch.Generator().manual_seed(1))


def circuits_of(model):
    return {name: module for name, module in model.named_modules() if isinstance(module, QuantumLayer)}


def test_the_zoo_is_what_users_see():
    assert set(SMALL) <= set(ZOO)
    assert list_models() == hqzoo.list_models()


def test_controls_are_those_that_the_constructor_takes():
    for name in ZOO:
        assert bool(model_info(name).controls) == ("control" in model_info(name).arguments)


@cells
def test_gradients_reach_every_weight_that_can_matter(name, control):
    model = copy.deepcopy(shared(name, control)).train()
    logits = model(images())
    assert logits.shape == (2, 2, SIZE, SIZE)
    logits.square().mean().backward()
    gradients = {n: p.grad for n, p in model.named_parameters() if p.requires_grad}
    silent = {n for n, gradient in gradients.items() if gradient is None or not gradient.abs().max() > 0}
    assert silent == {n for n in gradients if n.startswith(UNREACHED.get((name, control), ("nothing",)))}
    apart = tuple(f"{place}." for place in frozen_parts(model)) or ("nothing",)
    frozen = {n for n, p in model.named_parameters() if not p.requires_grad and not n.startswith(apart)}
    assert frozen == ({f"{n}.weights" for n in circuits_of(model)} if control == "frozen" else set())
    inert = {n: set(inert_weights(layer.circuit)) for n, layer in circuits_of(model).items()}
    assert {n: weights for n, weights in inert.items() if weights} == INERT.get((name, control), {})
    if control != "frozen":
        for n, weights in inert.items():
            dead = (gradients[f"{n}.weights"].abs() < 1e-9).nonzero().flatten().tolist()
            assert set(dead) == weights


@cells
def test_state_and_copies_keep_the_function(name, control):
    model, image = shared(name, control), images()
    torch.manual_seed(5)
    other = copy.deepcopy(model)
    for value in other.state_dict().values():
        value.zero_()
    other.load_state_dict(model.state_dict())
    with torch.no_grad():
        expected = model(image)
        assert torch.equal(other(image), expected)
        assert torch.equal(copy.deepcopy(model)(image), expected)
        torch.testing.assert_close(model(image[:1]), expected[:1], atol=1e-5, rtol=1e-4)


@cells
@pytest.mark.parametrize("bands", [1, 5])
def test_bands(name, control, bands):
    if bands < 3 and "any_bands" in model_info(name).limits:
        with pytest.raises(hqzoo.errors.ConfigError, match="needs the bands red, green, blue; the images have red"):
            fresh(name, control, bands)
        return
    with torch.no_grad():
        assert fresh(name, control, bands).eval()(images(1, bands)).shape == (1, 2, SIZE, SIZE)


@cells
def test_trains_on_a_batch_of_one(name, control):
    """At twice the size where that is allowed: batch normalisation needs two values a channel."""
    model = fresh(name, control).train()
    size = SIZE if getattr(model, "input_size", None) else 2 * SIZE
    if "single_image" in model_info(name).limits:
        with pytest.raises(hqzoo.errors.ConfigError, match="batch_size of at least 2"):
            model(images(1, size=size))
        return
    model(images(1, size=size)).sum().backward()
    assert all(p.grad is None or p.grad.isfinite().all() for p in model.parameters())


@cells
def test_sizes(name, control):
    """Every model takes several sizes unless it names its only one; no model takes any size if its card says so."""
    model = shared(name, control)
    needed = getattr(model, "input_size", None)
    with torch.no_grad():
        for size in (SIZE, 2 * SIZE):
            if needed in (None, size):
                assert model(images(1, size=size)).shape == (1, 2, size, size)
            else:
                with pytest.raises(hqzoo.errors.ConfigError, match=f"{needed}x{needed}"):
                    model(images(1, size=size))
        if "any_size" in model_info(name).limits:
            with pytest.raises((hqzoo.errors.ConfigError, RuntimeError), match=r"takes|Sizes"):
                model(images(1, size=SIZE + 1))
        else:
            assert model(images(1, size=SIZE + 1)).shape == (1, 2, SIZE + 1, SIZE + 1)


@cells
def test_autocast_spares_the_circuits(name, control):
    model, seen = copy.deepcopy(shared(name, control)), []
    for layer in circuits_of(model).values():
        layer.register_forward_hook(lambda module, inputs, output: seen.append((module, inputs[0], output)))
    with torch.autocast("cpu", torch.bfloat16), torch.no_grad():
        assert model(images()).isfinite().all()
        found = list(seen)
    assert len(found) == len(circuits_of(model))
    for layer, angles, values in found:
        assert values.dtype == torch.float32
        torch.testing.assert_close(values, layer.forward(angles.float()))


@cells
def test_nothing_waits_for_the_accelerator(name, control):
    """Tensors without values refuse whatever the host would have to wait for: items, lists, copies to it, masks."""
    model = copy.deepcopy(shared(name, control)).to("meta").train()
    logits = model(images().to("meta"))
    assert logits.shape == (2, 2, SIZE, SIZE)
    logits.square().mean().backward()


@pytest.mark.parametrize(
    ("backend", "tolerance"), [("aot_eager", 1e-5), pytest.param("inductor", 1e-4, marks=pytest.mark.slow)]
)
@compiled_cells
def test_compiled_to_one_graph_it_keeps_function_and_gradient(name, control, backend, tolerance):
    torch._dynamo.reset()
    model = copy.deepcopy(shared(name, control))
    trained = [p for p in model.parameters() if p.requires_grad]
    ours, plain = torch.compile(model, backend=backend, fullgraph=True)(images()), model(images())
    torch.testing.assert_close(ours, plain, atol=tolerance, rtol=1e-4)
    gradients = [torch.autograd.grad(out.square().mean(), trained, materialize_grads=True) for out in (ours, plain)]
    torch.testing.assert_close(*gradients, atol=tolerance, rtol=1e-3)


@compiled_cells
def test_onnx_computes_the_same_at_any_batch_size(name, control, tmp_path):
    model, path = shared(name, control), tmp_path / "model.onnx"
    batch = {0: torch.export.Dim("batch", min=1, max=64)}
    torch.onnx.export(model, (images(),), path, dynamo=True, dynamic_shapes=(batch,), verbose=False)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    for size in (1, 3):
        image = images(size)
        (found,) = session.run(None, {session.get_inputs()[0].name: image.numpy()})
        with torch.no_grad():
            torch.testing.assert_close(torch.from_numpy(found), model(image), atol=1e-5, rtol=1e-4)
