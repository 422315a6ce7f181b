"""Tests of the pure XmR library and its command."""
