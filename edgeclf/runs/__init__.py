"""The folder of a training run: its files, split and predictions."""
