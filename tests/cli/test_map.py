import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch

from hqzoo._lightning import pl
from hqzoo.cli import main
from hqzoo.data.sensor import Statistics
from hqzoo.data.targets import Targets
from hqzoo.tasks.segmentation import SegmentationTask
from hqzoo.weights import checkpoint as checkpoints
from tests.fixtures.scenes import CLASSES, PALETTE, POLAND, RGB, picture, read, write_raster

RUN = [sys.executable, "-c", "import sys; from hqzoo.cli import main; sys.exit(main())", "map"]


@pytest.fixture(scope="module")
def task() -> SegmentationTask:
    torch.manual_seed(0)
    statistics = Statistics((128.0,) * 3, (70.0,) * 3)
    return SegmentationTask(
        "hq_unet",
        {"width": 8},
        sensors={"image": RGB},
        statistics={"image": statistics},
        targets=Targets("mask", CLASSES, PALETTE),
    ).eval()


@pytest.fixture(scope="module")
def checkpoint(task: SegmentationTask, tmp_path_factory: pytest.TempPathFactory) -> str:
    return save(task, tmp_path_factory.mktemp("run") / "last.ckpt")


def save(task: SegmentationTask, path: Path) -> str:
    trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False)
    trainer.strategy.connect(task)
    trainer.save_checkpoint(path)
    return str(path)


def map_(*arguments: object) -> int:
    return main(["map", *map(str, arguments)])


def test_checkpoint_alone_maps_a_scene(task: SegmentationTask, checkpoint: str, tmp_path: Path) -> None:
    image = picture(128, 128)  # one window: the map is the model's own prediction
    scene = write_raster(tmp_path / "scene.tif", image)
    output, probabilities = tmp_path / "map.tif", tmp_path / "p.tif"
    device = ("--device", "cpu")
    assert map_(scene, "--checkpoint", checkpoint, "-o", output, "--probabilities", probabilities, *device) == 0
    with torch.no_grad():
        expected = task(torch.from_numpy(image[None].astype(np.float32))).softmax(dim=1)[0].numpy()
    np.testing.assert_allclose(read(probabilities), expected, atol=1e-5)
    np.testing.assert_array_equal(read(output)[0], read(probabilities).argmax(axis=0))
    with rasterio.open(output) as dataset:
        assert dataset.crs == "EPSG:2180"
        assert dataset.transform == POLAND
        assert dataset.colormap(1)[1][:3] == PALETTE[1]


def test_every_option_reaches_the_map(checkpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scene = write_raster(tmp_path / "scene.tif", picture(140, 300))
    common = (
        scene,
        "--checkpoint",
        checkpoint,
        "-o",
        tmp_path / "map.tif",
        "--batch-size",
        2,
        "--device",
        "auto",
    )
    assert map_(*common, "--overlap", 0) == 0
    assert "6/6 windows" in capsys.readouterr().err  # 2 rows of 3
    small = ("--probabilities", tmp_path / "p.tif", "--probability-dtype", "uint8")
    assert map_(*common, "--window", 128, "--overlap", 0.5, "--quiet", *small) == 0
    assert capsys.readouterr().err == ""
    with rasterio.open(tmp_path / "p.tif") as dataset:
        assert dataset.dtypes == ("uint8",) * 3
        assert dataset.shape == (140, 300)


def test_files_folders_and_globs_are_mapped_with_one_model(
    task: SegmentationTask, checkpoint: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images = {
        name: picture(40 + 9 * k, 50, seed=k) for k, name in enumerate(("a/one.tif", "a/two.tif", "b/c/three.tif"))
    }
    for name, image in images.items():
        write_raster(tmp_path / name, image)
    (tmp_path / "a" / "notes.txt").write_text("no scene")
    loads = []
    load = checkpoints.load
    monkeypatch.setattr(checkpoints, "load", lambda *args, **trusted: loads.append(args) or load(*args, **trusted))
    given = (tmp_path / "a", tmp_path / "a" / "one.tif", tmp_path / "b" / "**" / "*.tif")
    common = ("--checkpoint", checkpoint, "--device", "cpu", "--quiet")
    assert map_(*given, *common, "-o", tmp_path / "maps", "--probabilities", tmp_path / "p") == 0
    assert len(loads) == 1
    names = {"one.tif", "two.tif", "three.tif"}
    assert {path.name for path in (tmp_path / "maps").glob("*.tif")} == names
    assert {path.name for path in (tmp_path / "p").iterdir()} == names
    for name, image in images.items():
        written = read(tmp_path / "maps" / Path(name).name)[0]
        np.testing.assert_array_equal(written, task.predict(image).argmax(axis=0))


def test_codes_of_the_masks_are_kept_unless_indices_are_asked_for(task: SegmentationTask, tmp_path: Path) -> None:
    coded = SegmentationTask(**{**task.hparams, "targets": Targets("mask", CLASSES, PALETTE, values=(10, 20, 300))})
    coded.load_state_dict(task.state_dict())
    path = save(coded, tmp_path / "coded.ckpt")
    image = picture(300, 600)
    scene = write_raster(tmp_path / "scene.tif", image)
    options = ("--checkpoint", path, "--device", "cpu", "--quiet")
    assert map_(scene, *options, "-o", tmp_path / "codes.tif") == 0
    assert map_(scene, *options, "-o", tmp_path / "indices.tif", "--pixels", "indices") == 0
    indices, codes = read(tmp_path / "indices.tif")[0], read(tmp_path / "codes.tif")[0]
    np.testing.assert_array_equal(codes, np.take([10, 20, 300], indices))
    with rasterio.open(tmp_path / "codes.tif") as dataset:
        assert dataset.dtypes == ("uint16",)
        assert dataset.nodata == 65535
        assert dataset.colormap(1)[300][:3] == PALETTE[2]
        assert dataset.tags(1)["CLASS_300"] == CLASSES[2]
        assert dataset.overviews(1) == [2, 4]


def test_one_wrong_scene_among_many_is_told_before_the_first_is_mapped(
    checkpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_raster(tmp_path / "in" / "a.tif", picture(40, 40))
    write_raster(tmp_path / "in" / "b.tif", picture(40, 40, bands=4))
    write_raster(tmp_path / "other" / "a.tif", picture(40, 40))
    (tmp_path / "empty").mkdir()
    common = ("--checkpoint", checkpoint, "-o")
    for arguments, message in [
        ((tmp_path / "in", *common, tmp_path / "maps"), "b.tif has 4 bands"),
        ((tmp_path / "in", *common, tmp_path / "map.tif"), "name a folder, -o MAPS/"),
        ((tmp_path / "in", tmp_path / "other", *common, tmp_path / "maps"), "would both be"),
        ((tmp_path / "empty", *common, tmp_path / "maps"), "empty holds no scene"),
        ((tmp_path / "*.jp2", *common, tmp_path / "maps"), "pattern"),
    ]:
        assert map_(*arguments) == 2
        assert message in capsys.readouterr().err
    assert sorted(path.name for path in tmp_path.iterdir()) == ["empty", "in", "other"]


def test_mistakes_end_with_one_message_and_no_file(
    checkpoint: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = write_raster(tmp_path / "scene.tif", picture(40, 40))
    four = write_raster(tmp_path / "four.tif", picture(40, 40, bands=4))
    (tmp_path / "noise.tif").write_bytes(good.read_bytes()[:300])
    output = tmp_path / "map.tif"
    for arguments, message in [
        ((four, "--checkpoint", checkpoint, "-o", output), "has 4 bands; the model takes 3"),
        ((tmp_path / "absent.tif", "--checkpoint", checkpoint, "-o", output), "absent.tif"),
        ((tmp_path / "noise.tif", "--checkpoint", checkpoint, "-o", output), "noise.tif"),
        ((good, "--checkpoint", tmp_path / "absent.ckpt", "-o", output), "absent.ckpt"),
        ((good, "--checkpoint", checkpoint, "-o", tmp_path / "no" / "map.tif"), "does not exist"),
        ((good, "--checkpoint", checkpoint, "-o", output, "--window", 64), "windows of 128 pixels, not 64"),
        ((good, "--checkpoint", checkpoint, "-o", output, "--overlap", 1.5), "overlap"),
        ((good, "--checkpoint", checkpoint, "-o", output, "--device", "gpu"), "no device"),
    ]:
        assert map_(*arguments) == 2
        said = capsys.readouterr().err
        assert message in said
        assert "Traceback" not in said
    assert sorted(path.name for path in tmp_path.iterdir()) == ["four.tif", "noise.tif", "scene.tif"]


def test_help_loads_neither_torch_nor_rasterio() -> None:
    code = (
        "import sys; from hqzoo.cli import main; main(['map', '--help'])\n"
        "assert not {'torch', 'rasterio', 'lightning', 'numpy'} & set(sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "--probabilities P.tif" in run.stdout


def wait_for_partial(folder: Path, process: subprocess.Popen[str] | None = None) -> None:
    deadline = time.monotonic() + 120
    while not list(folder.glob(".map.tif.*.partial")) and (process is None or process.poll() is None):
        assert time.monotonic() < deadline, "the map was never begun"
        time.sleep(0.05)
    time.sleep(0.5)  # some windows later


@pytest.mark.slow
def test_ctrl_c_leaves_nothing(checkpoint: str, tmp_path: Path) -> None:
    scene = write_raster(tmp_path / "scene.tif", picture(3000, 3000))  # minutes of work
    command = [*RUN, str(scene), "--checkpoint", checkpoint, "-o", str(tmp_path / "map.tif")]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        wait_for_partial(tmp_path, process)
        process.send_signal(signal.SIGINT)
        _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "interrupted" in said
    assert "Traceback" not in said
    assert [path.name for path in tmp_path.iterdir()] == ["scene.tif"]


def test_sigterm_ends_like_ctrl_c(checkpoint: str, tmp_path: Path) -> None:
    def terminate() -> None:
        wait_for_partial(tmp_path)
        os.kill(os.getpid(), signal.SIGTERM)

    scene = write_raster(tmp_path / "scene.tif", picture(3000, 3000))
    before = signal.getsignal(signal.SIGTERM)
    scheduler = threading.Thread(target=terminate)
    scheduler.start()
    assert map_(scene, "--checkpoint", checkpoint, "-o", tmp_path / "map.tif", "--quiet") == 130
    scheduler.join()
    assert [path.name for path in tmp_path.iterdir()] == ["scene.tif"]
    assert signal.getsignal(signal.SIGTERM) is before
