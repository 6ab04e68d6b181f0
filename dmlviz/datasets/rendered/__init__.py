"""Data sets that render themselves: nothing is downloaded."""
