# Measured (points) and simulated (lines) in one picture.
# tmbench validate sets: out, data (one block per curve: x measured simulated), n, names (separated by |), heading, xlabel, ylabel,
# logx, names_x (points have names instead of x)
set terminal svg size 760,470 noenhanced font 'DejaVu Sans,13' background rgb 'white'
set output out
set encoding utf8
set title heading
set xlabel xlabel
set ylabel ylabel
set grid linetype 1 linecolor rgb '#dddddd' back
set border 3 linecolor rgb '#555555'
set xtics nomirror
set ytics nomirror
set yrange [0:*]
set key outside bottom center horizontal maxrows 3
if (logx) set logscale x 2
if (logx) set xtics ('1 KiB' 1024, '4 KiB' 4096, '16 KiB' 16384, '64 KiB' 65536, '256 KiB' 262144, '1 MiB' 1048576)
if (names_x) set xtics ('sequential read' 0, 'random read' 1, 'ntstore' 2, 'store + clwb' 3)
if (names_x) set xrange [-0.5:3.5]
array color[4] = ['#1b4f72', '#b0763a', '#1e8449', '#7d3c98']
array shape[4] = [7, 5, 9, 13]
name(i) = system(sprintf("printf '%%s' '%s' | cut -d'|' -f%d", names, i))
plot for [i = 1:n] data index i - 1 using 1:2 with points pointtype shape[i] pointsize 0.7 linecolor rgb color[i] \
		title name(i) . ', measured', \
	for [i = 1:n] data index i - 1 using 1:(names_x ? NaN : $3) with lines linewidth 1.6 linecolor rgb color[i] \
		title (names_x ? '' : name(i) . ', simulated'), \
	for [i = 1:n] data index i - 1 using 1:(names_x ? $3 : NaN) with points pointtype shape[i] - 1 pointsize 1.6 linewidth 1.4 \
		linecolor rgb color[i] title (names_x ? name(i) . ', simulated' : '')
