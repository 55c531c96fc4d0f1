"""Ways to run the network: features in, unit vectors out."""
