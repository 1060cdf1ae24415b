# Bars by phase and config, normalised to the baseline, with the bounds: figures 3 and 4 load this.
# tmbench figure N sets: format (svg|png), data, out, bars, labels, repeats, bounded (any bound drawn), subtitle, ceiling, plots (this
# folder); the figure's own script sets heading and unit.
if (format eq 'png') {
	set terminal pngcairo size 1100,580 noenhanced font 'DejaVu Sans,11'
} else {
	set terminal svg size 1100,580 noenhanced font 'DejaVu Sans,13' background rgb 'white'
}
set output out
set encoding utf8
set datafile missing '?'

set label 1 heading at screen 0.5,0.955 center font ',15'
set label 2 subtitle at screen 0.5,0.905 center textcolor rgb '#555555'
set tmargin at screen 0.80
set bmargin at screen 0.15
set lmargin at screen 0.075
set rmargin at screen 0.985

stats data using 0 nooutput
phases = int(STATS_records)
slots = bars + 1.0                       # a group's width in bars, with the gap to the next
width = 0.86
center(phase, bar) = phase * slots + bar + 1

set xrange [0.2:phases * slots]
set yrange [0:ceiling]
step = ceiling > 2 ? 0.5 : 0.1          # in parentheses it would be a list of one tic
set ytics step format '%.1f' nomirror
set xtics nomirror scale 0
set xtics ()
do for [p = 0:phases - 1] {
	name = system(sprintf("awk 'NR == %d { print $1 }' '%s'", p + 3, data))
	set xtics add (name p * slots + (bars + 1) / 2.0)
}
set ylabel unit.', baseline = 1'
set xlabel 'phase' offset 0,-0.3
set grid ytics linetype 1 linecolor rgb '#dddddd' back
set border 3 linecolor rgb '#555555'
set key at screen 0.53,0.875 center top horizontal maxrows 1 samplen 1.6 width 1
set style fill solid 1.0 noborder
set boxwidth width

# Dark is much DRAM, light is little; told apart without colour too.
array color[6] = ['#1b4f72', '#2e86c1', '#7fb3d5', '#d4b483', '#b0763a', '#6e4423']
array ink[6] = ['#ffffff', '#ffffff', '#1b2631', '#1b2631', '#ffffff', '#ffffff']
label_of(b) = system(sprintf("echo '%s' | cut -d' ' -f%d | tr _ ' '", labels, b))
column_of(b) = 4 * b - 2

set arrow 1 from graph 0,first 1 to graph 1,first 1 nohead linewidth 1 dashtype 2 linecolor rgb '#555555' front

plot for [b = 1:bars] data using (center($0, b - 1)):(column(column_of(b))) with boxes linecolor rgb color[(b - 1) % 6 + 1] title label_of(b), \
	for [b = 1:bars] data using (center($0, b - 1)):(repeats > 1 ? column(column_of(b) + 1) : NaN):(0):(column(column_of(b) + 2) - column(column_of(b) + 1)) \
		with vectors nohead linewidth 1.5 linecolor rgb '#222222' notitle, \
	for [b = 1:bars] data using (center($0, b - 1) - 0.5):(column(column_of(b) + 3)):(1):(0) \
		with vectors nohead linewidth 3 linecolor rgb '#c0392b' notitle, \
	NaN with lines linewidth 3 linecolor rgb '#c0392b' title (bounded ? "bound" : ''), \
	for [b = 1:bars] data using (center($0, b - 1)):(0.035):(sprintf('%.2f', column(column_of(b)))) \
		with labels font ',9' textcolor rgb ink[(b - 1) % 6 + 1] notitle
