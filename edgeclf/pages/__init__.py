"""The building blocks of pages: templates, plots, contact sheets."""
