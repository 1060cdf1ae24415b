/* Figures 1 and 2: the two placements of tiermem, with the sizes that the scenarios' VMs have. */
#ifndef HARNESS_DIAGRAM_H
#define HARNESS_DIAGRAM_H

/* Draw figure NUMBER ("1": underneath, of figure4.conf; "2": inside, of figure3.conf) into DIR as SVG and PNG. 0 or an exit code. */
int diagram_draw(const char *number, const char *dir);

#endif
