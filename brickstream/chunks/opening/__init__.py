"""From what people give (a URL, a path, a store, arrays) to an image or a list of images."""
