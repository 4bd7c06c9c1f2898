"""Champion against challenger: whether one is better, beyond doubt."""
