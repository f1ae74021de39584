"""Check a collection of images for problems before training on it."""
