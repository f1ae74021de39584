"""Export a run as a model file and evaluate the file."""
