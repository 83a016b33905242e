"""The benchmark suites of our own engine: what is measured, and how it is laid out for people."""
