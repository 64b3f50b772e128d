"""A model behind HTTP: requests that wait are answered together."""
