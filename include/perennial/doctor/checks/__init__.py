"""The checks, by what they look at. `perennial.doctor.registry` has them all."""
