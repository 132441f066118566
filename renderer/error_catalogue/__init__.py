"""Every error of specs, files, references and the tree by its id: what it means, and what to do."""
