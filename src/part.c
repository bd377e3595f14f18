/*
 * part.c: see part.h.
 */
#include "src/part.h"

#include <errno.h>
#include <stdlib.h>

#define PART_BYTES 1024u
#define PART_ATTRS 64u

static const struct stoa_attr hook_blob = { .name = "part", .size = sizeof(stoa_blob), .kind = STOA_BLOB };

/* Assigns part_of and place_of; returns the number of parts with attributes. */
static uint32_t cut(const struct stoa_struct *state, struct class_plan *plan)
{
	uint32_t n = 0, open = UINT32_MAX, bytes = 0, attrs = 0;
	for (uint32_t i = 0; i < state->n_attrs; i++) {
		const struct stoa_attr *a = &state->attrs[i];
		if (image_is_variable(a->kind) || a->size >= PART_BYTES) {
			plan->part_of[i] = n++;
			plan->place_of[i] = 0;
			continue;
		}
		if (open == UINT32_MAX || bytes + a->size > PART_BYTES || attrs == PART_ATTRS) {
			open = n++;
			bytes = attrs = 0;
		}
		plan->part_of[i] = open;
		plan->place_of[i] = attrs++;
		bytes += a->size;
	}
	return n;
}

/* Gives each part its list of attributes and its place among the stamps. */
static int deal(struct class_plan *plan)
{
	uint32_t stamp = 0;
	for (uint32_t i = 0; i < plan->n_attrs; i++)
		plan->parts[plan->part_of[i]].n_attrs++;
	for (uint32_t k = 0; k < plan->n_attr_parts; k++) {
		struct part_plan *p = &plan->parts[k];
		p->first_stamp = stamp;
		stamp += p->n_attrs;
		p->attrs = malloc(p->n_attrs * sizeof(uint32_t));
		if (!p->attrs)
			return -ENOMEM;
	}
	for (uint32_t i = 0; i < plan->n_attrs; i++)
		plan->parts[plan->part_of[i]].attrs[plan->place_of[i]] = i;
	for (uint32_t i = 0; i < plan->n_attrs; i++)
		plan->stamp_of[i] = plan->parts[plan->part_of[i]].first_stamp + plan->place_of[i];
	return 0;
}

static int compile(const struct stoa_class *cls, struct part_plan *p)
{
	int r = p->attrs ? image_layout_new(cls->state->attrs, p->attrs, p->n_attrs, &p->image)
			 : image_layout_new(&hook_blob, NULL, 1, &p->image);
	if (r < 0)
		return r;
	uint32_t at = sizeof(struct cell) + p->n_attrs * sizeof(struct stamp);
	p->image_at = at + (8 - (at + p->image->head_size) % 8) % 8;
	p->size = p->image_at + (uint64_t)p->image->size;
	return 0;
}

int part_plan_new(const struct stoa_class *cls, struct class_plan **ret)
{
	struct class_plan *plan = calloc(1, sizeof(*plan));
	if (!plan)
		return -ENOMEM;
	plan->n_attrs = cls->state->n_attrs;
	plan->part_of = calloc(plan->n_attrs + 1, sizeof(uint32_t));
	plan->place_of = calloc(plan->n_attrs + 1, sizeof(uint32_t));
	plan->stamp_of = calloc(plan->n_attrs + 1, sizeof(uint32_t));
	int r = plan->part_of && plan->place_of && plan->stamp_of ? 0 : -ENOMEM;
	if (r == 0) {
		plan->n_attr_parts = cut(cls->state, plan);
		plan->n_parts = plan->n_attr_parts + (cls->hooks ? cls->hooks->parts : 0);
		plan->parts = calloc(plan->n_parts + 1, sizeof(struct part_plan));
		r = plan->parts ? deal(plan) : -ENOMEM;
	}
	for (uint32_t k = 0; r == 0 && k < plan->n_parts && k <= plan->n_attr_parts; k++)
		r = compile(cls, &plan->parts[k]);
	for (uint32_t k = plan->n_attr_parts + 1; r == 0 && k < plan->n_parts; k++)
		plan->parts[k] = plan->parts[plan->n_attr_parts]; /* one layout for all parts of the hooks */
	if (r < 0) {
		part_plan_free(plan);
		return r;
	}
	*ret = plan;
	return 0;
}

int part_plan_check(const struct class_plan *plan, const char *images, size_t size)
{
	const char *end = images + size;
	for (uint32_t k = 0; k < plan->n_parts; k++) {
		size_t left = (size_t)(end - images), n = left < 8 ? 0 : image_length(images);
		if (n < 8 || n > left || image_check(plan->parts[k].image, images, n) < 0)
			return -EBADMSG;
		images += n;
	}
	return images == end ? 0 : -EBADMSG;
}

struct class_plan *part_plan_free(struct class_plan *plan)
{
	if (!plan)
		return NULL;
	for (uint32_t k = 0; plan->parts && k < plan->n_parts && k <= plan->n_attr_parts; k++) {
		free(plan->parts[k].attrs);
		image_layout_free(plan->parts[k].image);
	}
	free(plan->parts);
	free(plan->part_of);
	free(plan->place_of);
	free(plan->stamp_of);
	free(plan);
	return NULL;
}
