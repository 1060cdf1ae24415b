/* The script of a guest that runs MariaDB and sysbench: mount the database, start the server, fill its pool, load by load. */
#ifndef HARNESS_MYSQL_SCRIPT_H
#define HARNESS_MYSQL_SCRIPT_H

#include "harness/vm.h"

/* Generate /tm/run for a VM. */
void mysql_script(struct text *out, const struct plan *p, const struct vm *vm);

/* The buffer pool of a VM in bytes: the scenario's share of the VM's memory, whole MiB. */
int64_t mysql_pool(const struct plan *p, const struct vm *vm);

#endif
