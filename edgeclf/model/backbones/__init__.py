"""The pretrained networks. A new one is one file and one line of ``registry.BACKBONES``."""
