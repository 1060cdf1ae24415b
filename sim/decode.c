#include "sim/decode.h"

/* Source: Intel 64 and IA-32 Architectures Software Developer's Manual, volume 2, opcode maps. */

bool decode_fence(const unsigned char *bytes, size_t size)
{
	return size == 3 && bytes[0] == 0x0f && bytes[1] == 0xae &&
	       ((bytes[2] & 0xf8) == 0xe8 || (bytes[2] & 0xf8) == 0xf0);
}

bool decode_store_fence(const unsigned char *bytes, size_t size)
{
	return size == 3 && bytes[0] == 0x0f && bytes[1] == 0xae &&
	       ((bytes[2] & 0xf8) == 0xf8 || (bytes[2] & 0xf8) == 0xf0);
}

enum decode_flush decode_flush(const unsigned char *bytes, size_t size)
{
	bool operand_size = false;
	size_t i = 0;

	for (; i < size; i++) {
		if (bytes[i] == 0x66)
			operand_size = true;
		else if (bytes[i] != 0x67 && bytes[i] != 0x64 && bytes[i] != 0x65 && bytes[i] != 0x2e &&
			 bytes[i] != 0x36 && bytes[i] != 0x3e && bytes[i] != 0x26)
			break;
	}
	if (i < size && (bytes[i] & 0xf0) == 0x40)
		i++;
	/* 0f ae with a memory operand: /7 is clflush, with 66 clflushopt; 66 /6 is clwb. */
	if (i + 2 >= size || bytes[i] != 0x0f || bytes[i + 1] != 0xae || bytes[i + 2] >= 0xc0)
		return FLUSH_NONE;
	if ((bytes[i + 2] >> 3 & 7) == 7)
		return FLUSH_DROP;
	return operand_size && (bytes[i + 2] >> 3 & 7) == 6 ? FLUSH_KEEP : FLUSH_NONE;
}

/* The second byte of a two-byte opcode that stores past the caches. */
static bool is_nt(unsigned char opcode)
{
	return opcode == 0x2b || opcode == 0xc3 || opcode == 0xe7;
}

bool decode_nt_store(const unsigned char *bytes, size_t size)
{
	size_t i = 0;

	/* operand size, segments, address size, repeat, then REX */
	while (i < size && (bytes[i] == 0x66 || bytes[i] == 0x67 || bytes[i] == 0x64 || bytes[i] == 0x65 ||
			    bytes[i] == 0xf2 || bytes[i] == 0xf3 || bytes[i] == 0x2e || bytes[i] == 0x36 ||
			    bytes[i] == 0x3e || bytes[i] == 0x26))
		i++;
	if (i < size && (bytes[i] & 0xf0) == 0x40)
		i++;
	if (i + 2 < size && bytes[i] == 0x0f)
		return is_nt(bytes[i + 1]);
	/* Two-byte and three-byte VEX with opcode map 0F; 0xc3 has no VEX form. */
	if (i + 3 < size && bytes[i] == 0xc5)
		return bytes[i + 2] != 0xc3 && is_nt(bytes[i + 2]);
	if (i + 4 < size && bytes[i] == 0xc4 && (bytes[i + 1] & 0x1f) == 1)
		return bytes[i + 3] != 0xc3 && is_nt(bytes[i + 3]);
	return false;
}
