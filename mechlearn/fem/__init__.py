"""Finite-element models of networks on DOLFINx: mesh, forms, assembly."""
