"""The pages of the reference, one theme per module; each function returns the text of a page."""
