"""Convert a network to a .tflite file and pack card, labels and golden images into it."""
