"""Random augmentation of training images, computed in the graph."""
