"""Split files, lists and folds: scenes never straddle, and every complaint names what is wrong."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hqzoo.data.splits import (
    choose_fold,
    hold_out,
    keep_share,
    make_folds,
    make_stratified_folds,
    read_folds,
    read_lists,
    read_split,
    stem,
)
from hqzoo.errors import ConfigError, DataError


def table(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_read_split(tmp_path: Path) -> None:
    path = table(tmp_path / "split.csv", "split, name\ntrain, a.png\nval, b.x\n")
    assert read_split(path) == {"a": "train", "b.x": "val"}


def test_spreadsheets_write_a_byte_order_mark_and_carriage_returns(tmp_path: Path) -> None:
    path = tmp_path / "split.csv"
    path.write_bytes(b"\xef\xbb\xbfname,split\r\na.tif,test\r\n")
    assert read_split(path) == {"a": "test"}


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,split\na,trian\n", "image 'a': Unknown split 'trian'. Did you mean 'train'"),
        ("nam,split\na,train\n", "no column 'name'. Did you mean 'nam'"),
        ("name,split\na,train\na.png,val\n", "line 3: the image 'a' is listed twice"),
        ("name,split\na\n", "Unknown split ''"),
    ],
)
def test_bad_split_files(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError) as error:
        read_split(table(tmp_path / "split.csv", text))
    assert words in str(error.value)
    assert "split.csv" in str(error.value)


def test_split_file_that_is_missing_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.csv: No such file"):
        read_split(tmp_path / "none.csv")
    (tmp_path / "image.csv").write_bytes(b"\xff\xfe\x00\x81")
    with pytest.raises(DataError, match=r"image\.csv is no UTF-8 text"):
        read_split(tmp_path / "image.csv")


def test_lists(tmp_path: Path) -> None:
    paths = {"train": table(tmp_path / "a.txt", "x.png\n\ny\n"), "test": table(tmp_path / "b.txt", "z\n")}
    assert read_lists(paths) == {"x": "train", "y": "train", "z": "test"}
    paths["test"].write_text("y.jpg\n")
    with pytest.raises(DataError, match=r"b\.txt: the image 'y' is in the split 'train' as well"):
        read_lists(paths)
    with pytest.raises(DataError, match="Did you mean 'train'"):
        read_lists({"training": paths["train"]})


def test_folds_with_scenes(tmp_path: Path) -> None:
    path = table(tmp_path / "folds.csv", "name,scene,fold\na,s,0\nb,s,0\nc,t,1\n")
    assert read_folds(path) == ({"a": "s", "b": "s", "c": "t"}, {"a": 0, "b": 0, "c": 1})


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("name,scene,fold\na,s,0\nb,s,1\n", "The scene 's' lies in folds [0, 1]"),
        ("name,scene,fold\na,,0\nb,,1\n", "Images without scene lie in folds [0, 1]"),
        ("name,scene,fold\na,s,first\n", "a fold is a whole number, got 'first'"),
        ("name,region\na,s\n", "needs a column 'scene' or 'fold'"),
    ],
)
def test_bad_folds(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(DataError) as error:
        read_folds(table(tmp_path / "folds.csv", text))
    assert words in str(error.value)


def test_without_the_column_scene_every_image_is_its_own(tmp_path: Path) -> None:
    scenes, folds = read_folds(table(tmp_path / "folds.csv", "name,fold\na,0\nb,1\n"))
    assert scenes == {"a": "a", "b": "b"}
    assert folds == {"a": 0, "b": 1}
    assert read_folds(table(tmp_path / "scenes.csv", "name,scene\na,s\nb,\n")) == ({"a": "s", "b": ""}, None)


@given(
    sizes=st.lists(st.integers(1, 9), min_size=5, max_size=20),
    num_folds=st.integers(2, 5),
    seed=st.integers(0, 9),
)
def test_drawn_folds_divide_no_scene_and_are_balanced(sizes: list[int], num_folds: int, seed: int) -> None:
    scenes = {f"{scene}_{image}": f"s{scene}" for scene, size in enumerate(sizes) for image in range(size)}
    folds = make_folds(scenes, num_folds, seed)
    assert set(folds) == set(scenes)
    assert set(folds.values()) == set(range(num_folds))
    for scene in set(scenes.values()):
        assert len({folds[name] for name in scenes if scenes[name] == scene}) == 1
    counts = [list(folds.values()).count(fold) for fold in range(num_folds)]
    assert max(counts) - min(counts) <= max(sizes)
    shuffled = dict(sorted(scenes.items(), reverse=True))
    assert make_folds(shuffled, num_folds, seed) == folds  # the order of files does not matter


def test_images_without_scene_stay_together() -> None:
    folds = make_folds({"a": "", "b": "", "c": "", "d": "s", "e": "t"}, 3, 0)
    assert len({folds["a"], folds["b"], folds["c"]}) == 1
    with pytest.raises(DataError, match=r"1 scene\(s\) cannot fill 2 folds"):
        make_folds({"a": "", "b": ""}, 2, 0)


SCENES = st.lists(st.integers(1, 9), min_size=2, max_size=12).map(
    lambda sizes: {f"{scene}_{image}": f"s{scene}" for scene, size in enumerate(sizes) for image in range(size)}
)


@given(counts=st.lists(st.integers(1, 13), min_size=1, max_size=8), num_folds=st.integers(2, 5), seed=st.integers(0, 9))
def test_stratified_folds_share_every_kind(counts: list[int], num_folds: int, seed: int) -> None:
    kinds = {f"{kind}_{image}": f"k{kind}" for kind, count in enumerate(counts) for image in range(count)}
    if len(kinds) < num_folds:
        with pytest.raises(DataError, match="Lower `num_folds`"):
            make_stratified_folds(kinds, num_folds, seed)
        return
    folds = make_stratified_folds(kinds, num_folds, seed)
    assert set(folds) == set(kinds)
    for members in [*({n for n in kinds if kinds[n] == kind} for kind in set(kinds.values())), set(kinds)]:
        numbers = [sum(folds[name] == fold for name in members) for fold in range(num_folds)]
        assert max(numbers) - min(numbers) <= 1
    assert make_stratified_folds(dict(sorted(kinds.items(), reverse=True)), num_folds, seed) == folds


@given(scenes=SCENES, share=st.floats(0.01, 0.99), seed=st.integers(0, 9))
def test_held_out_scenes_are_whole_and_near_the_share(scenes: dict[str, str], share: float, seed: int) -> None:
    held = hold_out(scenes, share, seed)
    rest = set(scenes) - held
    assert held
    assert rest
    assert not {scenes[name] for name in held} & {scenes[name] for name in rest}
    largest = max(sum(other == scene for other in scenes.values()) for scene in scenes.values())
    assert abs(len(held) - share * len(scenes)) <= largest
    assert hold_out(dict(sorted(scenes.items(), reverse=True)), share, seed) == held


def test_single_images_are_held_out_exactly() -> None:
    names = {str(number): str(number) for number in range(160)}
    assert [len(hold_out(names, share)) for share in (0.001, 0.1, 0.2, 0.999)] == [1, 16, 32, 159]
    assert hold_out(names, 0.2, seed=0) != hold_out(names, 0.2, seed=1)
    with pytest.raises(DataError, match=r"2 training image\(s\) of 1 scene\(s\) cannot be divided"):
        hold_out({"a": "s", "b": "s"}, 0.5)


@given(scenes=SCENES, first=st.floats(0.001, 1), second=st.floats(0.001, 1))
def test_kept_shares_are_nested(scenes: dict[str, str], first: float, second: float) -> None:
    few, many = (keep_share(scenes, share) for share in sorted((first, second)))
    assert few <= many
    assert len(many) == max(1, round(max(first, second) * len(scenes)))
    assert keep_share(scenes, 1.0) == set(scenes)


def test_choose_fold() -> None:
    folds = {"a": 0, "b": 1, "c": 4}
    assert choose_fold(folds, 1, "next") == {"a": "train", "b": "test", "c": "val"}
    assert choose_fold(folds, 4, "next") == {"a": "val", "b": "train", "c": "test"}
    assert choose_fold(folds, 0, 4) == {"a": "test", "b": "train", "c": "val"}
    assert choose_fold(folds, 0, None) == {"a": "test", "b": "train", "c": "train"}


@pytest.mark.parametrize(
    ("fold", "val_fold", "words"),
    [(2, "next", "`fold=2`"), (0, 7, "`val_fold=7`"), (0, 0, "is the test fold 0"), (9, None, "`fold=9`")],
)
def test_bad_choices(fold: int, val_fold: int | None, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        choose_fold({"a": 0, "b": 1, "c": 3}, fold, val_fold)


def test_two_folds_leave_nothing_to_train_on() -> None:
    with pytest.raises(ConfigError, match="val_fold: null"):
        choose_fold({"a": 0, "b": 1}, 0, "next")


def test_stem_keeps_other_dots() -> None:
    assert [stem(name) for name in ("x/a.b.TIF", "a.b", "c.png")] == ["a.b", "a.b", "c"]
