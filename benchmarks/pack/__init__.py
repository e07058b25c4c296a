"""How fast a packed data set is read, beside other formats."""
