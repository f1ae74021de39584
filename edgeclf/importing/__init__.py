"""Import networks of other frameworks."""
