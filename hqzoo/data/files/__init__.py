"""Files of images and masks: how they are found, opened and read; every fault names its file."""
