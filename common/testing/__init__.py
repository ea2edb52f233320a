"""What the tests share. `runs` needs no pytest, because benchmarks use it as well."""
