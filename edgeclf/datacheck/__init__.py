"""What is wrong with a collection of images, before anything is trained on it."""
