"""A training's folder: its files, its split, its predictions."""
