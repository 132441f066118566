"""The Image Management Service (IMS): its releases, its settings, how it decides where a job runs, its templates."""
