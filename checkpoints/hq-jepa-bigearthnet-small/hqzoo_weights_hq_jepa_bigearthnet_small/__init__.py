"""The weights hq-jepa-bigearthnet-small of hqzoo: data alone."""
