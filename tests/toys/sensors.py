"""Two sensors without labels: a contrastive task of its own, with a score that nothing else has."""

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

from hqzoo.data import Sensor
from hqzoo.data.base import DataModule
from hqzoo.data.records import Record
from hqzoo.models import Model
from hqzoo.models.registry import register_model
from hqzoo.nn import Slot, fill
from hqzoo.quantum import circuits
from hqzoo.tasks import Found, Metric, Samples, Task
from tests.toys.labels import Samples as Pairs


class TwoTowers(Model):
    """A linear encoder for each sensor, and a circuit that both share."""

    def __init__(self, inputs):
        super().__init__()
        circuit = circuits.qcnn()
        bands = {name: len(sensor) for name, sensor in inputs.sensors.items()}
        self.encoders = nn.ModuleDict({name: nn.Linear(16 * n, circuit.n_data) for name, n in bands.items()})
        self.core, self.head = Slot(circuit), nn.Linear(circuit.n_observables, 4)

    def forward(self, images):
        maps = {name: F.adaptive_avg_pool2d(image, 4).flatten(1) for name, image in images.items()}
        return {name: self.head(self.core(torch.tanh(self.encoders[name](each)))) for name, each in maps.items()}


@register_model(summary="toy", parameters=0, kind="pretraining")
def toy_sensors(inputs, control="quantum"):
    model = TwoTowers(inputs)
    fill(model, control)
    return model


class PairTask(Task):
    """Embeddings of a pair should be alike, those of others not; scored by retrieval."""

    metrics = (Metric("recall_at_1", label="recall@1", margin=0.05), Metric("loss", "min"))
    model_kinds = ("pretraining",)

    def __init__(self, architecture: str, temperature: float = 0.5, **common):
        super().__init__(architecture, **common)
        self.temperature = temperature
        self.remember(temperature=temperature)
        self.configure_model()

    def build_parts(self):
        self.pairs = {"val": Samples(), "test": Samples()}

    def compute_loss(self, batch):
        embedded = self(batch)
        logits = embedded["s2"] @ embedded["s1"].T / self.temperature
        return F.cross_entropy(logits, torch.arange(len(logits), device=logits.device))

    def evaluate(self, batch, stage):
        self.pairs[stage].add(batch["name"], **self(batch))

    def summarise(self, stage):
        found = self.pairs[stage].gather()
        ranks = (found["s2"] @ found["s1"].T).argmax(1)
        return Found({"recall_at_1": float((ranks == np.arange(len(ranks))).mean())}, samples={"hit": ranks})


class Pair(Record):
    def arrays(self):
        rng = np.random.default_rng(int(self.name.rpartition("_")[2]))
        scene = rng.normal(size=(1, 8, 8))
        return {"s2": 100 + 20 * scene.repeat(3, 0), "s1": -10 + 3 * np.concatenate([scene, -scene])}


class PairData(DataModule):
    def __init__(self, **common):
        super().__init__(**common)
        self.sensors = {"s2": Sensor(("blue", "green", "red")), "s1": Sensor(("VV", "VH"), "dB", 30)}
        self.targets = None

    def load_records(self, split):
        first, count = {"train": (0, 40), "val": (40, 8), "test": (48, 13)}[split]
        return [Pair(f"pair_{first + i}") for i in range(count)]

    def sample_shapes(self):
        return {"s2": (3, 8, 8), "s1": (2, 8, 8)}

    def training_samples(self, records):
        return Pairs(records)

    evaluation_samples = training_samples
