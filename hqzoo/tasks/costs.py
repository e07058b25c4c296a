"""What a model costs, as numbers that do not depend on the machine."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.utils.flop_counter import FlopCounterMode

__all__ = ["model_costs"]


def model_costs(model: nn.Module, image: Tensor) -> dict[str, Any]:
    """Return what a model costs on one batch of normalised images ``(B, C, H, W)``.

    Returns:
        ``circuit_evaluations``: circuit runs per image, 0 for models without; ``flops``: floating-point operations of
        convolutions and matrix products in the forward pass, per image, those of simulated circuits included;
        ``kept_mb``: megabytes (10^6 bytes) that a forward pass of this batch keeps for the backward pass, parameters
        aside.
    """
    flops, kept = _forward(model, image)
    evaluations = getattr(model, "circuit_evaluations", None)
    return {
        "circuit_evaluations": int(evaluations(*image.shape[-2:])) if evaluations else 0,
        "flops": flops // len(image),
        "kept_mb": round(kept / 1e6, 3),
    }


def _forward(model: nn.Module, image: Tensor) -> tuple[int, int]:
    """Run a training forward pass without a trace; return its FLOPs and the bytes that it keeps."""
    storages: dict[int, int] = {}
    own = {parameter.untyped_storage().data_ptr() for parameter in model.parameters()}

    def keep(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            storages[storage.data_ptr()] = storage.nbytes()
        return tensor.detach()  # a node that kept its own output would keep itself, and all of its graph, for ever

    was_training = model.training
    state = {name: value.clone() for name, value in model.named_buffers()}
    counter = FlopCounterMode(display=False)
    model.train()
    for module in model.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):  # a batch of one image may leave it nothing to average
            module.eval()
    # Trainers test in inference mode, whose tensors cannot be kept for a backward pass: leave it, and copy the image.
    keeping = saved_tensors_hooks(keep, lambda tensor: tensor)
    devices = [image.device] if image.is_cuda else []  # by itself it would copy the generators of all GPUs
    with torch.random.fork_rng(devices), torch.inference_mode(False), torch.enable_grad(), counter, keeping:
        output = model(image.clone())  # kept alive, so that no two storages share an address
    del output
    with torch.no_grad():
        for name, value in model.named_buffers():  # running statistics
            value.copy_(state[name])
    model.train(was_training)
    return counter.get_total_flops(), sum(storages.values())
