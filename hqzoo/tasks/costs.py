"""What a model costs, as numbers that do not depend on the machine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from hqzoo._memory import kept_for_backward
from hqzoo.models import as_model

__all__ = ["model_costs"]


Images = Tensor | Mapping[str, Tensor]


def model_costs(model: nn.Module, images: Images) -> dict[str, Any]:
    """Return what a model costs on one batch of normalised images ``(B, C, H, W)``, or a dictionary of them by sensor.

    Returns:
        ``circuit_evaluations``: circuit runs per image, 0 for models without; ``flops``: floating-point operations of
        convolutions and matrix products in the forward pass, per image, those of simulated circuits included;
        ``kept_mb``: megabytes (10^6 bytes) that a forward pass of this batch keeps for the backward pass, parameters
        aside.
    """
    flops, kept = _forward(model, images)
    image = images if isinstance(images, Tensor) else next(iter(images.values()))
    return {
        "circuit_evaluations": as_model(model).circuit_evaluations(*image.shape[-2:]),
        "flops": flops // len(image),
        "kept_mb": round(kept / 1e6, 3),
    }


def _forward(model: nn.Module, images: Images) -> tuple[int, int]:
    """Run a training forward pass without a trace; return its FLOPs and the bytes that it keeps."""
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}
    was_training = model.training
    state = {name: value.clone() for name, value in model.named_buffers()}
    counter = FlopCounterMode(display=False)
    model.train()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):  # a batch of one image may leave it nothing to average
            module.eval()
    # Trainers test in inference mode, whose tensors cannot be kept for a backward pass: leave it, and copy the image.
    first = images if isinstance(images, Tensor) else next(iter(images.values()))
    devices = [first.device] if first.is_cuda else []  # by itself it would copy the generators of all GPUs
    with (
        torch.random.fork_rng(devices),
        torch.inference_mode(False),
        torch.enable_grad(),
        counter,
        kept_for_backward() as kept,
    ):
        copies = images.clone() if isinstance(images, Tensor) else {name: each.clone() for name, each in images.items()}
        output = model(copies)  # kept alive, see kept_for_backward
    del output
    with torch.no_grad():
        for name, value in model.named_buffers():  # running statistics
            value.copy_(state[name])
    model.train(was_training)
    return counter.get_total_flops(), sum(size for address, size in kept.items() if address not in own)
