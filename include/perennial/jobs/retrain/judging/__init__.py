"""What `judge` is made of: the decision rule, the weighing of candidates, the refit of the winner."""
