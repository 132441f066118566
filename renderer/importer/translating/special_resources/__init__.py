"""SpecialResources of the operator before KMM, and the BuildConfigs in their charts."""
