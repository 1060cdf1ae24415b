/* results/schema.sql as a string in the binary. */
#include "harness/record.h"

__asm__(".pushsection .rodata\n"
	".global schema_sql\n"
	".type schema_sql, @object\n"
	"schema_sql:\n"
	".incbin \"results/schema.sql\"\n"
	".byte 0\n"
	".size schema_sql, . - schema_sql\n"
	".popsection\n");
