"""Rules, mutations and the KMM and IMS semantics that the renderer and the webhook share."""
