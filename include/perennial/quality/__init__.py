"""What may enter, which rows are set aside, and the verdict on a window's rows."""
