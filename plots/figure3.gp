# Figure 3: throughput by phase and DRAM size, normalised to the baseline, with the bounds.
heading = 'Redis with tiermem in the guest, against the same VM with DRAM only'
unit = 'operations/s'
load plots.'/bars.gp'
