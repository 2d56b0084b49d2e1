"""Where a pixel lies in other frames."""
