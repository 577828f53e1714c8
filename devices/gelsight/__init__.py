"""Camera-based tactile sensors: marker pictures, tracking, published transforms."""
