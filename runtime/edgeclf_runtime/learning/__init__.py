"""What a device learns in place and adds to its model file."""
