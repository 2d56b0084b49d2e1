"""A network that paints what no frame shows, from the known pixels of one picture."""
