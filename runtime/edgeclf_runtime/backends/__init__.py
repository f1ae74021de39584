"""Interpreters of TensorFlow Lite models, resolved by name when they are used."""
