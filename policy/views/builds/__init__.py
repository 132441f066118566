"""The `build` of a mapping, the Dockerfile that it names, and the images that this starts from."""
