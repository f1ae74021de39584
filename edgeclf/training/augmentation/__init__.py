"""Random changes of training images, drawn in the graph."""
