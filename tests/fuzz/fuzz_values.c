/*
 * fuzz_values.c: the values on the command line. Input: a struct, and arguments for it, one a line, as typed after a
 * method or a class; or one value for one of its attributes.
 *
 * What is accepted is printed in each style, on one line but for bare text; what is printed bare is read back to what
 * prints the same. Values from files (@FILE) are left out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fuzz/fuzz.h"
#include "tools/tool.h"
#include "tools/value.h"

#define WORDS_MAX 24

struct numbers {
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
	bool flag;
};
STOA_STRUCT(numbers, STOA_ATTR(struct numbers, i8), STOA_ATTR(struct numbers, i16), STOA_ATTR(struct numbers, i32),
	    STOA_ATTR(struct numbers, i64), STOA_ATTR(struct numbers, u8), STOA_ATTR(struct numbers, u16),
	    STOA_ATTR(struct numbers, u32), STOA_ATTR(struct numbers, u64), STOA_ATTR(struct numbers, f32),
	    STOA_ATTR(struct numbers, f64), STOA_ATTR(struct numbers, flag));

struct texts {
	char name[8], names[2][5];
	stoa_text text, texts[3];
	stoa_blob blob, blobs[2][2];
};
STOA_STRUCT(texts, STOA_ATTR(struct texts, name), STOA_ATTR(struct texts, text), STOA_ATTR(struct texts, blob),
	    STOA_ATTR(struct texts, names), STOA_ATTR(struct texts, texts), STOA_ATTR(struct texts, blobs));

struct lists {
	int16_t i[3];
	uint64_t u[2][2];
	float f[2];
	double d[2][1][2];
	bool flags[4];
};
STOA_STRUCT(lists, STOA_ATTR(struct lists, i), STOA_ATTR(struct lists, u), STOA_ATTR(struct lists, f),
	    STOA_ATTR(struct lists, d), STOA_ATTR(struct lists, flags));

static const struct stoa_struct *const structs[] = { &numbers_struct, &texts_struct, &lists_struct, NULL };

static char *printed(const struct stoa_attr *a, const void *value, enum value_style style)
{
	char *text = NULL;
	size_t size;
	FILE *f = open_memstream(&text, &size);
	fuzz_check(f, "no memory");
	value_print(f, a, value, style);
	fclose(f);
	fuzz_check(strlen(text) == size, "attribute %s prints a NUL", a->name);
	return text;
}

static void check_line(const struct stoa_attr *a, const void *value, enum value_style style)
{
	char *text = printed(a, value, style);
	for (const char *p = text; *p; p++)
		fuzz_check((unsigned char)*p >= ' ' && *p != 0x7f, "attribute %s prints the byte %d", a->name, *p);
	free(text);
}

static void check_again(const struct stoa_attr *a, const void *value)
{
	char why[VALUE_WHY_MAX], *text = printed(a, value, VALUE_BARE);
	void *again = calloc(1, a->size);
	fuzz_check(value_parse(a, text, again, why), "attribute %s is not read back: %s", a->name, why);
	char *text_again = printed(a, again, VALUE_BARE);
	fuzz_check(strcmp(text, text_again) == 0, "attribute %s: \"%s\" is read as \"%s\"", a->name, text, text_again);
	bool exact = a->kind != STOA_TEXT && a->kind != STOA_BLOB && !strstr(text, "nan");
	fuzz_check(!exact || memcmp(value, again, a->size) == 0, "attribute %s: \"%s\" is another number", a->name,
		   text);
	value_fini(a, again);
	free(again);
	free(text);
	free(text_again);
}

static void check_value(const struct stoa_attr *a, const void *value)
{
	check_line(a, value, VALUE_SHOWN);
	check_line(a, value, VALUE_JSON);
	check_again(a, value);
}

static int split(char *text, char **words)
{
	int n = 0;
	for (char *rest = text, *word; n < WORDS_MAX && (word = strsep(&rest, "\n"));)
		words[n++] = word;
	return n;
}

/* As "stoa call" reads them; what it says goes nowhere. */
static void arguments(const struct stoa_struct *s, bool all, char *text)
{
	static FILE *nowhere;
	char *words[WORDS_MAX];
	FILE *saved = stderr;
	nowhere = nowhere ? nowhere : fopen("/dev/null", "we");
	stderr = nowhere;
	char *values = tool_read_arguments(s, "this test", all, split(text, words), words);
	stderr = saved;
	for (uint32_t i = 0; values && s && i < s->n_attrs; i++)
		check_value(&s->attrs[i], values + s->attrs[i].offset);
	tool_free_struct(s, values);
}

static void one_value(const struct stoa_attr *a, const char *text)
{
	char why[VALUE_WHY_MAX] = "", type[VALUE_TYPE_MAX];
	void *value = calloc(1, a->size);
	bool good = value_parse(a, text, value, why);
	fuzz_check(value_type(a, type)[0], "attribute %s has no type", a->name);
	if (good)
		check_value(a, value);
	else
		fuzz_check(why[0] && memchr(why, '\0', sizeof(why)), "attribute %s: refused without a reason", a->name);
	value_fini(a, value);
	free(value);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	uint8_t how = input_u8(&in);
	const struct stoa_struct *s = structs[how & 3];
	size_t n;
	char *rest = input_rest(&in, &n), *text = malloc(n + 1);
	memcpy(text, rest, n);
	text[n] = '\0';
	if (strchr(text, '@'))
		text[0] = '\0';
	if (how & 4 && s)
		one_value(&s->attrs[(how >> 3) % s->n_attrs], text);
	else
		arguments(s, how & 8, text);
	free(text);
	free(rest);
	return 0;
}
