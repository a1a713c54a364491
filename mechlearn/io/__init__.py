"""Input and output: mesh files, tables, atomic writing, and guarded readers of untrusted files."""
