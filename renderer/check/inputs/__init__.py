"""What check is given: files of objects, and what in them two readers would take differently."""
