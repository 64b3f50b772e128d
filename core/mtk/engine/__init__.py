"""The arithmetic of a step: the packed form, the tasks' gradients, their Gramians, CUDA graphs."""
