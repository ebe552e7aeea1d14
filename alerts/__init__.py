"""Objectives, rules, evaluation. Reads minute counts as frames."""
