"""What the tests share. Benchmarks use `runs` as well, so it needs no pytest."""
