"""What the viewer felt: network, adaptation, stalls.

``kernel`` plays the emulated service's sessions in bulk, on networks drawn at random; ``replay`` plays one video
over recorded networks, request by request. They share no code: one is made for vectors, one for the last digit.

Where both apply they take the same decisions, rung by rung (DYNAMIC, downloads given up included). Only the kernel
has routes and impairments, slow start, prefetched starts, and a viewer who leaves; only replay has throughput
that changes within a download, segments of their own sizes, changing latency, and the other rules.
``docs/player.md`` lists it all.
"""
