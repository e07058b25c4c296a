"""The weights hq-unet-aerial-dubai of hqzoo: data alone."""
