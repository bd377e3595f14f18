/*
 * value.h: values as text, and text as values, of every type of the vocabulary. What VALUE_BARE prints, value_parse
 * reads back to the same value; only "no text" and "" look alike, and a NaN is just "nan".
 */
#ifndef STOA_TOOL_VALUE_H
#define STOA_TOOL_VALUE_H

#include <stdbool.h>
#include <stdio.h>

#include <stoa.h>

#define VALUE_TYPE_MAX 64
#define VALUE_WHY_MAX 160

enum value_style {
	VALUE_BARE, /* text as it is; [1, 2]; blobs 0x… */
	VALUE_SHOWN, /* the same, but text is quoted: one line */
	VALUE_JSON, /* NaN and infinities are "nan", "inf", "-inf"; blobs "0x…"; bytes that are no UTF-8 U+FFFD */
};

/* "f64[2][3]"; "text[32]" is a char[32], of at most 31 bytes. Returns text. */
const char *value_type(const struct stoa_attr *attr, char text[VALUE_TYPE_MAX]);

/*
 * Read a value. Text and blobs in it become the library's: free them with value_fini, also after false, which says why.
 * Arrays: "1,2,3", "[1, 2, 3]", "[[1, 2], [3, 4]]"; text in arrays may be quoted as in JSON; blobs are 0x… or @FILE.
 */
bool value_parse(const struct stoa_attr *attr, const char *text, void *ret_value, char why[VALUE_WHY_MAX]);

/* What a JSON string says, malloc'ed. NULL: this is none, as a whole. */
char *value_unquote(const char *text);

void value_print(FILE *to, const struct stoa_attr *attr, const void *value, enum value_style style);
void value_fini(const struct stoa_attr *attr, void *value);

/* A JSON string, or null. */
void value_print_json(FILE *to, const char *text);

#endif
