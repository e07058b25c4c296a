"""GEO-Bench version 1: its files, its bands, its labels, read without running anything that they hold."""
