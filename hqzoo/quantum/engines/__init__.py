"""Engines: ways of running a circuit."""
