"""Run a new model beside a service's, on the same frames and without acting, and compare their answers."""
