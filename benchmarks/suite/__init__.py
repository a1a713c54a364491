"""What `make bench` measures; see benchmarks/README.md."""
