"""The front door: the command line. The only package that composes the others."""
