"""What changes within a network: warm-up's curves, its layers, its gradients."""
