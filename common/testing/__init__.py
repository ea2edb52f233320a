"""What the tests share. `runs` needs no pytest: benchmarks use it, too."""
