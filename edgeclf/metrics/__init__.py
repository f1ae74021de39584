"""Metrics of predictions: accuracy, confusion, calibration."""
