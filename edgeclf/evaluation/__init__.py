"""A model file measured on labelled images."""
