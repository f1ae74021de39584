"""An image, or a folder of them that may be watched."""
