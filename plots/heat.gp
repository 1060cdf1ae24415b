# Heat map of guest RAM: what the tracker found (above) and which tier it is in (below), by offset, over simulated time.
# tmbench figure heat sets: format (svg|png), data (two matrices, a line for each part of guest RAM: samples per MiB and second; share in
# DRAM, -1: not used), out, heading, subtitle, bins, bin (s), parts, part (MiB), least, most (heat above 0), phases ("NAME BEGIN END ...",
# in s), warm (s before the first phase).
if (format eq 'png') {
	set terminal pngcairo size 1100,860 noenhanced font 'DejaVu Sans,11'
} else {
	set terminal svg size 1100,860 noenhanced font 'DejaVu Sans,13' background rgb 'white'
}
set output out
set encoding utf8
set multiplot
none = '#eef1f3'
span = bins * bin
ram = parts * part
unit = ram >= 4096 ? 1024.0 : 1.0
x(column) = (column + 0.5) * bin
y(row) = (row + 0.5) * part / unit
set xrange [0:span]
set yrange [0:ram / unit]
set lmargin at screen 0.08
set rmargin at screen 0.855
set tics nomirror out
set border 15 linecolor rgb '#555555'
set ylabel 'offset in guest RAM, '.(unit > 1 ? 'GiB' : 'MiB')
unset key

# The phases, over both panels; their names above the first.
n = words(phases) / 3
do for [p = 1:n] {
	begin = real(word(phases, 3 * p - 1))
	end = real(word(phases, 3 * p))
	set arrow 2 * p from begin, graph 0 to begin, graph 1 nohead linewidth 1 dashtype 2 linecolor rgb '#222222' front
	set arrow 2 * p + 1 from end, graph 0 to end, graph 1 nohead linewidth 1 dashtype 2 linecolor rgb '#222222' front
	set label 10 + p word(phases, 3 * p - 2) at (begin + end) / 2, graph 1.04 center font (n > 6 ? ',9' : ',11')
}
if (warm > 0.08 * span) set label 10 'warm-up' at warm / 2, graph 1.04 center font ',11' textcolor rgb '#555555'

set label 1 heading at screen 0.5,0.965 center font ',15'
set label 2 subtitle at screen 0.5,0.93 center textcolor rgb '#555555'
set label 3 'Heat: samples of LLC misses' at graph 0,1.115 left
set tmargin at screen 0.84
set bmargin at screen 0.505
set xtics format ''
# A quarter decade at the lower end stands for none.
low = least / 10 ** 0.25
dark = log10(most / low) > 0.5 ? log10(most / low) : 0.5
set logscale cb
set cbrange [low:low * 10 ** dark]
set cbtics ('none' low * 10 ** 0.1)
do for [k = 0:6] { if (10 ** k > low * 2.5) { set cbtics add (sprintf('%g', 10 ** k) 10 ** k) } }
set cblabel 'samples per MiB and second' offset 1
edge = 0.24 / dark
set palette defined (0 none, edge none, edge '#fdebd0', edge + (1 - edge) * 0.35 '#f5b041', edge + (1 - edge) * 0.7 '#c0392b', 1 '#3b0a0a')
plot data index 0 matrix using (x($1)):(y($2)):($3 > low ? $3 : low) with image

# A small share in DRAM counts: it may be the part's hot granules. So the colour goes by the root.
do for [p = 0:n] { unset label 10 + p }
unset label 1
unset label 2
unset logscale cb
set label 3 'Tier' at graph 0,1.045
set tmargin at screen 0.44
set bmargin at screen 0.09
set xtics format '%g'
set xlabel 'simulated time in which there are samples, s (pauses between the loads are left out)'
set cbrange [-0.12:1]
set cbtics ('unused' -0.07, 'all PMEM' 0, '10 %%' 0.316, '25 %%' 0.5, '50 %%' 0.707, 'all DRAM' 1)
set cblabel 'share in DRAM'
set palette defined (-0.12 none, -0.02 none, -0.02 '#d4b483', 0.1 '#c5b794', 0.5 '#7fb3d5', 1 '#1b4f72')
plot data index 1 matrix using (x($1)):(y($2)):($3 < 0 ? -0.07 : sqrt($3)) with image
unset multiplot
