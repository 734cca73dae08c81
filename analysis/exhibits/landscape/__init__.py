"""The loss around a network: slices, planes, paths and curvature."""
