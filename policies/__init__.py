"""Trunk, action heads and the policy made of them."""
