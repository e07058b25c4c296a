"""Features on disk: what names them, that they are what was computed, and files that are not whole."""

import pytest
import timm
import torch
from torch import Tensor, nn

from hqzoo.errors import ConfigError, DataError, WriteError
from hqzoo.nn.feature_store import FeatureStore
from hqzoo.nn.frozen import Frozen, form_digest


class Counting(nn.Module):
    """Two maps of an image; counts the images that it is given."""

    def __init__(self, seed=0, stride=2):
        super().__init__()
        torch.manual_seed(seed)
        self.stride, self._seen = stride, 0
        self.conv = nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, image, scale=1.0):
        self._seen += len(image)
        out = self.conv(image) * scale
        return [out, out[..., :: self.stride, :: self.stride]]


def frozen(folder, training=False, **options):
    part = Frozen(Counting(**options), "random", seed=0)
    part.store = FeatureStore(folder, form_digest(part.module) + part.reference["sha256"], training)
    return part.eval()


def files(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize("precision", [torch.float32, torch.bfloat16])
def test_what_is_read_is_what_was_computed(tmp_path, precision):
    images = torch.randn(3, 3, 8, 6)
    with torch.autocast("cpu", torch.bfloat16, enabled=precision == torch.bfloat16):
        first, second = frozen(tmp_path), frozen(tmp_path)
        made, plain, read = first(images), first.module(images), second(images)
    assert (second.module._seen, len(files(tmp_path))) == (0, 3)
    for one, other, bare in zip(made, read, plain, strict=True):
        assert one.dtype == other.dtype == precision
        assert torch.equal(one, other)
        assert torch.equal(one, bare)
        assert not other.requires_grad
        assert not other.is_inference()


def test_only_samples_that_are_new_are_computed_whatever_their_batch(tmp_path):
    part, images = frozen(tmp_path), torch.randn(4, 3, 8, 8)
    expected = part.module(images)
    part.module._seen = 0
    part(images[:2])
    found = part(images[[3, 1, 2, 0]])
    assert part.module._seen == 4
    for each, known in zip(found, expected, strict=True):
        torch.testing.assert_close(each, known[[3, 1, 2, 0]])
    assert len(files(tmp_path)) == 4


def test_whatever_changes_the_outputs_changes_the_name(tmp_path):
    image = torch.randn(1, 3, 8, 8)
    frozen(tmp_path)(image)
    others = {
        "weights": lambda: frozen(tmp_path, seed=1)(image),
        "form": lambda: frozen(tmp_path, stride=4)(image),
        "option": lambda: frozen(tmp_path)(image, scale=2.0),
        "values": lambda: frozen(tmp_path)(image.nextafter(torch.tensor(9.0))),
        "shape": lambda: frozen(tmp_path)(image.view(1, 3, 4, 16)),
        "type": lambda: frozen(tmp_path).double()(image.double()),
    }
    for number, (what, call) in enumerate(others.items(), 2):
        call()
        assert len(files(tmp_path)) == number, what
    with torch.autocast("cpu", torch.bfloat16):
        frozen(tmp_path)(image)
    assert len(files(tmp_path)) == len(others) + 2


def test_blocks_that_are_read_are_part_of_the_form():
    nets = [timm.create_model("test_vit", num_classes=0) for _ in range(2)]
    assert form_digest(nets[0]) == form_digest(nets[1])
    nets[1].blocks[0].attn.num_heads = 1
    assert form_digest(nets[0]) != form_digest(nets[1])


def test_images_of_training_are_left_alone_unless_they_are_asked_for(tmp_path):
    image = torch.randn(1, 3, 8, 8)
    frozen(tmp_path).train()(image)
    assert not files(tmp_path)
    frozen(tmp_path, training=True).train()(image)
    assert len(files(tmp_path)) == 1


def damage_middle(content):
    place = len(content) // 2
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


@pytest.mark.parametrize(
    "damage", [lambda content: content[:-7], damage_middle, lambda content: b""], ids=["cut", "one bit", "empty"]
)
def test_damaged_files_are_told_of_and_made_anew(tmp_path, damage):
    part, image = frozen(tmp_path), torch.randn(1, 3, 8, 8)
    made = part(image)
    (file,) = files(tmp_path)
    whole = file.read_bytes()
    file.write_bytes(damage(whole))
    with pytest.warns(UserWarning, match=f"{file.name} are damaged"):
        found = part(image)
    assert file.read_bytes() == whole
    assert all(map(torch.equal, made, found))


def test_an_interrupted_write_leaves_nothing(tmp_path, monkeypatch):
    def full(path, content):
        path.open("wb").write(content[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_bytes", full)
    with pytest.raises(WriteError, match="No space left"):
        frozen(tmp_path)(torch.randn(1, 3, 8, 8))
    assert not files(tmp_path)


def test_a_tensor_alone_is_kept_as_such(tmp_path):
    for _ in range(2):
        part = Frozen(nn.Flatten(), "random", seed=0)
        part.store = FeatureStore(tmp_path, "flatten")
        found = part.eval()(torch.ones(2, 3, 4))
        assert isinstance(found, Tensor)
        assert torch.equal(found, torch.ones(2, 12))


class Several(nn.Module):
    def forward(self, image, other=None):
        return {"map": image}


def test_what_cannot_be_kept_is_named(tmp_path):
    part = Frozen(Several(), "random", seed=0)
    part.store = FeatureStore(tmp_path, "several")
    with pytest.raises(ConfigError, match="frozen Several cannot be kept: it returns a dict"):
        part.eval()(torch.ones(1, 2))
    with pytest.raises(ConfigError, match="takes 2 inputs"):
        part(torch.ones(1, 2), torch.ones(1, 2))


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    image = torch.randn(1, 3, 8, 8)
    frozen(tmp_path)(image)
    (file,) = files(tmp_path)
    file.unlink()
    file.mkdir()
    with pytest.raises(DataError, match=f"Cannot read the features .*{file.name}"):
        frozen(tmp_path)(image)
