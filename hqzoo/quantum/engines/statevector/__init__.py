"""The ``statevector`` engine: exact states in fused blocks, and a backward pass that keeps few of them."""
