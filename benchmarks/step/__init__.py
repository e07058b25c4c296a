"""What a circuit adds to a training step."""
