"""Images: read from files, turned upright, fitted to a network's input."""
