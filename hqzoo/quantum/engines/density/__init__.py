"""The ``density`` engine: circuits with noise, exactly up to a stated size, by random trajectories above."""
