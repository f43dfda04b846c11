# SPDX-License-Identifier: Apache-2.0
"""Means with 95 % intervals of a few runs, by Student's t."""
import math
import statistics

# 97.5 % quantiles by degrees of freedom; from 30 on the normal one is within 4 %.
T = [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160, 2.145, 2.131,
     2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045]


def interval(values):
    """(mean, half of the 95 % interval); no interval of one value."""
    values = list(values)
    mean = statistics.fmean(values)
    if len(values) < 2:
        return mean, math.nan
    t = T[len(values) - 2] if len(values) - 2 < len(T) else 1.96
    return mean, t * statistics.stdev(values) / math.sqrt(len(values))


def text(values, digits=2, scale=1.0):
    mean, half = interval(v * scale for v in values)
    if math.isnan(half) or round(half, digits) == 0:
        return f"{mean:.{digits}f}"
    return f"{mean:.{digits}f} ± {half:.{digits}f}"
