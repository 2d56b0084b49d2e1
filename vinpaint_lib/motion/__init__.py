"""Motion between frames: where a pixel of one frame lies in other frames."""
