"""Recipes over recording, training and evaluation."""
