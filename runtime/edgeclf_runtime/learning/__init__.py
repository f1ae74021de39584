"""What a device learns where it stands, and adds to its model file."""
