from dataclasses import replace

import numpy as np
import pytest
import rasterio
import torch
from PIL import Image

from hqzoo._lightning import pl
from hqzoo.callbacks import PredictionWriter
from hqzoo.data import FolderSegmentationDataModule
from hqzoo.errors import ConfigError, DataError
from hqzoo.scenes import map_scene
from tests.fixtures.scenes import POLAND, picture, write_raster
from tests.fixtures.tasks import PALETTE, TARGETS, SquaresDataModule, raw_batch, tiny_task, tiny_trainer


def predict(task, tmp_path, data=None, **arguments):
    writer = PredictionWriter(str(tmp_path / "maps"))
    callbacks = [writer, *arguments.pop("callbacks", [])]
    trainer = tiny_trainer(tmp_path, callbacks=callbacks, **arguments)
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
        assert np.array_equal(labels, task.predict(record.image).argmax(0))  # blended by the same rule
        assert labels.max() < 3


def test_georeferenced_images_get_the_map_that_hqzoo_map_writes(tmp_path):
    image = picture(70, 90)
    image[:, 10:50, 20:75] = 0
    write_raster(tmp_path / "images" / "field.tif", image, nodata=0)
    Image.fromarray(image[:, :40].transpose(1, 2, 0)).save(tmp_path / "images" / "plain.png")
    targets = replace(TARGETS, values=(41, 42, 255))
    task = tiny_task(targets=targets).eval()
    bands = ["red", "green", "blue"]
    data = FolderSegmentationDataModule(str(tmp_path), bands=bands, batch_size=3, crop_size=64)
    writer = predict(task, tmp_path, data)
    assert sorted(path.name for path in writer.written) == ["field.tif", "plain.png"]
    map_scene(task, tmp_path / "images" / "field.tif", tmp_path / "map.tif", progress=False)
    with rasterio.open(tmp_path / "maps" / "field.tif") as mine, rasterio.open(tmp_path / "map.tif") as other:
        np.testing.assert_array_equal(mine.read(), other.read())
        assert (mine.crs, mine.transform, mine.nodata) == (other.crs, POLAND, 254)
        assert mine.colormap(1) == other.colormap(1)
        assert mine.colormap(1)[42][:3] == PALETTE[1]
        assert set(np.unique(mine.read(1, masked=True).compressed())) <= {41, 42, 255}
        assert (mine.read(1)[10:50, 20:75] == 254).all()
    labels = np.asarray(Image.open(tmp_path / "maps" / "plain.png"))
    np.testing.assert_array_equal(labels, np.take([41, 42, 255], task.predict(image[:, :40]).argmax(0)))


@pytest.mark.parametrize(("codes", "held"), [((7, 300, 9), (7, 300, 9)), ((-1, 2, 70000), (0, 1, 2))])
def test_pictures_hold_codes_of_up_to_16_bits(tmp_path, codes, held):
    task = tiny_task(targets=replace(TARGETS, values=codes)).eval()
    predict(task, tmp_path)
    record = SquaresDataModule().records("test")[0]
    labels = np.asarray(Image.open(tmp_path / "maps" / "field_0.png"))
    np.testing.assert_array_equal(labels, np.take(held, task.predict(record.image).argmax(0)))


def test_an_error_leaves_nothing_half_written(tmp_path):
    write_raster(tmp_path / "images" / "field.tif", picture(200, 90))
    data = FolderSegmentationDataModule(str(tmp_path), bands=["red", "green", "blue"], batch_size=3)
    with pytest.raises(RuntimeError, match="stop"):
        predict(tiny_task(), tmp_path, data, callbacks=[Stop()])
    assert list((tmp_path / "maps").iterdir()) == []


class Stop(pl.Callback):
    def on_predict_batch_end(self, *args):
        raise RuntimeError("stop")


def test_images_that_are_not_complete_are_not_written(tmp_path):
    with pytest.warns(UserWarning, match="1 images were predicted only in part and not written: field_1"):
        writer = predict(tiny_task(), tmp_path, limit_predict_batches=4)  # 12 of 8 + 8 windows
    assert [file.name for file in (tmp_path / "maps").iterdir()] == ["field_0.png"]
    assert not writer._under_way


def test_names_stay_inside_the_folder(tmp_path):
    writer = PredictionWriter(str(tmp_path))
    assert writer._stem("a.tif") == tmp_path / "a"
    assert writer._stem("M-33-20-D-c-4.2") == tmp_path / "M-33-20-D-c-4.2"
    assert writer._stem("north/a.JPG") == tmp_path / "north" / "a"
    assert writer._stem("../../a.png") == tmp_path / "a"
    assert writer._stem("/etc/a.png") == tmp_path / "a"


def test_windows_without_a_place_are_refused(tmp_path):
    loader = torch.utils.data.DataLoader([raw_batch()], batch_size=None)
    with pytest.raises(DataError, match=r"keys scene, row, col, .* got image, mask"):
        tiny_trainer(tmp_path, callbacks=[PredictionWriter()]).predict(tiny_task(), loader)


def test_several_processes_are_refused(tmp_path):
    trainer = tiny_trainer(tmp_path, devices=2, strategy="ddp_spawn")
    with pytest.raises(ConfigError, match=r"there are 2: set trainer\.devices to 1"):
        PredictionWriter().setup(trainer, tiny_task(), "predict")
    PredictionWriter().setup(trainer, tiny_task(), "fit")
