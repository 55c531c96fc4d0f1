"""How the vectors of a corpus lie, without a label: copies, hubs, directions, and what to do about them."""
