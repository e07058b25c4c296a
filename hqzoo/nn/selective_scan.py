"""The selective scan of Mamba (Gu and Dao 2023, algorithm 2) in plain torch."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

__all__ = ["selective_scan"]


def selective_scan(values: Tensor, steps: Tensor, rates: Tensor, write: Tensor, read: Tensor, chunk: int = 8) -> Tensor:
    r"""Return :math:`y_t = C_t h_t` of :math:`h_t = e^{\Delta_t A} h_{t-1} + \Delta_t B_t x_t`, from :math:`h_0 = 0`.

    The states of a chunk alone are in memory at a time, and near the processor; for the backward pass the state between
    chunks is kept and the others are computed again. States are float32 also under autocast, float64 where values are.

    Args:
        values: x, ``(B, L, D)``.
        steps: :math:`\Delta`, positive, ``(B, L, D)``.
        rates: A, negative, ``(D, S)``.
        write: B, ``(B, L, S)``.
        read: C, ``(B, L, S)``.
        chunk: Length of a chunk; changes time and memory, not the result.

    Returns:
        ``(B, L, D)``. It has first derivatives only.
    """
    dtype = torch.promote_types(values.dtype, torch.float32)
    with torch.autocast(values.device.type, enabled=False):
        values, steps, rates, write, read = (each.to(dtype) for each in (values, steps, rates, write, read))
        out: Tensor = _Scan.apply(values, steps, write, read, rates, chunk)  # type: ignore[no-untyped-call]
        return out


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(  # type: ignore[override]
        ctx: Any,  # noqa: ANN401 - torch's own context
        values: Tensor, steps: Tensor, write: Tensor, read: Tensor, rates: Tensor, chunk: int,
    ) -> Tensor:  # fmt: skip
        values, steps, write, read = (_swapped(each) for each in (values, steps, write, read))
        state = values.new_zeros(values.shape[1], *rates.shape)
        out, starts = [], []
        for x, step, b, c in zip(*(torch.split(each, chunk) for each in (values, steps, write, read)), strict=True):
            starts.append(state)
            states = _states(x, step, b, rates, state)[1]
            out.append(torch.einsum("tbds,tbs->tbd", states, c))
            state = states[-1]
        ctx.save_for_backward(values, steps, write, read, rates, torch.stack(starts))
        ctx.chunk = chunk
        return _swapped(torch.cat(out))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:  # type: ignore[override]  # noqa: ANN401
        *sequences, rates, starts = ctx.saved_tensors
        sequences = (*sequences, _swapped(gradient))
        parts = list(zip(*(each.split(ctx.chunk) for each in sequences), starts, strict=True))
        of_rates, later = torch.zeros_like(rates), torch.zeros_like(starts[0])
        found = []
        for values, steps, write, read, of_out, start in reversed(parts):
            decay, states = _states(values, steps, write, rates, start)
            of_read = torch.einsum("tbds,tbd->tbs", states, of_out)
            of_states = of_out[..., None] * read[:, :, None]
            of_states[-1] += later
            for time in range(len(decay) - 2, -1, -1):
                of_states[time].addcmul_(decay[time + 1], of_states[time + 1])
            later = decay[0] * of_states[0]
            of_pushed = torch.einsum("tbds,tbs->tbd", of_states, write)
            of_write = torch.einsum("tbds,tbd->tbs", of_states, steps * values)
            of_exponent = of_states * decay
            of_exponent[1:] *= states[:-1]
            of_exponent[0] *= start
            of_steps = torch.einsum("tbds,ds->tbd", of_exponent, rates) + of_pushed * values
            of_rates += torch.einsum("tbds,tbd->ds", of_exponent, steps)
            found.append((of_pushed * steps, of_steps, of_write, of_read))
        return *(_swapped(torch.cat(each[::-1])) for each in zip(*found, strict=True)), of_rates, None


def _swapped(sequences: Tensor) -> Tensor:
    """Return them time first, so that what is needed together lies together; or batch first again."""
    return sequences.transpose(0, 1).contiguous()


def _states(values: Tensor, steps: Tensor, write: Tensor, rates: Tensor, start: Tensor) -> tuple[Tensor, Tensor]:
    """Return decays and states ``(T, B, D, S)`` of a chunk that begins in the state ``(B, D, S)``."""
    decay = (steps[..., None] * rates).exp_()
    states = (steps * values)[..., None] * write[:, :, None]
    states[0].addcmul_(decay[0], start)
    for time in range(1, len(decay)):
        states[time].addcmul_(decay[time], states[time - 1])
    return decay, states
