"""Three small tasks that nothing in hqzoo knows of: each is one file, and goes through every verb."""
