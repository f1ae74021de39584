"""Run a new model next to a service's, on the same frames and without acting, and compare their answers."""
