"""Images: reading files, turning them upright, resizing them to a network's input."""
