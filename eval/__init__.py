"""Rollouts, statistics, comparisons and reports."""
