"""Programs on JAX: jitted forward and vector-Jacobian product."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from benchmarks.quantum.peers.base import Program

if TYPE_CHECKING:
    from benchmarks.quantum.cases import Inputs

__all__ = ["JaxProgram"]


class JaxProgram(Program):
    """A JAX function ``(data, weights) -> outputs``.

    Args:
        function: The function of a whole batch.
    """

    def __init__(self, function: Callable[[Any, Any], Any]) -> None:
        import jax

        def step(data: Any, weights: Any, cotangent: Any) -> tuple[Any, Any, Any]:  # noqa: ANN401
            outputs, backward = jax.vjp(function, data, weights)
            return (outputs, *backward(cotangent.astype(outputs.dtype)))

        self._forward, self._step = jax.jit(function), jax.jit(step)

    def load(self, given: Inputs) -> None:
        """Put the inputs on JAX's default device."""
        import jax.numpy as jnp

        self._inputs = tuple(jnp.asarray(array) for array in (given.data, given.weights, given.cotangent))

    def forward(self) -> Any:  # noqa: ANN401
        """Run, compiled at the first call."""
        return self._forward(*self._inputs[:2]).block_until_ready()

    def step(self) -> tuple[Any, Any, Any]:
        """Run and differentiate, compiled at the first call."""
        import jax

        outputs, data, weights = jax.block_until_ready(self._step(*self._inputs))
        return outputs, data, weights
