"""Studies of many trainings: comparison, sweep, sequence, verification."""
