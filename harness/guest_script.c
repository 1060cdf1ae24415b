#include "harness/guest_script.h"

#include <string.h>

const char guest_functions[] =
	"send() { # KIND NAME FILE: one document to the host\n"
	"\t{ echo \"@@begin $1 $2\"; cat \"$3\"; echo; echo \"@@end\"; } >/dev/ttyS1\n"
	"}\n"
	"fail() {\n"
	"\techo \"tmbench-guest: error: $*\"\n"
	"\texit 1\n"
	"}\n";

static const char prologue[] =
	"tier_stats() { # NAME: what tiermem holds where, now\n"
	"\ttiermem stats $server --format json >/tm/out/stats.json || fail \"tiermem stats failed after "
	"$1\"\n"
	"\tsend tiermem \"$1\" /tm/out/stats.json\n"
	"}\n"
	"phase() { # NAME TMLOAD-ARGUMENTS...\n"
	"\tname=$1; shift\n"
	"\techo \"tmbench-guest: phase $name\"\n"
	"\ttaskset -c $load_cpus tmload --mark \"$name\" \"$@\" >/tm/out/tmload.txt 2>&1\n"
	"\tstatus=$?\n"
	"\tif [ $status != 0 ]; then\n"
	"\t\tcat /tm/out/tmload.txt\n"
	"\t\tkill -0 $server 2>/dev/null || fail \"phase $name: redis-server died\"\n"
	"\t\tfail \"phase $name: tmload ended with status $status\"\n"
	"\tfi\n"
	"\tsend tmload \"$name\" /tm/out/$name.json\n"
	"\tredis-cli info memory >/tm/out/info.txt\n"
	"\tsend redis \"$name\" /tm/out/info.txt\n"
	"}\n\n";

void load_arguments(struct text *out, const struct plan *p, const struct phase *ph, int64_t requests,
		    int64_t connections, int64_t seed, const char *json)
{
	text_add(out, "--ratio %s --key-pattern %s -d %lld --key-minimum 1 --key-maximum %lld", ph->ratio,
		 ph->key_pattern, (long long)p->s->value, (long long)p->keys);
	if (ph->median > 0)
		text_add(out, " --key-median %lld", (long long)(ph->median * (double)p->keys));
	text_add(out, " --seed %lld --distinct-client-seed", (long long)seed);
	if (!strcmp(ph->requests, "allkeys"))
		text_add(out, " -n allkeys");
	else
		text_add(out, " -n %lld", (long long)((requests + connections - 1) / connections));
	text_add(out, " --hide-histogram --json-out-file %s", json);
}

void guest_script(struct text *out, const struct plan *p, const struct config *c, int64_t seed, bool llc)
{
	const struct scenario *s = p->s;
	const char *redis =
		"redis-server --port 6379 --bind 127.0.0.1 --save '' --appendonly no --dir /tm/out";
	char json[128];
	int i;

	text_add(out,
		 "#!/bin/sh\n# Made by tmbench for scenario %s, config %s.\nload_cpus=%s\nmkdir -p "
		 "/tm/out\n\n",
		 s->name, c->name, s->load_cpus);
	text_add(out, "%s%s", guest_functions, prologue);
	text_add(out, "{ uname -r; redis-server --version; } >/tm/out/versions.txt\n"
		      "send text versions /tm/out/versions.txt\n\n");
	text_add(out, "taskset -c %d ", (int)s->background_cpu);
	if (c->tiermem)
		text_add(out,
			 "tiermem run --dram %lld --pmem /dev/dax1.0 --granule %lld %s --stats "
			 "/tm/out/tiermem.json -- \\\n\t",
			 (long long)plan_dram(p, c), (long long)c->granule, c->options);
	text_add(out, "%s \\\n\t--server_cpulist %d --bio_cpulist %d >/tm/out/redis.log 2>&1 &\nserver=$!\n",
		 redis, (int)s->server_cpu, (int)s->background_cpu);
	text_add(out, "tries=0\n"
		      "until [ \"$(redis-cli ping 2>/dev/null)\" = PONG ]; do\n"
		      "\ttries=$((tries + 1))\n"
		      "\tif ! kill -0 $server 2>/dev/null || [ $tries -gt 300 ]; then\n"
		      "\t\ttail -n 12 /tm/out/redis.log\n"
		      "\t\tfail \"redis-server did not come up\"\n"
		      "\tfi\n"
		      "\tsleep 0.1\n"
		      "done\n\n"
		      "tmmark model on || fail \"tmmark failed\"\n");
	for (i = 0; i < s->n_phases; i++) {
		const struct phase *ph = &s->phases[i];

		if (!ph->selected)
			continue;
		if (ph->place && c->tiermem)
			text_add(out, "tiermem quota $server %lld >/dev/null || fail \"tiermem quota failed before %s\"\nsleep 0.5\n",
				 (long long)plan_dram(p, c), ph->name);
		text_add(out, "phase %s -s 127.0.0.1 -p 6379 -t %d -c %d --pin-threads \\\n\t", ph->name,
			 (int)s->threads, (int)s->clients);
		snprintf(json, sizeof(json), "/tm/out/%s.json", ph->name);
		load_arguments(out, p, ph, plan_requests(p, ph, llc), s->threads * s->clients, seed, json);
		text_add(out, "\n");
		if (c->tiermem)
			text_add(out, "tier_stats %s\n", ph->name);
	}
	text_add(out, "tmmark model off\n\nredis-cli shutdown nosave >/dev/null 2>&1\nwait $server\n");
	if (c->tiermem)
		text_add(out, "[ -s /tm/out/tiermem.json ] || fail \"tiermem left no statistics at exit\"\n"
			      "send tiermem exit /tm/out/tiermem.json\n");
	text_add(out, "exit 0\n");
}
