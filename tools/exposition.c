/*
 * exposition.c: see exposition.h. The format: prometheus.io/docs/instrumenting/exposition_formats.
 */
#include "tools/exposition.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uthash.h>

#include "tools/output.h"
#include "tools/value.h"

char *exposition_name(char *to, size_t size, const char *prefix, const char *cls, const char *attr)
{
	snprintf(to, size, "%s_%s_%s", prefix, cls, attr);
	for (char *c = to; *c; c++)
		if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9')))
			*c = '_';
	return to;
}

static void print_escaped(FILE *to, const char *text, const char *also)
{
	for (; *text; text++)
		if (*text == '\n')
			fputs("\\n", to);
		else if (*text == '\\' || strchr(also, *text))
			fprintf(to, "\\%c", *text);
		else
			fputc(*text, to);
}

/* ---- what is of one metric ---- */

struct piece {
	FILE *to;
	char *text;
	size_t size;
	UT_hash_handle hh; /* by name; in the order in which they came */
	char name[];
};

static struct piece *pieces, *piece; /* that samples go to now; NULL: there is no memory for it */
static int error;

static struct piece *new_piece(const char *name)
{
	size_t n = strlen(name);
	struct piece *p = calloc(1, sizeof(*p) + n + 1);
	if (p && !(p->to = open_memstream(&p->text, &p->size))) {
		free(p);
		p = NULL;
	}
	if (!p)
		return NULL;
	memcpy(p->name, name, n);
	HASH_ADD_KEYPTR(hh, pieces, p->name, n, p);
	return p;
}

void exposition_begin(const struct metric *m)
{
	if (out_json())
		return;
	HASH_FIND_STR(pieces, m->name, piece);
	if (piece)
		return;
	piece = new_piece(m->name);
	if (!piece) {
		error = -ENOMEM;
		return;
	}
	fprintf(piece->to, "# HELP %s ", m->name);
	print_escaped(piece->to, m->help, "");
	fprintf(piece->to, "\n# TYPE %s %s\n", m->name, m->type);
}

int exposition_end(void)
{
	struct piece *p, *next;
	int r = error;
	HASH_ITER(hh, pieces, p, next)
	{
		HASH_DEL(pieces, p);
		if (fclose(p->to) == 0)
			fwrite(p->text, 1, p->size, out_to());
		else
			r = -ENOMEM;
		free(p->text);
		free(p);
	}
	error = 0;
	return r;
}

/* ---- samples ---- */

static double real_of(const struct stoa_attr *a, const void *value)
{
	float f32;
	double f64;
	memcpy(&f32, value, sizeof(f32));
	if (a->kind == STOA_F32)
		return (double)f32;
	memcpy(&f64, value, sizeof(f64));
	return f64;
}

static void print_value(FILE *to, const struct stoa_attr *a, const void *value)
{
	double real = a->kind == STOA_F32 || a->kind == STOA_F64 ? real_of(a, value) : 0;
	if (a->kind == STOA_BOOL)
		fputc(*(const bool *)value ? '1' : '0', to);
	else if (isnan(real))
		fputs("NaN", to);
	else if (isinf(real))
		fputs(real < 0 ? "-Inf" : "+Inf", to);
	else
		value_print(to, a, value, VALUE_BARE);
}

static void print_json(const struct metric *m, const char *suffix, const struct label *labels,
		       const struct stoa_attr *a, const void *value)
{
	char name[512];
	snprintf(name, sizeof(name), "%s%s", m->name, suffix);
	out_begin(OUT_PLAIN);
	out_text("metric", name);
	out_text("type", m->type);
	out_open("labels", '{');
	for (int i = 0; i < EXPOSITION_LABELS; i++)
		if (labels[i].name)
			out_text(labels[i].name, labels[i].value);
	out_close('}');
	out_value("value", a, value);
	out_end();
}

void exposition_value(const struct metric *m, const char *suffix, const struct label labels[EXPOSITION_LABELS],
		      const struct stoa_attr *a, const void *value)
{
	char between = '{';
	if (out_json()) {
		print_json(m, suffix, labels, a, value);
		return;
	}
	if (!piece)
		return;
	fprintf(piece->to, "%s%s", m->name, suffix);
	for (int i = 0; i < EXPOSITION_LABELS; i++) {
		if (!labels[i].name)
			continue;
		fprintf(piece->to, "%c%s=\"", between, labels[i].name);
		print_escaped(piece->to, labels[i].value, "\"");
		fputc('"', piece->to);
		between = ',';
	}
	fputs(between == ',' ? "} " : " ", piece->to);
	print_value(piece->to, a, value);
	fputc('\n', piece->to);
}

void exposition_uint(const struct metric *m, const char *suffix, const struct label labels[EXPOSITION_LABELS],
		     uint64_t n)
{
	exposition_value(m, suffix, labels, &(struct stoa_attr){ .kind = STOA_U64, .size = sizeof(n) }, &n);
}

void exposition_real(const struct metric *m, const char *suffix, const struct label labels[EXPOSITION_LABELS], double n)
{
	exposition_value(m, suffix, labels, &(struct stoa_attr){ .kind = STOA_F64, .size = sizeof(n) }, &n);
}
