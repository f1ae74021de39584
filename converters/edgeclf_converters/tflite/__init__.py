"""A network as a .tflite file, and what is packed into it."""
