"""Runs: trainings from a task file or from Python to a folder."""
