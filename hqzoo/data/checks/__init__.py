"""What is wrong with a data set, and which of its parts leak into each other."""
