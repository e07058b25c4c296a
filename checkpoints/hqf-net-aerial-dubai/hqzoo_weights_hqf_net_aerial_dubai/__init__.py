"""The weights hqf-net-aerial-dubai of hqzoo: data alone."""
