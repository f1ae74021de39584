"""Backbone, input size and what is trained, under a time budget."""
