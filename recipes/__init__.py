"""Recipes by architecture and data set; packaged as ``hqzoo.recipes``."""
