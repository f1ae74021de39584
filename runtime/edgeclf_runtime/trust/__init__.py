"""Who made a model file: signatures, the keys that are trusted, and the newest version that was in use."""
