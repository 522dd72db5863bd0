"""Thin bridges between fedenv and other programs."""
