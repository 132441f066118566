"""One Kubernetes object of a tree: its origins, its Argo CD annotations, its text."""
