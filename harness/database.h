/* Database images: an ext4 file system with MariaDB's files for each database of a scenario and scale, made once and kept under build/. */
#ifndef HARNESS_DATABASE_H
#define HARNESS_DATABASE_H

#include "harness/vm.h"

/* Path of the image of the scenario's Nth database at the plan's scale, into OUT of PATH_LEN bytes. */
void database_image(const struct plan *p, int n, char *out);

/* Make the images that are missing or made of something else (vmconfigs/database/build.sh). 0 or an exit code. */
int database_prepare(const struct plan *p);

/* Whether every image that the plan's VMs need is there. 0 or an exit code after saying what makes them. */
int database_ready(const struct plan *p);

/* A VM's image: which file is copied (FROM), and the name of the copy in the VM's folder (TO); both of PATH_LEN bytes. */
void database_copy(const struct plan *p, const struct vm *vm, char *from, char *to);

/* What a run says of its databases: tables, rows, bytes and hash of each image, buffer pool's share of a VM's memory. */
void database_parameters(const struct plan *p, void (*add)(void *to, const char *name, const char *value), void *to);

#endif
