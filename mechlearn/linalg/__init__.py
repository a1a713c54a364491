"""Factorisations, orderings and bordered systems of sparse matrices."""
