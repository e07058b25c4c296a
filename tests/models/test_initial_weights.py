"""Totals and first weights of every control at a fixed seed: what published tables were trained from."""

import hashlib
import json
from pathlib import Path

import pytest
import torch

from hqzoo.models import create_model

STORED = json.loads((Path(__file__).parent / "initial_weights.json").read_text())
MODELS = {
    "hq_unet": {"width": 4, "input_size": 32},
    "hq_unet, no edges": {"width": 8, "input_size": 32, "periodic": True, "n_layers": 1, "post": "linear_4x4_upsample"},
    "qu_net": {},
    "qu_net, both places": {"filters": (8, 12, 8), "n_filters": 2, "placement": "both", "maps": 2},
}


def measured(model: str, control: str) -> dict[str, object]:
    """Names and shapes as a digest; values as one sum in which each has a factor of its own."""
    torch.manual_seed(3)
    hidden = {"control_hidden": 5} if control == "mlp_time" else {}
    name = model.split(",")[0]
    state = create_model(name, in_channels=3, num_classes=2, control=control, **MODELS[model], **hidden).state_dict()
    layout = json.dumps([(key, list(value.shape)) for key, value in state.items()])
    values = torch.cat([value.flatten().double() for value in state.values()])
    return {
        "layout": hashlib.sha256(layout.encode()).hexdigest(),
        "total": len(values),
        "projection": float(values @ torch.arange(len(values), dtype=torch.float64).cos()),
    }


@pytest.mark.parametrize(("model", "control"), [(m, c) for m, controls in STORED.items() for c in controls])
def test_weights_start_as_they_did(model, control):
    found, stored = measured(model, control), STORED[model][control]
    assert found | {"projection": 0} == stored | {"projection": 0}
    assert found["projection"] == pytest.approx(stored["projection"], abs=1e-4)
