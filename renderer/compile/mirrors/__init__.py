"""The mirrors of a cluster: what is wrong with them, and the images of its objects that are pulled from them."""
