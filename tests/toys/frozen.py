"""Segmentation on a frozen backbone that was trained on images of another scaling and order of bands."""

import torch
from torch import nn

from hqzoo.models import Model, register_model
from hqzoo.nn import Frozen, Rescale, Slot, fill
from hqzoo.quantum import circuits
from tests.fixtures.tasks import SquaresDataModule


class OnBackbone(Model):
    """Rescale to what the backbone knows, its maps, a circuit on every pixel, logits."""

    size_multiple = (2, 2)

    def __init__(self, inputs, num_classes, seed):
        super().__init__()
        sensor, statistics = inputs.single, inputs.statistics["image"]
        # The backbone was trained on shares of full scale, blue first, around one half.
        wanted = ("blue", "green", "red"), (0.5, 0.5, 0.5), (0.25, 0.25, 0.25)
        self.rescale = Rescale(sensor.bands, statistics.mean, statistics.std, *wanted, scale=sensor.scale)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            backbone = nn.Sequential(nn.Conv2d(3, 8, 3, stride=2, padding=1), nn.BatchNorm2d(8), nn.ReLU())
        self.backbone = Frozen(backbone, "random", seed=seed)
        circuit = circuits.qufex()
        self.angles = nn.Conv2d(8, circuit.n_data, 1)
        self.core = Slot(circuit)
        self.head = nn.Conv2d(circuit.n_observables + 8, num_classes, 1)

    def quantum_parts(self):
        return {"core": self.core}

    def forward(self, image):
        maps = self.backbone(self.rescale(image))
        values = self.core(torch.tanh(self.angles(maps)).movedim(1, -1)).movedim(-1, 1).to(maps.dtype)
        logits = self.head(torch.cat([maps, values], 1))
        return nn.functional.interpolate(logits, size=image.shape[-2:], mode="bilinear", align_corners=False)


@register_model(summary="toy", parameters=0)
def toy_frozen(inputs, num_classes, control="quantum", seed=3):
    model = OnBackbone(inputs, num_classes, seed)
    fill(model, control)
    return model


class FrozenData(SquaresDataModule):
    """Squares of colour; recipes give plain arguments only."""

    def __init__(self, batch_size: int = 2, num_workers: int = 0, seed: int = 0, crops_per_epoch: int = 8):
        super().__init__(batch_size=batch_size, num_workers=num_workers, seed=seed, crops_per_epoch=crops_per_epoch)
