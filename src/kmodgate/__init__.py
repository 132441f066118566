"""GitOps for kernel drivers on Kubernetes: a renderer, an admission webhook, and the policy that both share."""
