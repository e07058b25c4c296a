"""Sentinel-1 and Sentinel-2 as pairs, with labels or without: BigEarthNet, collections, packs."""
