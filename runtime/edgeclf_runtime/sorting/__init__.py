"""Sort unsorted images into class folders: the files, groups of similar images, and a model's proposals."""
