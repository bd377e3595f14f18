/*
 * fuzz.c: see fuzz.h.
 */
#include "tests/fuzz/fuzz.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void input_bytes(struct input *in, void *to, size_t n)
{
	size_t have = n < in->left ? n : in->left;
	memset(to, 0, n);
	if (have)
		memcpy(to, in->at, have);
	in->at += have;
	in->left -= have;
}

uint8_t input_u8(struct input *in)
{
	uint8_t n;
	input_bytes(in, &n, sizeof(n));
	return n;
}

uint16_t input_u16(struct input *in)
{
	uint16_t n;
	input_bytes(in, &n, sizeof(n));
	return n;
}

uint32_t input_u32(struct input *in)
{
	uint32_t n;
	input_bytes(in, &n, sizeof(n));
	return n;
}

uint64_t input_u64(struct input *in)
{
	uint64_t n;
	input_bytes(in, &n, sizeof(n));
	return n;
}

void *input_rest(struct input *in, size_t *ret_n)
{
	*ret_n = in->left;
	void *copy = malloc(in->left ? in->left : 1);
	fuzz_check(copy, "out of memory");
	input_bytes(in, copy, *ret_n);
	return copy;
}

void fuzz_fail(const char *format, ...)
{
	va_list ap;
	va_start(ap, format);
	fputs("FAILED: ", stdout);
	vprintf(format, ap);
	va_end(ap);
	putchar('\n');
	fflush(stdout);
	abort();
}

#define ENDS_MAX 4

static void (*ends[ENDS_MAX])(void);
static int n_ends;

void fuzz_end(void)
{
	while (n_ends)
		ends[--n_ends]();
}

void fuzz_at_end(void (*end)(void))
{
	if (!n_ends)
		atexit(fuzz_end);
	ends[n_ends++] = end;
}
