"""Sort unsorted images into the folders of classes: the files, what is like what, and what a model proposes."""
