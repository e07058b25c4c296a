"""The weights hq-unet-aerial of hqzoo: data alone."""
