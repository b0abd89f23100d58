"""Statistics of a dataset's column, as normalizers take them."""

import numpy as np


def statistics(values: np.ndarray) -> dict[str, np.ndarray]:
    low, high = np.quantile(values, [0.01, 0.99], axis=0)
    stats = {"min": values.min(0), "max": values.max(0), "mean": values.mean(0), "std": values.std(0)}
    return stats | {"q01": low, "q99": high}
