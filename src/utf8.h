/*
 * utf8.h: which bytes are a character. As RFC 3629 has it: the shortest form, no surrogates, up to U+10FFFF.
 */
#ifndef STOA_UTF8_H
#define STOA_UTF8_H

#include <stddef.h>
#include <stdint.h>

/* Bytes of the character that begins here, of n that there are; 0: it is no UTF-8. */
static inline size_t utf8_size(const unsigned char *p, size_t n)
{
	static const uint32_t first[] = { 0, 0, 0x80, 0x800, 0x10000 };
	size_t size = p[0] < 0x80 ? 1 : p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;
	uint32_t c = size > 1 ? p[0] & (0x7fu >> size) : 0;
	if (size > n)
		return 0;
	for (size_t i = 1; i < size; i++) {
		if ((p[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (p[i] & 0x3f);
	}
	return size > 1 && (c < first[size] || c > 0x10ffff || (c >= 0xd800 && c < 0xe000)) ? 0 : size;
}

#endif
