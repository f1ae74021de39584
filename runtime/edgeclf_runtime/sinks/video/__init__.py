"""Write observations to video files, or show them in a window."""
