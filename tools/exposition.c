/*
 * exposition.c: see exposition.h. The format: prometheus.io/docs/instrumenting/exposition_formats.
 */
#include "tools/exposition.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

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

static void print_escaped(const char *text, const char *also)
{
	for (; *text; text++)
		if (*text == '\n')
			fputs("\\n", out_to());
		else if (*text == '\\' || strchr(also, *text))
			fprintf(out_to(), "\\%c", *text);
		else
			fputc(*text, out_to());
}

void exposition_begin(const struct metric *m)
{
	if (out_json())
		return;
	fprintf(out_to(), "# HELP %s ", m->name);
	print_escaped(m->help, "");
	fprintf(out_to(), "\n# TYPE %s %s\n", m->name, m->type);
}

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

static void print_value(const struct stoa_attr *a, const void *value)
{
	double real = a->kind == STOA_F32 || a->kind == STOA_F64 ? real_of(a, value) : 0;
	if (a->kind == STOA_BOOL)
		fputc(*(const bool *)value ? '1' : '0', out_to());
	else if (isnan(real))
		fputs("NaN", out_to());
	else if (isinf(real))
		fputs(real < 0 ? "-Inf" : "+Inf", out_to());
	else
		value_print(out_to(), a, value, VALUE_BARE);
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
	fprintf(out_to(), "%s%s", m->name, suffix);
	for (int i = 0; i < EXPOSITION_LABELS; i++) {
		if (!labels[i].name)
			continue;
		fprintf(out_to(), "%c%s=\"", between, labels[i].name);
		print_escaped(labels[i].value, "\"");
		fputc('"', out_to());
		between = ',';
	}
	fputs(between == ',' ? "} " : " ", out_to());
	print_value(a, value);
	fputc('\n', out_to());
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
