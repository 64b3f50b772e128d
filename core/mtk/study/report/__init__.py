"""A report: runs and sweeps as one page that needs nothing but itself."""
