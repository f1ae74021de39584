"""The report of a run: figures, plots, heat maps, TensorBoard."""
