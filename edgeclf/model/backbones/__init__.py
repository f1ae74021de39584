"""The pretrained networks. To add one, add one file and one line of ``registry.BACKBONES``."""
