"""The parts of a model card, each in a module of its subject: what is on record -> a section."""
