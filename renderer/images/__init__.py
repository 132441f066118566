"""The images that a site has to mirror."""
