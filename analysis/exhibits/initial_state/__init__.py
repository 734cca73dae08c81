"""What a network says before it has learned anything."""
