"""Classification as users of the class see it; the toys take it through every verb."""

import csv

import pytest
import torch
from sklearn import metrics as sk

from hqzoo.data import Targets
from hqzoo.errors import ConfigError, DataError
from hqzoo.tasks import ClassificationTask
from tests.fixtures.tasks import SENSOR, STATISTICS, tiny_trainer
from tests.toys.labels import CLASSES, LabelData


def task(kind="label", **arguments):
    known = {"sensors": {"image": SENSOR}, "statistics": {"image": STATISTICS}, "targets": Targets(kind, CLASSES)}
    return ClassificationTask("toy_labels", {"control": "linear"}, **known, **arguments)


def batch(label):
    torch.manual_seed(0)
    return {"image": torch.rand(len(label), 3, 8, 8) * 255, "label": label, "name": [str(i) for i in range(len(label))]}


def test_it_learns_and_reports_what_it_predicts(tmp_path):
    torch.manual_seed(0)
    own, data = ClassificationTask("toy_labels", {"control": "linear"}, optimizer={"lr": 0.05}), LabelData()
    trainer = tiny_trainer(tmp_path, max_epochs=60, check_val_every_n_epoch=60)
    trainer.fit(own, data)
    assert trainer.callback_metrics["val/accuracy"] > 0.8
    trainer.test(own, data, verbose=False)
    report, loss = own.report(), trainer.callback_metrics["test/loss"].item()
    truth = torch.cat([each["label"] for each in data.test_dataloader()])
    predicted = torch.cat(trainer.predict(own, data)).argmax(1)
    assert report.score("accuracy") == pytest.approx(sk.accuracy_score(truth, predicted))
    assert report.details["confusion"] == sk.confusion_matrix(truth, predicted, labels=[0, 1, 2]).tolist()
    assert report.score("loss") == pytest.approx(loss)
    assert sorted(own.samples()) == ["group", "loss", "name", "prediction", "probability", "truth"]


def test_losses_are_torchs():
    label = torch.tensor([0, 2, 1, 2])
    own, weights = task(class_weights=[1.0, 2.0, 0.5], label_smoothing=0.1).train(), torch.tensor([1.0, 2.0, 0.5])
    given = batch(label)
    expected = torch.nn.functional.cross_entropy(own(given), label, weights, label_smoothing=0.1)
    torch.testing.assert_close(own.compute_loss(given), expected)
    several, own = torch.tensor([[1.0, 0.0, 1.0], [0.0, 0.0, 0.0]]), task("multilabel")
    given = batch(several)
    expected = torch.nn.functional.binary_cross_entropy_with_logits(own(given), several)
    torch.testing.assert_close(own.compute_loss(given), expected)


@pytest.mark.parametrize(
    ("kind", "label", "message"),
    [
        ("label", torch.tensor([0, 3]), r"hold \[3\]; expected class indices 0 to 2"),
        ("label", torch.tensor([-1, 0]), r"hold \[-1\]"),
        ("label", torch.tensor([[0], [1]]), r"Expected labels \(2,\), got \(2, 1\)"),
        ("multilabel", torch.tensor([0, 1]), r"Expected labels \(2, 3\), got \(2,\)"),
        ("multilabel", torch.tensor([[0.0, 0.5, 1.0]]), r"hold \[0.5\]; expected 0 and 1"),
    ],
)
def test_labels_that_do_not_fit(kind, label, message):
    with pytest.raises(DataError, match=message):
        task(kind).compute_loss(batch(label))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"label_smoothing": 1.0}, "label_smoothing"),
        ({"threshold": 0.0}, "threshold"),
        ({"class_weights": [1.0, -1.0, 1.0]}, "class_weights"),
        ({"class_weights": [1.0, 1.0]}, "2 numbers for 3 classes"),
    ],
)
def test_settings_that_make_no_sense(arguments, message):
    with pytest.raises(ConfigError, match=message):
        task(**arguments)


def test_architectures_of_other_kinds_are_refused():
    with pytest.raises(ConfigError, match=r"is for segmentation; classification is needed here\..*toy_labels"):
        ClassificationTask("hq_unet")


def test_predictions_and_panels_are_files(tmp_path):
    own, data = task(), LabelData()
    trainer = tiny_trainer(tmp_path, callbacks=[own.prediction_writer(tmp_path / "out")])
    trainer.predict(own, data, return_predictions=False)
    with (tmp_path / "out" / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 21
    assert rows[0]["label"] == max(CLASSES, key=lambda name: float(rows[0][name]))
    samples = [{"image": torch.rand(3, 8, 8), "label": torch.tensor(1)} for _ in range(3)]
    path = own.draw_panel(samples, [torch.tensor([0.2, 0.5, 0.3])] * 3, tmp_path / "panel.png")
    assert path.stat().st_size > 1000
