"""The benchmarks of the papers, read from the folders of their official releases."""
