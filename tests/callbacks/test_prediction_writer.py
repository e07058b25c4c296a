import numpy as np
import pytest
import torch
from PIL import Image

from hqzoo.callbacks import PredictionWriter
from hqzoo.errors import ConfigError, DataError
from tests.fixtures.tasks import PALETTE, SquaresDataModule, raw_batch, tiny_task, tiny_trainer


def predict(task, tmp_path, data=None, **arguments):
    writer = PredictionWriter(str(tmp_path / "maps"))
    trainer = tiny_trainer(tmp_path, callbacks=[writer], **arguments)
    trainer.predict(task, data or SquaresDataModule(batch_size=3), return_predictions=False)
    return writer


def test_windows_become_one_picture_per_image(tmp_path):
    task = tiny_task().eval()
    writer = predict(task, tmp_path)
    assert [path.name for path in writer.written] == ["field_0.png", "field_1.png"]
    assert sorted(file.name for file in (tmp_path / "maps").iterdir()) == ["field_0.png", "field_1.png"]
    data = SquaresDataModule()
    data.setup("test")
    for record in data.records("test"):
        picture = Image.open(tmp_path / "maps" / f"{record.name}.png")
        assert picture.mode == "P"
        assert picture.size == (record.width, record.height)
        assert picture.getpalette()[:9] == [part for colour in PALETTE for part in colour]
        labels = np.asarray(picture)
        with torch.no_grad():  # the windows that fit inside, by hand
            for row in range(0, record.height - 31, 32):
                for col in range(0, record.width - 31, 32):
                    window = np.s_[row : row + 32, col : col + 32]
                    image = torch.from_numpy(record.image[(slice(None), *window)].copy())[None]
                    assert np.array_equal(task(image).argmax(1)[0], labels[window])
        assert labels.max() < 3  # padded windows cover the edges


def test_images_that_are_not_complete_are_not_written(tmp_path):
    with pytest.warns(UserWarning, match="1 images were predicted only in part and not written: field_1"):
        writer = predict(tiny_task(), tmp_path, limit_predict_batches=3)  # 9 of 6 + 6 windows
    assert [file.name for file in (tmp_path / "maps").iterdir()] == ["field_0.png"]
    assert not writer._canvases


def test_names_stay_inside_the_folder(tmp_path):
    writer = PredictionWriter(str(tmp_path))
    assert writer._path("a.tif") == tmp_path / "a.png"
    assert writer._path("M-33-20-D-c-4.2") == tmp_path / "M-33-20-D-c-4.2.png"
    assert writer._path("north/a.JPG") == tmp_path / "north" / "a.png"
    assert writer._path("../../a.png") == tmp_path / "a.png"
    assert writer._path("/etc/a.png") == tmp_path / "a.png"


def test_windows_without_a_place_are_refused(tmp_path):
    loader = torch.utils.data.DataLoader([raw_batch()], batch_size=None)
    with pytest.raises(DataError, match="keys scene, row, col, height and width, got image, mask"):
        tiny_trainer(tmp_path, callbacks=[PredictionWriter()]).predict(tiny_task(), loader)


def test_several_processes_are_refused(tmp_path):
    trainer = tiny_trainer(tmp_path, devices=2, strategy="ddp_spawn")
    with pytest.raises(ConfigError, match=r"there are 2: set trainer\.devices to 1"):
        PredictionWriter().setup(trainer, tiny_task(), "predict")
    PredictionWriter().setup(trainer, tiny_task(), "fit")
