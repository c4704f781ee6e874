"""Around the package: the environment check, benchmarks, the comparison with detectron2."""
