"""The weights hqf-net-aerial of hqzoo: data alone."""
