"""Recommendations judged on ratings: measures, a temporal split, built-in models, and lists for everybody.

Knows users, items, what they rated and when, and the items' genres. Must not know the emulated service: any
ratings file will do. The measures and the calibrated re-ranking are functions of arrays, for whoever ranks.
"""
