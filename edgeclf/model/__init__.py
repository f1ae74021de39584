"""The network: a pretrained backbone, its head, and the choice of trainable weights."""
