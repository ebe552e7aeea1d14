"""What the viewer felt: network, adaptation, stalls.

``kernel`` plays the emulated service's sessions in bulk, on networks drawn at random; ``replay`` plays one video
over recorded networks, request by request. They share no code: one is made for vectors, one for the last digit.
"""
