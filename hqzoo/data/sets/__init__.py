"""The data sets: one file each that says where things lie, and what they mean."""
