"""Tasks: supports, sources, targets, examples, costs, and the problem they make of a network."""
