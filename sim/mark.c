#include "sim/mark.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

#include "sim/tmmark.h"

enum { NOP_SIZE = 7, PAGE = 4096 };

/* Writes the NOP of one mark at p; returns the place after it. */
static unsigned char *put(unsigned char *p, unsigned int op, unsigned int arg)
{
	uint32_t imm = TMMARK_MAGIC | op << 8 | (arg & 0xff);

	memcpy(p, "\x0f\x1f\x80", 3);
	memcpy(p + 3, &imm, 4);
	return p + NOP_SIZE;
}

/* Executes the name's NOPs and then one of op. */
static int run(const char *name, unsigned int op, unsigned int arg)
{
	unsigned char *code, *p;
	void (*function)(void);

	if (strlen(name) > MARK_NAME_MAX) {
		errno = EINVAL;
		return -1;
	}
	code = mmap(NULL, PAGE, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (code == MAP_FAILED)
		return -1;
	p = code;
	for (; *name; name++)
		p = put(p, TMMARK_NAME, (unsigned char)*name);
	p = put(p, op, arg);
	*p = 0xc3; /* ret */
	*(void **)&function = code;
	function();
	return munmap(code, PAGE);
}

int mark_begin(const char *name)
{
	if (*name)
		return run(name, TMMARK_BEGIN, 0);
	errno = EINVAL;
	return -1;
}

int mark_end(void)
{
	return run("", TMMARK_END, 0);
}

int mark_model(bool on)
{
	return run("", TMMARK_MODEL, on);
}
