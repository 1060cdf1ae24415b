# Figure 4: transactions by database, load and DRAM reserved, normalised to the baseline, with the bounds.
heading = 'MariaDB in a VM with tiermem underneath, against a VM with DRAM only'
unit = 'transactions/s'
load plots.'/bars.gp'
