"""Should this network be warmed up, or is there something simpler? One page, from its pairs."""
