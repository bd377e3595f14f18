/*
 * fold.c: see fold.h.
 */
#include "coordinator/fold.h"

#include <string.h>

#include "coordinator/lanes.h"
#include "src/fold.h"
#include "src/ring.h"

void fold_take(const struct fold_args *shared, struct server_lane *lane, struct fold_sums *ret_missing)
{
	struct fold_applied *applied = &lane->folded;
	uint64_t chain = shared->chain, *sums = &applied->sums.casts, *missing = &ret_missing->casts;
	/* Acquire: pairs with the release in proxy/fold.c. The place that counts now is written again only by the second
	 * cast from here on, and there is no second one: the first sees `taken`. */
	const _Atomic uint64_t *from =
		shared->sums[atomic_load_explicit(&shared->which, memory_order_acquire) & 1];
	if (chain != applied->chain)
		*applied = (struct fold_applied){ .chain = chain };
	for (uint32_t i = 0; i < 1 + FOLD_FIELDS; i++) {
		uint64_t sum = atomic_load_explicit(&from[i], memory_order_relaxed);
		missing[i] = sum - sums[i];
		sums[i] = sum;
	}
}

bool fold_unpack(const struct stoa_struct *args, const struct fold_sums *sums, void *to)
{
	for (uint32_t i = 0; i < args->n_attrs; i++) {
		const struct stoa_attr *a = &args->attrs[i];
		uint64_t v = sums->fields[i], half = UINT64_C(1) << (8 * a->size - 1);
		if (a->size < sizeof(v) && (a->kind <= STOA_I64 ? v + half >= 2 * half : v >= 2 * half))
			return false;
		memcpy((char *)to + a->offset, &v, a->size); /* little endian: src/image.c asserts it */
	}
	return true;
}

/* A look ahead, at what its client may still change: a liar's commands may then be committed apart. */
static bool is_fold(struct coordinator *c, uint64_t word)
{
	uint64_t at = (uint64_t)ring_word_units(word) * LANE_UNIT;
	const struct server_lane *lane = lanes_get(c, ring_word_lane(word));
	return lane && at >= LANE_ARENA && at <= LANE_LIMIT - sizeof(struct record) &&
	       ((const struct record *)((char *)lane->base + at))->kind == RECORD_FOLD;
}

bool fold_may_end(struct coordinator *c, const uint64_t *words, uint32_t n, uint64_t ticket)
{
	return fold_bound(ticket) || !is_fold(c, words[n - 1]) || !is_fold(c, words[n]);
}
