-- tiermem results, schema 1. Embedded into tmbench, which creates what is missing at every start.
-- A run is one `tmbench run`; a vmrun is one VM of it (or the native run on the host); a metric is one figure of one phase.

CREATE TABLE IF NOT EXISTS run (
	id              INTEGER PRIMARY KEY,
	started         TEXT NOT NULL,              -- UTC, ISO 8601
	finished        TEXT,
	status          TEXT NOT NULL CHECK (status IN ('running', 'ok', 'failed', 'interrupted')),
	reason          TEXT,                       -- why it is not ok
	scenario        TEXT NOT NULL,
	kind            TEXT NOT NULL DEFAULT 'redis-inside', -- or mysql-underneath
	baseline        TEXT NOT NULL,              -- the config that ratios refer to
	description     TEXT,
	scale           INTEGER NOT NULL,
	seed            INTEGER NOT NULL,
	repeats         INTEGER NOT NULL,
	keys            INTEGER NOT NULL,           -- 0: not Redis
	value_bytes     INTEGER NOT NULL,           -- 0: not Redis
	requests        INTEGER NOT NULL,           -- per phase that does not name its own; transactions of sysbench
	vcpus           INTEGER NOT NULL,
	server_vcpu     INTEGER NOT NULL,
	ram_bytes       INTEGER NOT NULL,           -- of the baseline's VM; metric vm_ram has that of each
	pmem_bytes      INTEGER NOT NULL,
	profile         TEXT NOT NULL,
	profile_sha256  TEXT,
	llc_kib         INTEGER NOT NULL,
	image_sha256    TEXT,
	qemu_version    TEXT,
	redis_version   TEXT,                       -- in the guest
	kernel_version  TEXT,                       -- in the guest
	tiermem_version TEXT,                       -- git describe
	host            TEXT,
	overrides       TEXT,                       -- --set, one a line
	pid             INTEGER,                    -- of tmbench, to recognise a run that was killed
	pid_start       TEXT                        -- boot and start time of that pid
);

CREATE TABLE IF NOT EXISTS run_config (
	run_id     INTEGER NOT NULL REFERENCES run(id),
	position   INTEGER NOT NULL,
	name       TEXT NOT NULL,
	tiermem    INTEGER NOT NULL,
	dram_bytes INTEGER,                         -- quota, scaled; NULL without tiermem
	granule_bytes INTEGER,
	PRIMARY KEY (run_id, name)
);

CREATE TABLE IF NOT EXISTS run_phase (
	run_id      INTEGER NOT NULL REFERENCES run(id),
	position    INTEGER NOT NULL,
	name        TEXT NOT NULL,
	ratio       TEXT NOT NULL,                  -- SET:GET, or sysbench's test
	key_pattern TEXT NOT NULL,                  -- tmload's, or sysbench's distribution of keys
	PRIMARY KEY (run_id, name)
);

-- What a kind of run has beside that, as text: sizes of databases, hashes of their images, versions.
CREATE TABLE IF NOT EXISTS run_parameter (
	run_id INTEGER NOT NULL REFERENCES run(id),
	name   TEXT NOT NULL,
	value  TEXT NOT NULL,
	PRIMARY KEY (run_id, name)
);

-- The paper's ratio to the baseline, where the run is comparable with it.
CREATE TABLE IF NOT EXISTS bound (
	run_id INTEGER NOT NULL REFERENCES run(id),
	config TEXT NOT NULL,
	phase  TEXT NOT NULL,
	metric TEXT NOT NULL,
	value  REAL NOT NULL,
	PRIMARY KEY (run_id, config, phase, metric)
);

CREATE TABLE IF NOT EXISTS vmrun (
	id       INTEGER PRIMARY KEY,
	run_id   INTEGER NOT NULL REFERENCES run(id),
	config   TEXT NOT NULL,
	repeat   INTEGER NOT NULL,
	variant  TEXT NOT NULL,                     -- default, native, or the name of an LLC variant
	llc_kib  INTEGER,                           -- NULL: native
	seed     INTEGER,
	status   TEXT NOT NULL CHECK (status IN ('running', 'ok', 'failed', 'interrupted')),
	reason   TEXT,
	started  TEXT NOT NULL,
	seconds  REAL,                              -- of real time
	dir      TEXT,
	part     TEXT NOT NULL DEFAULT '',          -- the database it ran with; its phases are called PART-...
	UNIQUE (run_id, config, repeat, variant, part) -- also the index by run
);

CREATE TABLE IF NOT EXISTS metric (
	vmrun_id INTEGER NOT NULL REFERENCES vmrun(id),
	phase    TEXT NOT NULL,                     -- '' for the whole VM
	metric   TEXT NOT NULL,
	unit     TEXT NOT NULL,
	value    REAL NOT NULL,
	PRIMARY KEY (vmrun_id, phase, metric)
) WITHOUT ROWID;

-- Heat of guest RAM over simulated time, where tiermem is underneath: samples of misses in each part since the time before, and its
-- granules by tier at that time.
CREATE TABLE IF NOT EXISTS heat (
	vmrun_id INTEGER NOT NULL REFERENCES vmrun(id),
	time_ns  INTEGER NOT NULL,
	offset   INTEGER NOT NULL,                  -- of the part, in bytes
	samples  INTEGER NOT NULL,
	dram     INTEGER NOT NULL,
	pmem     INTEGER NOT NULL,
	PRIMARY KEY (vmrun_id, time_ns, offset)
) WITHOUT ROWID;

-- Median, least and greatest over the repeats that succeeded, per LLC variant.
DROP VIEW IF EXISTS summary;
DROP VIEW IF EXISTS summary_variants;
DROP VIEW IF EXISTS repeats;
CREATE VIEW repeats AS
SELECT g.run_id, g.variant, g.config, g.phase, g.metric, g.unit,
       (SELECT avg(value)
        FROM (SELECT m.value, row_number() OVER (ORDER BY m.value) AS k
              FROM vmrun v JOIN metric m ON m.vmrun_id = v.id
              WHERE v.run_id = g.run_id AND v.config = g.config AND v.variant = g.variant AND v.status = 'ok'
                AND m.phase = g.phase AND m.metric = g.metric)
        WHERE k IN ((g.n + 1) / 2, (g.n + 2) / 2)) AS value,
       g.least, g.greatest, g.n AS repeats
FROM (SELECT v.run_id, v.variant, v.config, m.phase, m.metric, m.unit,
             min(m.value) AS least, max(m.value) AS greatest, count(*) AS n
      FROM vmrun v JOIN metric m ON m.vmrun_id = v.id
      WHERE v.status = 'ok'
      GROUP BY v.run_id, v.variant, v.config, m.phase, m.metric) g;

-- The ratio is to the baseline with the same LLC. Native figures have none: they are not simulated. Every window is
-- partitioned by run_id, so a query for one run reads only that run.
CREATE VIEW summary_variants AS
SELECT a.run_id, a.scenario, a.variant, a.config, a.phase, a.metric, a.unit, a.value,
       a.least, a.greatest, a.repeats,
       CASE WHEN a.base <> 0 THEN a.value / a.base END AS ratio_to_baseline,
       CASE WHEN a.variant = 'default' THEN p.value END AS paper_bound
FROM (SELECT m.*, r.scenario,
             max(CASE WHEN m.config = r.baseline THEN m.value END)
                 OVER (PARTITION BY m.run_id, m.variant, m.phase, m.metric) AS base
      FROM repeats m JOIN run r ON r.id = m.run_id) a
LEFT JOIN bound p ON p.run_id = a.run_id AND p.config = a.config AND p.phase = a.phase AND p.metric = a.metric;

CREATE VIEW summary AS
SELECT run_id, scenario, config, phase, metric, unit, value, ratio_to_baseline, paper_bound
FROM summary_variants
WHERE variant IN ('default', 'native');

PRAGMA user_version = 1;
