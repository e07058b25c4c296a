"""The ``cone`` engine: exact, and only what the observables can see, in pieces no larger than correlations demand."""
