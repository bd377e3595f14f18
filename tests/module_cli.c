/*
 * module_cli.c: classes for check_cli.sh, loaded into stoad: attributes of every type, arguments and results of many,
 * methods that fail and that take their time, and a class that is made from arguments of its own.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include <stoa.h>

struct every {
	int8_t i8;
	int16_t i16;
	int32_t i32;
	int64_t i64;
	uint8_t u8;
	uint16_t u16;
	uint32_t u32;
	uint64_t u64;
	float f32;
	double f64;
	bool ok;
	char name[8];
	int32_t row[3];
	double grid[2][3];
	bool cube[2][1][2];
	char words[2][6];
	struct {
		double total;
		struct {
			uint16_t x;
		} at;
	} timer;
	stoa_text note;
	stoa_blob data;
	stoa_text notes[2];
	stoa_blob parts[2];
	uint64_t fixed;
};

struct mixed {
	int64_t n;
	double x;
	bool up;
	char who[8];
	int16_t row[2];
	stoa_text say;
	stoa_blob raw;
};

struct sum {
	int64_t sum;
};

struct pause {
	uint32_t ms;
};

#define ROW(...) STOA_ATTR(struct every, __VA_ARGS__, .writable = true)
STOA_STRUCT(every, ROW(i8, .doc = "the smallest"), ROW(i16, .unit = "mm"), ROW(i32), ROW(i64), ROW(u8), ROW(u16),
	    ROW(u32), ROW(u64), ROW(f32), ROW(f64, .unit = "m/s", .doc = "how \"fast\""), ROW(ok), ROW(name), ROW(row),
	    ROW(grid), ROW(cube), ROW(words), ROW(timer.total, .unit = "ms"), ROW(timer.at.x), ROW(note), ROW(data),
	    ROW(notes), ROW(parts), STOA_ATTR(struct every, fixed));
STOA_STRUCT(mixed, STOA_ATTR(struct mixed, n), STOA_ATTR(struct mixed, x), STOA_ATTR(struct mixed, up),
	    STOA_ATTR(struct mixed, who), STOA_ATTR(struct mixed, row), STOA_ATTR(struct mixed, say),
	    STOA_ATTR(struct mixed, raw));
STOA_STRUCT(sum, STOA_ATTR(struct sum, sum));
STOA_STRUCT(pause, STOA_ATTR(struct pause, ms, .unit = "ms"));

/* What was given, back. */
static int every_echo(struct every *self, const struct mixed *args, struct mixed *ret)
{
	*ret = *args;
	memset(&ret->say, 0, sizeof(ret->say));
	memset(&ret->raw, 0, sizeof(ret->raw));
	self->fixed++;
	int r = stoa_text_set(&ret->say, args->say.data);
	return r ? r : stoa_blob_set(&ret->raw, args->raw.data, args->raw.size);
}

static int every_fail(struct every *self, const stoa_none *args, stoa_none *ret)
{
	(void)args;
	(void)ret;
	self->fixed = 999;
	return stoa_fail(-EINVAL, "no luck today");
}

static int every_pause(struct every *self, const struct pause *args, stoa_none *ret)
{
	struct timespec t = { .tv_sec = args->ms / 1000, .tv_nsec = args->ms % 1000 * 1000000 };
	(void)ret;
	self->fixed++;
	while (nanosleep(&t, &t) < 0 && errno == EINTR) { /* as when the guardian goes */
	}
	return 0;
}

static int every_total(const struct every *self, const stoa_none *args, struct sum *ret)
{
	(void)args;
	ret->sum = (int64_t)self->row[0] + self->row[1] + self->row[2];
	return 0;
}

STOA_METHOD(every, echo, mixed, mixed, .writes = "fixed");
STOA_METHOD(every, fail, stoa_none, stoa_none, .writes = "fixed");
STOA_METHOD(every, pause, pause, stoa_none, .writes = "fixed", .deadline = STOA_MS(20000));
STOA_READER(every, total, stoa_none, sum, .reads = "row");
STOA_CLASS(every, 1, &every_echo_row, &every_fail_row, &every_pause_row, &every_total_row);

/* ---- made from arguments ---- */

struct box {
	char label[40];
};

struct box_args {
	int32_t number;
	stoa_text text;
};

STOA_STRUCT(box, STOA_ATTR(struct box, label));
STOA_STRUCT(box_args, STOA_ATTR(struct box_args, number), STOA_ATTR(struct box_args, text));

static int box_init(void *self, const void *args)
{
	struct box *box = self;
	const struct box_args *a = args;
	if (a && a->number < 0)
		return stoa_fail(-EDOM, "a box has no number %d", a->number);
	snprintf(box->label, sizeof(box->label), "%d:%.20s", a ? a->number : -1, a && a->text.data ? a->text.data : "none");
	return 0;
}

static void box_fini(void *self) { (void)self; }

static const struct stoa_hooks box_hooks = { .init_args = &box_args_struct, .init = box_init, .fini = box_fini };
static const struct stoa_method *const box_methods[] = { NULL };
const struct stoa_class box_class = {
	.name = "box", .version = 1, .state = &box_struct, .methods = box_methods, .hooks = &box_hooks
};

STOA_MODULE(&every_class, &box_class);
