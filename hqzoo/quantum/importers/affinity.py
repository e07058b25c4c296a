"""Which results of a traced function are affine in its arguments: read off its operations, not off its values."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import fx

__all__ = ["affine_results"]

_LINEAR = {
    "add", "sub", "rsub", "neg", "positive", "sum", "mean", "cumsum", "cat", "stack", "select", "slice", "index",
    "index_select", "gather", "view", "_unsafe_view", "reshape", "expand", "repeat", "permute", "transpose", "t",
    "movedim", "flip", "roll", "squeeze", "squeeze_", "unsqueeze", "unsqueeze_", "diagonal", "unbind",
    "split", "split_with_sizes", "chunk", "alias", "clone", "contiguous", "lift_fresh", "lift_fresh_copy", "_to_copy",
    "constant_pad_nd", "avg_pool1d", "avg_pool2d", "avg_pool3d", "_adaptive_avg_pool2d", "getitem",
}  # fmt: skip
"""Affine in all tensors together."""
_BILINEAR = {"mul", "mm", "mv", "bmm", "dot", "matmul", "convolution"}
"""Affine in one tensor, as long as the others are constants."""
_SHAPED = {"new_ones", "new_zeros", "new_full", "new_empty", "ones_like", "zeros_like", "full_like", "empty_like"}
"""Take a tensor for its shape only."""


def affine_results(graph: fx.GraphModule) -> list[bool]:
    """Return for every result of a graph of ``make_fx`` whether it is affine in the arguments, everywhere.

    Operations that are not known to be linear count as curved, so an affine result can be missed, but a curved one,
    such as a clamp far outside the values at hand, is never taken for affine.

    Args:
        graph: The graph of a function that returns a list of tensors.
    """
    nodes = list(graph.graph.nodes)
    varies: set[fx.Node] = set()
    for node in nodes[:-1]:
        if node.op == "placeholder" or (varies.intersection(node.all_input_nodes) and _name(node) not in _SHAPED):
            varies.add(node)
    curved = _spoiled(nodes, varies)
    for node in nodes[:-1]:
        arguments = set(node.all_input_nodes)
        if arguments & curved or (node in varies and arguments and not _keeps_affine(node, varies)):
            curved.add(node)
    (results,) = nodes[-1].args
    return [result not in curved for result in results]


def _keeps_affine(node: fx.Node, varies: set[fx.Node]) -> bool:
    """Whether an operation on affine values has an affine value."""
    name, dtype = _name(node), node.kwargs.get("dtype")
    varying = [k for k, argument in enumerate(node.args) if isinstance(argument, fx.Node) and argument in varies]
    if isinstance(dtype, torch.dtype) and not dtype.is_floating_point:
        return False
    if name == "div":
        return varying == [0] and node.kwargs.get("rounding_mode") is None
    if name == "where":
        return 0 not in varying
    if name in ("addmm", "addmv", "baddbmm"):
        return len(set(varying) - {0}) <= 1
    return name in _LINEAR or (name in _BILINEAR and len(varying) == 1)


def _spoiled(nodes: list[fx.Node], varies: set[fx.Node]) -> set[fx.Node]:
    """Return what is written to in place, and everything that may share its memory; it is not followed further."""
    spoiled: set[fx.Node] = set()
    pending = [target for node in nodes if varies.intersection(node.all_input_nodes) for target in _written(node)]
    while pending:
        node = pending.pop()
        if node not in spoiled:
            spoiled.add(node)
            pending += node.all_input_nodes
    return spoiled


def _written(node: fx.Node) -> Iterator[fx.Node]:
    schema = getattr(node.target, "_schema", None)
    if schema is None or not schema.is_mutable or _name(node) in _LINEAR:
        return
    for argument, declared in zip(node.args, schema.arguments, strict=False):
        if isinstance(argument, fx.Node) and declared.alias_info is not None and declared.alias_info.is_write:
            yield argument


def _name(node: fx.Node) -> str:
    """Return an operation's name without its overload: ``add`` of ``aten.add.Tensor``."""
    packet = getattr(node.target, "overloadpacket", node.target)
    return str(getattr(packet, "__name__", packet))
