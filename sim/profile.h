/*
 * A profile: the CPU, the caches and the two memory tiers that a simulation charges for. Files are INI
 * (sim/profiles/NAME.conf); every key is in the table of profile.c with its unit and range.
 */
#ifndef TMSIM_PROFILE_H
#define TMSIM_PROFILE_H

#include <stddef.h>

enum tier_id { TIER_DRAM, TIER_PMEM, TIER_COUNT };

/*
 * Memory of one kind: `dimms` DIMMs (DRAM: channels), interleaved. GB/s are 10^9 bytes/s; tier.h and load.h have the
 * model that these are the parameters of.
 */
struct tier_profile {
	double random_ns;      /* idle latency of a dependent random 64-byte read */
	double sequential_ns;  /* the same, to the next line each time */
	double nt_ns, clwb_ns; /* ntstore, store + clwb: time until a fence after it is done, idle */
	double line_bytes;     /* internal line: Optane's XPLine, a DRAM row */
	double buffer_lines;   /* internal lines that one DIMM has open or buffered at once */
	double whole_lines; /* 1: the media is read and written by internal lines (of up to 4096 bytes); 0: by 64 bytes */
	double media_overhead; /* bytes that the media writes per byte it has to */
	double dimms;
	double interleave_bytes; /* bytes on one DIMM before the next one's turn */
	double core_read_gbps;	 /* one core: a stream of loads */
	double core_write_gbps;	 /* one core: non-temporal stores */
	double core_clwb_gbps;	 /* one core: stores, each line followed by clwb */
	double link_read_gbps;	 /* one DIMM to the CPU */
	double media_read_gbps;	 /* one DIMM's storage behind its buffer */
	double media_write_gbps;
	double streams;	     /* streams of different cores whose open lines fit in one DIMM's buffer */
	double split_lines;  /* parts that a line falls into, beyond the first, with very many streams */
	double write_spread; /* DIMMs whose buffers a writing stream has lines in */
	double read_smoothing; /* how evenly the load of streams spreads over the DIMMs; 1: each is on one DIMM */
	double write_smoothing;
	double jitter;		 /* relative variation of the load on one DIMM that is left then */
	double remote_ns;	 /* a link to another socket or device, 0: none: added latency, */
	double remote_read_gbps; /* and its bandwidth, 0: no limit */
	double remote_write_gbps;
};

/* A disk, as its data sheet gives it: keys disk_*. */
struct disk_profile {
	double read_us, write_us, flush_us; /* latency of a small request on an idle disk */
	double read_gbps, write_gbps;	    /* large requests, all together */
	double queue;			    /* requests worked on at once: queue / read_us is the read rate */
};

struct profile {
	char name[64];
	double ns_per_instruction;
	double system_ns_per_instruction; /* the guest's operating system's (addresses in the upper half); 0: as
					     programs'. A file need not have this key, */
	double wake_ns;			  /* nor this: what a vCPU pays to interrupt a halted one, and the halted one to go on */
	double fast_ns_per_instruction;	  /* the same in fast-forward (model off), where memory is free */
	double quantum_ns;
	double l1_kib;
	double l2_kib;
	double l2_ways;
	double l2_hit_ns;
	double llc_kib;
	double llc_ways;
	double llc_hit_ns;
	struct tier_profile tier[TIER_COUNT];
	double memory_mode_dram_mib; /* DRAM that caches the PMEM tier (Memory Mode), 0: none (App Direct) */
	struct disk_profile disk;
	/* An allocator underneath the guest; a file need not have these, 0: */
	double underneath_fault_ns;  /* a page fault that it resolves, without what it fills in */
	double underneath_move_ns;   /* moving a run of granules, without the copy */
	double underneath_sample_ns; /* a vCPU, for each sample of its misses */
};

/* Reads a profile file. 0, or -1 with one line in err (file, line, what is wrong). Every key must be there. */
int profile_load(struct profile *p, const char *path, char *err, size_t err_size);

/* Changes one key, "llc_kib" to "8192". 0, or -1 with one line in err. */
int profile_set(struct profile *p, const char *key, const char *value, char *err, size_t err_size);

/* Key and value number i as they are in p; name NULL when i is past the last. */
const char *profile_key(const struct profile *p, size_t i, double *value);

#endif
