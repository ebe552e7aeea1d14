"""Every performance figure the README states, and the peer it is measured against.

A benchmark is a module with ``rows()``. A peer does the same work, gives the same answer (checked before
anything is timed), and runs in the same process, turn about, so that both meet the same machine.
"""
