"""What nodes say: labels that KMM reads and sets, kernels by label, and the kernels of a driver toolkit."""
