"""Quantum simulators side by side on equal work; ``python -m benchmarks.quantum`` measures and reports."""
