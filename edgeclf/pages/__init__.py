"""What every page is made of: templates, plots, contact sheets."""
