"""What a workload can do to its node beside KMM, and who may: places, rights, approvals, and what was there before."""
