"""The pretrained networks: a new one is a file and a line of ``registry.BACKBONES``."""
