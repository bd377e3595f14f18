/*
 * python_peer.c: the other side of check_python.sh, in C: on the same objects, at the same time.
 *
 * count N: 1 is added to "hits" N times, half by casts, half by calls. values: what Python wrote to "other" is there,
 * and is changed to what Python looks for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <stoa.h>
#include <stoa/counter.h>

static int fail(const char *what, int r)
{
	struct stoa_error e;
	stoa_last_error(&e);
	fprintf(stderr, "python_peer: %s: %s\n", what, r ? e.text : "not what Python wrote");
	return 1;
}

static int count(struct stoa *s, int n)
{
	struct stoa_proxy *hits = NULL;
	uint64_t rejected = 0;
	int r = stoa_open(s, "hits", &counter_class, STOA_DEFAULT, &hits);
	for (int i = 0; r == 0 && i < n; i++)
		r = i % 2 ? counter_add_call(hits, &(struct counter_args){ 1 }, NULL, STOA_DEFAULT)
			  : counter_add_cast(hits, &(struct counter_args){ 1 }, STOA_DEFAULT);
	r = r ? r : stoa_sync(s, STOA_DEFAULT, &rejected);
	return r || rejected ? fail("count", r) : 0;
}

struct seen {
	stoa_text note;
	stoa_blob data;
	char name[8];
	double grid[2][3];
	bool ok;
	uint16_t x;
};

/* The attribute, which has this size in both. */
static int move(struct stoa_proxy *p, const char *name, enum stoa_kind kind, void *value, size_t size, bool write)
{
	uint32_t attr = 0;
	int r = stoa_find_attr(p, name, kind, &attr);
	if (r < 0)
		return r;
	return write ? stoa_assign(p, attr, value, size, STOA_DEFAULT)
		     : stoa_get(p, attr, value, size, STOA_DEFAULT, NULL);
}

static int move_all(struct stoa_proxy *p, struct seen *v, bool write)
{
	int r = move(p, "note", STOA_TEXT, &v->note, sizeof(v->note), write);
	r = r ? r : move(p, "data", STOA_BLOB, &v->data, sizeof(v->data), write);
	r = r ? r : move(p, "name", STOA_CHARS, v->name, sizeof(v->name), write);
	r = r ? r : move(p, "grid", STOA_F64, v->grid, sizeof(v->grid), write);
	r = r ? r : move(p, "ok", STOA_BOOL, &v->ok, sizeof(v->ok), write);
	return r ? r : move(p, "timer.at.x", STOA_U16, &v->x, sizeof(v->x), write);
}

static bool is_right(const struct seen *v)
{
	return v->note.size == 7 && memcmp(v->note.data, "gr\xc3\xbc\xc3\x9f""e", 8) == 0 && v->data.size == 3 &&
	       memcmp(v->data.data, "\0\1\xff", 3) == 0 && strcmp(v->name, "1234567") == 0 && v->grid[0][0] == 1.5 &&
	       v->grid[1][2] == -6 && v->ok && v->x == 65535;
}

static int values(struct stoa *s)
{
	struct stoa_proxy *other = NULL;
	struct seen seen = { 0 };
	struct seen next = { .note = STOA_TEXT_OF(""), .data = { "\xff\0", 2 }, .name = "tea", .grid = { { 7 } }, .x = 1 };
	int r = stoa_open(s, "other", NULL, STOA_DEFAULT, &other);
	r = r ? r : move_all(other, &seen, false);
	bool good = r == 0 && is_right(&seen);
	r = r || !good ? r : move_all(other, &next, true);
	stoa_text_fini(&seen.note);
	stoa_blob_fini(&seen.data);
	return good && r == 0 ? 0 : fail("values", r);
}

int main(int argc, char **argv)
{
	struct stoa *s = NULL;
	int r = stoa_attach("python", NULL, &s);
	if (r < 0 || argc < 2)
		return fail("attach", r);
	int status = argc > 2 ? count(s, atoi(argv[2])) : values(s);
	stoa_detach(s);
	return status;
}
