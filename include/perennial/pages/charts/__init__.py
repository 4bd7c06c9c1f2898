"""Charts as SVG, drawn here: rectangles and lines, coloured by the stylesheet, each with a text that says the same."""
