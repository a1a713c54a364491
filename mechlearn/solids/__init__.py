"""Solids: networks of solid struts, from outline to mesh to finite-element model."""
