"""What a plan needs from outside: data, networks, trained weights, each looked at once."""
