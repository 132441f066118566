"""The errors of each family, and what an entry says of one."""
