/*
 * declared.c: see declared.h. And the method `add` of signals, which goes by the rows of the object that it runs on.
 */
#include "coordinator/declared.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coordinator/run.h"
#include "src/class.h"
#include "src/nearest.h"

#define WHOLE_MAX 9007199254740992.0 /* 2^53: up to it, doubles are all whole numbers */

static const char *each_attr(const void *data, size_t i)
{
	const struct stoa_struct *s = data;
	return i < s->n_attrs ? s->attrs[i].name : NULL;
}

static int find_number(const stoa_text *signal, const struct stoa_attr **ret)
{
	const struct stoa_struct *s = run_state();
	const char *name = signal->data ? signal->data : "";
	int i = class_find_attr(s, name);
	if (i < 0) {
		const char *meant = nearest(name, strlen(name), each_attr, s);
		return meant ? stoa_fail(-ENOENT, "there is no signal %.80s (did you mean %s?)", name, meant)
			     : stoa_fail(-ENOENT, "there is no signal %.80s", name);
	}
	char type[64];
	*ret = &s->attrs[i];
	return (*ret)->rank == 0 && (*ret)->kind <= STOA_F64
		       ? 0
		       : stoa_fail(-EINVAL, "signal %s is %s, and not one number", name, class_type_text(*ret, type));
}

/* The sum in the signal's own type, if it has it. n is a whole number. */
#define SUM(T)                                                                                                         \
	do {                                                                                                           \
		*ret_good = !__builtin_add_overflow(*(T *)at, n, (T *)at);                                             \
		return (double)*(T *)at;                                                                               \
	} while (0)

static double sum_whole(uint8_t kind, void *at, int64_t n, bool *ret_good)
{
	switch (kind) {
	case STOA_I8:
		SUM(int8_t);
	case STOA_I16:
		SUM(int16_t);
	case STOA_I32:
		SUM(int32_t);
	case STOA_I64:
		SUM(int64_t);
	case STOA_U8:
		SUM(uint8_t);
	case STOA_U16:
		SUM(uint16_t);
	case STOA_U32:
		SUM(uint32_t);
	default:
		SUM(uint64_t);
	}
}

static double sum_real(uint8_t kind, void *at, double amount, bool *ret_good)
{
	double sum = kind == STOA_F32 ? (*(float *)at = (float)(*(float *)at + amount)) : (*(double *)at += amount);
	*ret_good = isfinite(sum);
	return sum;
}

/* What is refused is undone by who runs us. */
static int add(void *self, const void *args, void *ret)
{
	const struct stoa_signals_add *add = args;
	double amount = add->amount, *value = &((struct stoa_signals_value *)ret)->value;
	const struct stoa_attr *a = NULL;
	char type[64];
	bool good;
	int r = find_number(&add->signal, &a);
	if (r < 0)
		return r;
	void *at = (char *)self + a->offset;
	if (a->kind > STOA_U64)
		*value = sum_real(a->kind, at, amount, &good);
	else if (fabs(amount) <= WHOLE_MAX && amount == (double)(int64_t)amount)
		*value = sum_whole(a->kind, at, (int64_t)amount, &good);
	else
		return stoa_fail(-EINVAL, "signal %s is %s, and %.17g no whole number up to 2^53", a->name,
				 class_type_text(a, type), amount);
	return good ? 0
		    : stoa_fail(-EOVERFLOW, "signal %s plus %.17g is out of the range of %s", a->name, amount,
				class_type_text(a, type));
}

int declared_new(const struct stoa_class *described, struct declared **ret, char text[STOA_ERROR_MAX])
{
	int r = declared_check(described, text);
	if (r < 0)
		return r;
	struct declared *d = malloc(sizeof(*d));
	if (!d)
		return -ENOMEM;
	declared_init(d, described->name, described->state, add);
	d->cls.version = described->version;
	d->cls.doc = described->doc;
	d->methods[0] = class_n_methods(described) ? &d->add : NULL;
	*ret = d;
	return 0;
}
