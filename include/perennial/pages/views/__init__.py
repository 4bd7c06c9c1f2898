"""The pages, each in a module of its name: what was asked for, the settings and the stores -> what was found."""
