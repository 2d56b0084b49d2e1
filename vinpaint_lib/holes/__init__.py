"""Where frames are missing, and what their own frame can put there."""
