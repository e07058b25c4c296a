"""Two sensors without labels: a contrastive task of its own, scored by retrieval, which nothing else is."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from hqzoo.data import DataModule, Record, Sensor, WholeSamples
from hqzoo.models import Model, register_model
from hqzoo.nn import Slot, fill
from hqzoo.quantum import circuits
from hqzoo.tasks import Found, Metric, Samples, Task


@register_model(summary="toy", parameters=0, kind="pretraining")
def toy_sensors(inputs, control="quantum"):
    model = TwoTowers({name: len(sensor) for name, sensor in inputs.sensors.items()})
    fill(model, control)
    return model


class TwoTowers(Model):
    def __init__(self, bands):
        super().__init__()
        self.core = Slot(circuits.qufex())
        self.encoders = nn.ModuleDict({name: nn.Linear(16 * n, self.core.sizes[0]) for name, n in bands.items()})
        self.head = nn.Linear(self.core.sizes[1], 4)

    def forward(self, images):
        maps = {name: F.adaptive_avg_pool2d(image, 4).flatten(1) for name, image in images.items()}
        return {name: self.head(self.core(torch.tanh(self.encoders[name](each)))) for name, each in maps.items()}


class PairTask(Task):
    metrics = (Metric("recall_at_1", label="recall@1", margin=0.05), Metric("loss", "min"))
    model_kinds = ("pretraining",)

    def __init__(self, architecture: str, temperature: float = 0.5, **common):
        super().__init__(architecture, **common)
        self.temperature, self.pairs = temperature, Samples()
        self.remember(temperature=temperature)
        self.configure_model()

    def compute_loss(self, batch):
        embedded = self(batch)
        logits = embedded["s2"] @ embedded["s1"].T / self.temperature
        return F.cross_entropy(logits, torch.arange(len(logits), device=logits.device))

    def evaluate(self, batch, stage):
        self.pairs.add(batch["name"], **self(batch))

    def summarise(self, stage):
        found = self.pairs.gather()
        hit = (found["s2"] @ found["s1"].T).argmax(1) == np.arange(len(found["name"]))
        return Found({"recall_at_1": float(hit.mean())}, samples={"name": found["name"], "hit": hit})


class Pair(Record):
    def arrays(self):
        scene = np.random.default_rng(int(self.name)).normal(size=(1, 8, 8))
        return {"s2": 100 + 20 * scene.repeat(3, 0), "s1": -10 + 3 * np.concatenate([scene, -scene])}


class PairData(DataModule):
    sensors, targets = {"s2": Sensor(("blue", "green", "red")), "s1": Sensor(("VV", "VH"), "dB", 30)}, None

    def load_records(self, split):
        return [
            Pair(str(number)) for number in {"train": range(40), "val": range(40, 48), "test": range(48, 61)}[split]
        ]

    def sample_shapes(self):
        return {"s2": (3, 8, 8), "s1": (2, 8, 8)}

    def training_samples(self, records):
        return WholeSamples(records, self.cache, self.sensors, self.sample_shapes())

    evaluation_samples = training_samples
