"""How fast scenes are mapped."""
