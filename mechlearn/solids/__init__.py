"""Solids: networks whose bonds are bodies, from outline to mesh to finite-element model."""
