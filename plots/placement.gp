# Figures 1 and 2: where tiermem sits, with the sizes of a scenario's VMs.
# tmbench figure 1|2 sets: format (svg|png), out, underneath (1: in the QEMU process, 0: in the guest), heading, subtitle, guest, server,
# load, managed, dram, pmem, disk (texts).
if (format eq 'png') {
	set terminal pngcairo size 1000,560 noenhanced font 'DejaVu Sans,11'
} else {
	set terminal svg size 1000,560 noenhanced font 'DejaVu Sans,13' background rgb 'white'
}
set output out
set encoding utf8
unset border
unset tics
unset key
set xrange [0:100]
set yrange [0:100]
set lmargin at screen 0.01
set rmargin at screen 0.99
set bmargin at screen 0.01
set tmargin at screen 0.86
set label 1 heading at screen 0.5,0.955 center font ',15'
set label 2 subtitle at screen 0.5,0.905 center textcolor rgb '#555555'

outer = '#f4f6f7'
inner = '#eaf2f8'
program = '#d4e6f1'
library = '#f9e79f'
fast = '#1b4f72'
slow = '#d4b483'

# The host, QEMU in it, the VM in that.
set object 1 rectangle from 2,2 to 98,98 fillcolor rgb outer fillstyle solid border rgb '#555555' behind
set label 11 'host' at 4,94.5
if (underneath) {
	set object 2 rectangle from 5,30 to 95,91 fillcolor rgb '#ffffff' fillstyle solid border rgb '#555555' behind
	set label 12 'QEMU process' at 7,87.5
	set object 3 rectangle from 8,52 to 92,84 fillcolor rgb inner fillstyle solid border rgb '#555555' behind
	set label 13 guest at 10,80.5
	set object 4 rectangle from 12,57 to 40,75 fillcolor rgb program fillstyle solid border rgb '#555555' behind
	set label 14 server at 26,69.5 center
	set object 5 rectangle from 44,57 to 62,75 fillcolor rgb program fillstyle solid border rgb '#555555' behind
	set label 15 load at 53,69.5 center
	set object 6 rectangle from 66,57 to 88,75 fillcolor rgb '#ffffff' fillstyle solid border rgb '#555555' behind
	set label 16 disk at 77,69.5 center
	set object 7 rectangle from 8,35 to 92,47 fillcolor rgb library fillstyle solid border rgb '#555555' behind
	set label 17 managed at 50,41 center
	set arrow 1 from 50,52 to 50,47 linewidth 2 linecolor rgb '#555555'
	set arrow 2 from 26,35 to 26,24 linewidth 2 linecolor rgb '#555555' heads
	set arrow 3 from 70,35 to 70,24 linewidth 2 linecolor rgb '#555555' heads
	set object 8 rectangle from 8,8 to 40,24 fillcolor rgb fast fillstyle solid noborder behind
	set object 9 rectangle from 48,8 to 92,24 fillcolor rgb slow fillstyle solid noborder behind
	set label 18 dram at 24,18 center textcolor rgb '#ffffff'
	set label 19 pmem at 70,18 center
} else {
	set object 2 rectangle from 5,6 to 95,91 fillcolor rgb '#ffffff' fillstyle solid border rgb '#555555' behind
	set label 12 'QEMU process' at 7,87.5
	set object 3 rectangle from 8,10 to 92,84 fillcolor rgb inner fillstyle solid border rgb '#555555' behind
	set label 13 guest at 10,80.5
	set object 4 rectangle from 12,42 to 62,76 fillcolor rgb program fillstyle solid border rgb '#555555' behind
	set label 14 server at 37,69 center
	set object 5 rectangle from 66,42 to 88,76 fillcolor rgb program fillstyle solid border rgb '#555555' behind
	set label 15 load at 77,62 center
	set object 7 rectangle from 15,46 to 59,60 fillcolor rgb library fillstyle solid border rgb '#555555' behind
	set label 17 managed at 37,54.8 center
	set arrow 2 from 24,46 to 24,33 linewidth 2 linecolor rgb '#555555' heads
	set arrow 3 from 52,46 to 52,33 linewidth 2 linecolor rgb '#555555' heads
	set object 8 rectangle from 12,15 to 42,33 fillcolor rgb fast fillstyle solid noborder behind
	set object 9 rectangle from 46,15 to 88,33 fillcolor rgb slow fillstyle solid noborder behind
	set label 18 dram at 27,26 center textcolor rgb '#ffffff'
	set label 19 pmem at 67,26 center
}
plot NaN notitle
