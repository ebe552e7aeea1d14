"""What the viewer felt: network, adaptation, stalls."""
