/*
 * names.c: see names.h.
 */
#include "proxy/names.h"

#include <stdio.h>
#include <string.h>

#include "proxy/bind.h"

static const struct body *find_body(const struct stoa *s, const struct object_entry *e)
{
	uint64_t at = atomic_load_explicit(&e->body, memory_order_acquire);
	if (at < s->space.geometry.heap_at || at > s->space.geometry.state - sizeof(struct body) || at % 64)
		return NULL;
	return space_state(&s->space, at);
}

bool names_is_there(const struct stoa *s, uint32_t object)
{
	const struct object_entry *e = space_object(&s->space, object);
	uint64_t born = atomic_load_explicit(&e->born, memory_order_acquire), committed = handle_committed(s);
	const struct body *b = born && born <= committed ? find_body(s, e) : NULL;
	uint64_t died = b ? atomic_load_explicit(&b->died, memory_order_relaxed) : 1;
	return died == 0 || died > committed;
}

uint32_t names_object(const struct stoa *s, uint32_t object, uint64_t origin, char ret[LAYOUT_NAME])
{
	ret[0] = '\0';
	if (object >= s->space.geometry.objects || object >= atomic_load(&s->space.state->n_objects))
		return UINT32_MAX;
	const struct object_entry *e = space_object(&s->space, object);
	const struct body *b = find_body(s, e);
	if (!b || (origin && b->origin != origin))
		return UINT32_MAX;
	snprintf(ret, LAYOUT_NAME, "%.*s", STOA_NAME_MAX, e->name);
	uint32_t class_id = b->class_id;
	atomic_thread_fence(memory_order_acquire);
	if (find_body(s, e) == b && (!origin || b->origin == origin))
		return class_id;
	ret[0] = '\0'; /* its entry was taken meanwhile */
	return UINT32_MAX;
}

void names_class(const struct stoa *s, uint32_t class_id, char ret[LAYOUT_NAME])
{
	ret[0] = '\0';
	if (class_id < CLASSES_MAX && class_id < atomic_load_explicit(&s->space.state->n_classes, memory_order_acquire))
		snprintf(ret, LAYOUT_NAME, "%.*s", STOA_NAME_MAX, space_class(&s->space, class_id)->name);
}

static const char *row_name(const struct stoa_class *cls, uint32_t row, bool is_attr)
{
	if (is_attr)
		return row < cls->state->n_attrs ? cls->state->attrs[row].name : "";
	for (uint32_t i = 0; cls->methods && cls->methods[i]; i++)
		if (i == row)
			return cls->methods[i]->name;
	return "";
}

void names_row(struct stoa *s, uint32_t class_id, uint32_t row, bool is_attr, char ret[LAYOUT_NAME])
{
	const struct class_view *view;
	ret[0] = '\0';
	if (class_id >= CLASSES_MAX || class_id >= atomic_load(&s->space.state->n_classes))
		return;
	pthread_mutex_lock(&s->mutex);
	if (view_get(s, class_id, &view) == 0)
		snprintf(ret, LAYOUT_NAME, "%s", row_name(view->described, row, is_attr));
	pthread_mutex_unlock(&s->mutex);
}
