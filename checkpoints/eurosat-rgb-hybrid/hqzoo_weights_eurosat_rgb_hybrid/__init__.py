"""The weights eurosat-rgb-hybrid of hqzoo: data alone."""
