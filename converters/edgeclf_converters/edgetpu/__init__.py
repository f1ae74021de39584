"""Whether a file runs on a Coral Edge TPU, and its compiler."""
