/*
 * Queueing at a tier's device, from what all vCPUs together ask of it.
 *
 * vCPUs run one after another in slices of a quantum, so their accesses arrive out of order in simulated time and a
 * queue with one "free at" time would make whoever runs last wait for everybody. Instead simulated time is cut into
 * windows. Each access adds the time it occupies the device, and what it waited, to its vCPU's account in its window.
 * When a window begins, the two last complete ones say what each vCPU would ask for if it never waited (service /
 * time not waited: this does not depend on the waits, so nothing oscillates), how many streams there are, and what
 * share X of the device's time they can get. Each pays `wait` per unit of service, such that all together get X:
 * the sum of service / (time not waited + wait x service) is X. Everyone is slowed alike, whatever the order. Of the
 * media and the link only the one that makes them wait longer counts.
 *
 * What begins or grows faster than in two windows is caught twice: once a window is booked out, accesses in it pay their
 * service times the number of vCPUs in it, and what was served beyond the device's time is a debt that lowers X later.
 *
 * X: the offered load a meets `dimms` DIMMs. One has more than its share at times: its load varies by
 * cv^2 = (dimms - 1) / (streams x smoothing) + jitter^2, and X = E[min(load, 1)] (a triangular distribution).
 *
 * Only + - x / and sqrt of doubles: the same result on every machine. An access costs some ns of host time.
 */
#ifndef TMSIM_LOAD_H
#define TMSIM_LOAD_H

#include <stdbool.h>
#include <stdint.h>

enum { LOAD_VCPUS = 64, LOAD_RING = 8 };

/* What is occupied: the DIMMs' storage, and the way from them to the CPU. */
enum load_resource { LOAD_MEDIA, LOAD_LINK, LOAD_RESOURCES };

/* One vCPU's account in one window, ps. */
struct load_account {
	uint64_t service[LOAD_RESOURCES]; /* device occupied (of the whole device: all DIMMs) */
	uint64_t weighted
		[LOAD_RESOURCES]; /* the same, each times the share of a wait that is seen: see load_use */
	uint64_t write;		  /* media service of writes */
	uint64_t queued, free;	  /* waited; time between accesses without that */
};

/* What accesses in one window pay. */
struct load_estimate {
	uint64_t index;			  /* window's number; UINT64_MAX: none */
	uint32_t wait[LOAD_RESOURCES];	  /* ps of wait per ps of service, 1/256; one is 0 */
	uint32_t split_read, split_write; /* share of accesses to an open line that find it lost, 1/65536 */
};

/* Parameters; see sim/profile.h. */
struct load_shape {
	double dimms, read_smoothing, write_smoothing, jitter;
};

struct load {
	struct load_shape shape;
	unsigned int shift;	       /* a window is 2^shift ps */
	uint64_t current;	       /* the latest window, its number */
	uint64_t debt[LOAD_RESOURCES]; /* served beyond what the device can, to be made up for, ps */
	unsigned int vcpus;	       /* highest that took part + 1 */
	/* Share of lost lines for 0..LOAD_VCPUS streams. */
	double split_read[LOAD_VCPUS + 1], split_write[LOAD_VCPUS + 1];
	double streams, offered[LOAD_RESOURCES]; /* of the latest window, for statistics and tests */
	uint64_t waited_ps[LOAD_VCPUS];		 /* each vCPU's waits, all together, */
	int64_t clock_ps[LOAD_VCPUS];		 /* and the time of its last access without them */
	uint64_t booked_ps[LOAD_RING][LOAD_RESOURCES], members[LOAD_RING]; /* all vCPUs; which, a bit each */
	struct load_estimate estimate[LOAD_RING];
	struct load_account account[LOAD_RING][LOAD_VCPUS];
};

/* One access. */
struct load_use {
	uint32_t media_ps, link_ps; /* service, of the whole device */
	uint32_t depth; /* of the wait that all lines in flight share this access sees depth/256: 256 in a
				       stream; a dependent read sees that of each line ahead of it */
	bool write;
};

/* Nothing has happened. The window is at least 9/8 of the quantum, so that windows two back are complete. */
void load_init(struct load *l, const struct load_shape *shape, uint64_t quantum_ns);

/* What an access at now_ps pays. */
const struct load_estimate *load_at(struct load *l, uint64_t now_ps);

/* Books one access of a vCPU (0..LOAD_VCPUS-1) at now_ps; returns how long the queue makes it wait, ps. */
uint64_t load_charge(struct load *l, unsigned int vcpu, uint64_t now_ps, const struct load_use *use);

/* E[min(load, 1)] for a mean load and the square of its coefficient of variation. */
double load_share(double mean, double cv2);

#endif
