"""Evaluate a model file on labelled images."""
