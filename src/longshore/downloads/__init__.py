"""Giving files back."""
