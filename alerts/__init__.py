"""Objectives, rules, evaluation: what was promised, and whether it is kept.

Knows minute counts and ratios as frames, and objectives and alert windows as files. Does not know the
lake, the emulator, or prices: what joins them is composed above.
"""
