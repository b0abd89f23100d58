"""What finished evaluations show: rates, comparisons, robustness, and the sentences about them."""
