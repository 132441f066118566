"""The objects of a tree: origins, Argo CD annotations, text; accounts and attached files, which all deliveries need."""
