"""Labels of images, told by a quantum head: a model, its data, and hqzoo's own ClassificationTask."""

import numpy as np
import torch
from torch import nn

from hqzoo.data import DataModule, Record, Sensor, Targets, WholeSamples
from hqzoo.models import Model, register_model
from hqzoo.nn import Slot, fill
from hqzoo.quantum import circuits

CLASSES = ("water", "meadow", "wood")


class QuantumHead(Model):
    """Means of a convolution's maps, a circuit, and a linear layer to the classes."""

    size_multiple = (1, 1)

    def __init__(self, in_channels, num_classes):
        super().__init__()
        circuit = circuits.qufex()
        self.features = nn.Sequential(nn.Conv2d(in_channels, 8, 3, padding=1), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        self.angles = nn.Linear(8, circuit.n_data)
        self.core = Slot(circuit)
        self.head = nn.Linear(circuit.n_observables, num_classes)

    def quantum_parts(self):
        return {"core": self.core}

    def forward(self, image):
        return self.head(self.core(torch.tanh(self.angles(self.features(image).flatten(1)))).to(image.dtype))


@register_model(summary="toy", parameters=0, kind="classification")
def toy_labels(in_channels, num_classes, control="quantum"):
    model = QuantumHead(in_channels, num_classes)
    fill(model, control)
    return model


class Field(Record):
    def arrays(self):
        number = int(self.name.rpartition("_")[2])
        rng = np.random.default_rng(number)
        image = rng.normal(60 + 60 * np.eye(3)[number % 3][:, None, None], 25, (3, 8, 8))
        return {"image": image.clip(0, 255).astype(np.uint8), "label": np.array(number % 3)}


class LabelData(DataModule):
    """Fields of three kinds; two folds."""

    def __init__(self, fold: int = 0, **common):
        super().__init__(**common)
        self.sensors, self.targets = {"image": Sensor(("red", "green", "blue"))}, Targets("label", CLASSES)
        self.fold = fold

    def fold_numbers(self):
        return (0, 1)

    def load_records(self, split):
        first, count = {"train": (0, 48), "val": (48, 9), "test": (57, 21)}[split]
        return [Field(f"field_{100 * self.fold + first + i}") for i in range(count)]

    def sample_shapes(self):
        return {"image": (3, 8, 8)}

    def training_samples(self, records):
        return WholeSamples(records, self.cache, self.sensors, self.sample_shapes())

    evaluation_samples = training_samples
