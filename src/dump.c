/*
 * dump.c: see dump.h.
 */
#include "src/dump.h"

#include <pthread.h>

#define POLYNOMIAL UINT64_C(0xc96c5795d7870f42) /* of ECMA-182, its bits reversed */

STOA_STRUCT(dump_head, STOA_ATTR(struct dump_head, what), STOA_ATTR(struct dump_head, version),
	    STOA_ATTR(struct dump_head, classes), STOA_ATTR(struct dump_head, objects),
	    STOA_ATTR(struct dump_head, namespace), STOA_ATTR(struct dump_head, time_ns));
STOA_STRUCT(dump_object, STOA_ATTR(struct dump_object, name), STOA_ATTR(struct dump_object, class_number),
	    STOA_ATTR(struct dump_object, parts));
STOA_STRUCT(dump_end, STOA_ATTR(struct dump_end, bytes), STOA_ATTR(struct dump_end, sum));

int dump_layouts_init(struct dump_layouts *l)
{
	*l = (struct dump_layouts){ 0 };
	int r = image_layout_new(dump_head_attrs, NULL, dump_head_struct.n_attrs, &l->head);
	r = r ? r : image_layout_new(dump_object_attrs, NULL, dump_object_struct.n_attrs, &l->object);
	return r ? r : image_layout_new(dump_end_attrs, NULL, dump_end_struct.n_attrs, &l->end);
}

void dump_layouts_fini(struct dump_layouts *l)
{
	image_layout_free(l->head);
	image_layout_free(l->object);
	image_layout_free(l->end);
}

static uint64_t table[256];
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_table(void)
{
	for (uint64_t i = 0; i < 256; i++) {
		uint64_t c = i;
		for (int bit = 0; bit < 8; bit++)
			c = c & 1 ? c >> 1 ^ POLYNOMIAL : c >> 1;
		table[i] = c;
	}
}

uint64_t dump_sum(uint64_t sum, const void *bytes, size_t n)
{
	const unsigned char *p = bytes;
	pthread_once(&once, make_table);
	sum = ~sum;
	for (size_t i = 0; i < n; i++)
		sum = table[(sum ^ p[i]) & 0xff] ^ sum >> 8;
	return ~sum;
}
