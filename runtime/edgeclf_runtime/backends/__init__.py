"""Interpreters for TensorFlow Lite models, imported by name when they are used."""
