"""Compare a float network and its int8 file on the same images."""
