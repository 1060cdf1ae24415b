/* tmmark: marks from the shell. The instructions are written at run time, because a name is not a constant. */
#include "sim/tmmark.h"

#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

static unsigned char *code;
static size_t length;

static void emit(unsigned int op, unsigned int arg)
{
	uint32_t imm = TMMARK_MAGIC | op << 8 | (arg & 0xff);

	memcpy(code + length, "\x0f\x1f\x80", 3);
	memcpy(code + length + 3, &imm, 4);
	length += 7;
}

int main(int argc, char **argv)
{
	const char *verb = argc > 1 ? argv[1] : "";
	const char *arg = argc > 2 ? argv[2] : "";
	void (*run)(void);

	code = mmap(NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (code == MAP_FAILED) {
		perror("tmmark: no executable memory");
		return 1;
	}
	if (!strcmp(verb, "begin") && argc == 3 && strlen(arg) > 0 && strlen(arg) < 64) {
		for (const char *c = arg; *c; c++)
			emit(TMMARK_NAME, (unsigned char)*c);
		emit(TMMARK_BEGIN, 0);
	} else if (!strcmp(verb, "end") && argc == 2) {
		emit(TMMARK_END, 0);
	} else if (!strcmp(verb, "model") && argc == 3 && (!strcmp(arg, "on") || !strcmp(arg, "off"))) {
		emit(TMMARK_MODEL, !strcmp(arg, "on"));
	} else {
		fprintf(stderr, "tmmark: usage: tmmark begin NAME (up to 63 characters) | end | model on|off\n");
		return 2;
	}
	code[length] = 0xc3;
	*(void **)&run = code;
	run();
	return 0;
}
