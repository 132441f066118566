"""Rules about the Image Management Service (IMS)."""
