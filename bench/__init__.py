"""Benchmarks: each compares two ways of doing the same in one run, checks that they agree, prints a ratio.

A ratio of two sides measured in turns holds on a machine that is busy with something else; a bare time does
not. Each prints one line of JSON and fails if the sides disagree; a target missed is said, not hidden.
"""
