"""The network: a pretrained backbone, its head, and which of its weights are trained."""
