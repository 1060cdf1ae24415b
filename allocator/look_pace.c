#include "allocator/look_pace.h"

static uint64_t due;
static uint64_t used, part; // up to then looks have had their part of the time; what the last one had of it
static bool soon;	    // there was a change

bool tm_look_due(uint64_t now_ns)
{
	return now_ns >= due;
}

void tm_look_soon(uint64_t now_ns)
{
	if (soon || used > now_ns + TM_LOOK_AHEAD * part)
		return;
	due = now_ns + TM_LOOK_CHANGE;
	soon = true;
}

void tm_look_done(uint64_t now_ns, uint64_t took_ns)
{
	part = took_ns * TM_LOOK_SHARE;
	used = (used > now_ns ? used : now_ns) + part;
	due = used;
	soon = false;
}
