/*
 * json.c: see json.h.
 */
#include "coordinator/builtin/json.h"

#include <errno.h>
#include <inttypes.h>
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "src/utf8.h"

/* A program that starts an embedded coordinator may have chosen numbers with a comma: not in here. Returns what was. */
static locale_t numbers_with_a_point(void)
{
	static locale_t plain;
	plain = plain ? plain : newlocale(LC_ALL_MASK, "C", (locale_t)0);
	return uselocale(plain);
}

/*
 * What JSON has no value for is a text whose first character is escaped where it need not be: to all other readers it is
 * a text as any, and this one knows it from the text of these characters.
 */
#define MARKED_BLOB "\\u0030x"
static const struct {
	const char *text;
	double value;
} marked[] = { { "\\u006ean\"", NAN }, { "\\u0069nf\"", INFINITY }, { "\\u002dinf\"", -INFINITY } };

static const char hex[] = "0123456789abcdef";

/* ---- reading ---- */

struct json {
	const char *begin, *at, *end;
	struct buffer key, text; /* as last read */
};

static int unlike(const struct json *j, const char *wanted)
{
	return stoa_fail(-EINVAL, "this is no flat JSON: at byte %zu there should be %s",
			 (size_t)(j->at - j->begin), wanted);
}

static bool accept(struct json *j, char c)
{
	while (j->at < j->end && strchr(" \t\r\n", *j->at) && *j->at)
		j->at++;
	if (j->at == j->end || *j->at != c)
		return false;
	j->at++;
	return true;
}

static bool digits(struct json *j, uint32_t *ret)
{
	char text[5] = "";
	if (j->end - j->at < 4)
		return false;
	memcpy(text, j->at, 4);
	if (strspn(text, "0123456789abcdefABCDEF") != 4)
		return false;
	*ret = (uint32_t)strtoul(text, NULL, 16);
	j->at += 4;
	return true;
}

/* Behind \u: a character, perhaps of two halves, as UTF-8. */
static int take_character(struct json *j, struct buffer *to)
{
	uint32_t c, low;
	if (!digits(j, &c) || (c >= 0xdc00 && c < 0xe000))
		return unlike(j, "four hexadecimal digits of a character");
	if (c >= 0xd800 && c < 0xdc00) {
		if (j->end - j->at < 2 || memcmp(j->at, "\\u", 2) != 0)
			return unlike(j, "the other half of a character");
		j->at += 2;
		if (!digits(j, &low) || low < 0xdc00 || low > 0xdfff)
			return unlike(j, "the other half of a character");
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	static const unsigned char marks[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	unsigned char bytes[4];
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	for (size_t i = n - 1; i > 0; i--, c >>= 6)
		bytes[i] = (unsigned char)(0x80 | (c & 0x3f));
	bytes[0] = (unsigned char)(marks[n] | c);
	return buffer_append(to, bytes, n);
}

static int take_escape(struct json *j, struct buffer *to)
{
	static const char letters[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	const char *letter = j->at < j->end && *j->at ? strchr(letters, *j->at) : NULL;
	if (letter) {
		j->at++;
		return buffer_append(to, &values[letter - letters], 1);
	}
	if (j->at == j->end || *j->at != 'u')
		return unlike(j, "a letter that JSON knows behind \\");
	j->at++;
	return take_character(j, to);
}

/* Behind its opening quote. */
static int take_text(struct json *j, struct buffer *to)
{
	int r = 0;
	buffer_fini(to);
	while (r == 0 && j->at < j->end && *j->at != '"') {
		const char *from = j->at;
		while (j->at < j->end && *j->at != '"' && *j->at != '\\' && (unsigned char)*j->at >= ' ')
			j->at++;
		r = buffer_append(to, from, (size_t)(j->at - from));
		if (r == 0 && j->at < j->end && (unsigned char)*j->at < ' ')
			return unlike(j, "no control character");
		if (r == 0 && j->at < j->end && *j->at == '\\') {
			j->at++;
			r = take_escape(j, to);
		}
	}
	return r ? r : accept(j, '"') ? 0 : unlike(j, "\"");
}

static stoa_text text_of(const struct buffer *b)
{
	return (stoa_text){ b->at ? (char *)b->at : "", b->size };
}

static bool word(struct json *j, const char *word)
{
	size_t n = strlen(word);
	if ((size_t)(j->end - j->at) < n || memcmp(j->at, word, n) != 0)
		return false;
	j->at += n;
	return true;
}

static int digit_of(char c)
{
	const char *at = c ? strchr(hex, c) : NULL;
	return at ? (int)(at - hex) : -1;
}

static int take_number(struct json *j, struct stoa_any *ret)
{
	char text[64] = "", *end;
	size_t n = 0;
	while (j->at + n < j->end && n < sizeof(text) - 1 && strchr("+-.0123456789eE", j->at[n]) && j->at[n])
		n++;
	memcpy(text, j->at, n);
	locale_t was = numbers_with_a_point();
	errno = 0;
	intmax_t whole = strtoimax(text, &end, 10);
	*ret = stoa_any_i64(whole);
	if (n && (*end || errno))
		*ret = stoa_any_f64(strtod(text, &end));
	uselocale(was);
	if (n == 0 || *end || text[0] == '+' || (ret->kind == STOA_F64 && !isfinite(ret->f64)))
		return unlike(j, "a number, true, false or a text in quotes");
	j->at += n;
	return 0;
}

/* Behind its mark. */
static int take_blob(struct json *j, struct stoa_any *ret)
{
	int r = 0, high, low;
	buffer_fini(&j->text);
	while (r == 0 && !word(j, "\"")) {
		high = j->at < j->end ? digit_of(*j->at) : -1;
		low = j->at + 1 < j->end ? digit_of(j->at[1]) : -1;
		if (high < 0 || low < 0)
			return unlike(j, "two hexadecimal digits of a blob, or \"");
		r = buffer_append(&j->text, (unsigned char[]){ (unsigned char)(high << 4 | low) }, 1);
		j->at += 2;
	}
	*ret = stoa_any_blob(j->text.at, j->text.size);
	return r;
}

/* Behind its opening quote: a text, or what is marked as none. */
static int take_quoted(struct json *j, struct stoa_any *ret)
{
	if (word(j, MARKED_BLOB))
		return take_blob(j, ret);
	for (size_t i = 0; i < sizeof(marked) / sizeof(*marked); i++)
		if (word(j, marked[i].text)) {
			*ret = stoa_any_f64(marked[i].value);
			return 0;
		}
	int r = take_text(j, &j->text);
	*ret = stoa_any_text(NULL);
	ret->text = text_of(&j->text);
	return r;
}

static int take_value(struct json *j, struct stoa_any *ret)
{
	if (accept(j, '"'))
		return take_quoted(j, ret);
	if (word(j, "true")) {
		*ret = stoa_any_bool(true);
		return 0;
	}
	if (word(j, "false")) {
		*ret = stoa_any_bool(false);
		return 0;
	}
	return take_number(j, ret);
}

static int take_key(struct json *j)
{
	int r = accept(j, '"') ? take_text(j, &j->key) : unlike(j, "a key in quotes");
	return r ? r : accept(j, ':') ? 0 : unlike(j, ":");
}

int json_read(const stoa_text *text, bool object,
	      int (*each)(void *data, const stoa_text *key, const struct stoa_any *value), void *data)
{
	struct json j = { .begin = text->data, .at = text->data, .end = text->data + text->size };
	char close = object ? '}' : ']';
	struct stoa_any value;
	int r = accept(&j, object ? '{' : '[') ? 0 : unlike(&j, object ? "{" : "[");
	bool more = r == 0 && !accept(&j, close);
	while (more) {
		r = object ? take_key(&j) : 0;
		r = r ? r : take_value(&j, &value);
		stoa_text key = text_of(&j.key);
		r = r ? r : each(data, object ? &key : NULL, &value);
		more = r == 0 && accept(&j, ',');
		if (r == 0 && !more && !accept(&j, close))
			r = unlike(&j, object ? ", or }" : ", or ]");
	}
	if (r == 0 && (accept(&j, '\0') || j.at != j.end))
		r = unlike(&j, "nothing more");
	buffer_fini(&j.key);
	buffer_fini(&j.text);
	return r;
}

/* ---- writing ---- */

static int write_string(struct buffer *to, const char *text)
{
	return buffer_append(to, text, strlen(text));
}

static bool is_plain(unsigned char c)
{
	return c >= ' ' && c < 0x7f && c != '"' && c != '\\';
}

static int write_character(struct buffer *to, const unsigned char *p, size_t size)
{
	char escape[8];
	if (size == 0)
		return write_string(to, "\\ufffd");
	if (size > 1)
		return buffer_append(to, p, size);
	snprintf(escape, sizeof(escape), *p == '"' || *p == '\\' ? "\\%c" : "\\u%04x", *p);
	return write_string(to, escape);
}

static int write_text(struct buffer *to, const void *text, size_t size)
{
	const unsigned char *p = text;
	int r = write_string(to, "\"");
	while (r == 0 && size > 0) {
		size_t n = 0;
		while (n < size && is_plain(p[n]))
			n++;
		r = buffer_append(to, p, n);
		p += n;
		size -= n;
		size_t one = size ? utf8_size(p, size) : 0;
		if (r == 0 && size) {
			r = write_character(to, p, one);
			p += one ? one : 1;
			size -= one ? one : 1;
		}
	}
	return r ? r : write_string(to, "\"");
}

static int write_blob(struct buffer *to, const unsigned char *p, size_t size)
{
	int r = write_string(to, "\"" MARKED_BLOB);
	for (size_t i = 0; r == 0 && i < size; i++)
		r = buffer_append(to, (char[]){ hex[p[i] >> 4], hex[p[i] & 15] }, 2);
	return r ? r : write_string(to, "\"");
}

/* The shortest text that gives the same number back. */
static int write_f64(struct buffer *to, double value)
{
	char text[40];
	int n = 15;
	if (!isfinite(value)) {
		snprintf(text, sizeof(text), "\"%s", marked[isnan(value) ? 0 : value > 0 ? 1 : 2].text);
		return write_string(to, text);
	}
	locale_t was = numbers_with_a_point();
	do
		snprintf(text, sizeof(text), "%.*g", n, value);
	while (n++ < 17 && strtod(text, NULL) != value);
	uselocale(was);
	if (strspn(text, "-0123456789") == strlen(text)) /* it shall be read as what it is */
		strcat(text, ".0");
	return write_string(to, text);
}

static int write_value(struct buffer *to, const struct any_bytes *value)
{
	struct stoa_any any = { 0 };
	char text[24];
	if (value->kind == STOA_TEXT)
		return write_text(to, value->at, value->size);
	if (value->kind == STOA_BLOB)
		return write_blob(to, value->at, value->size);
	any_get(value, &any);
	if (value->kind == STOA_F64)
		return write_f64(to, any.f64);
	if (value->kind == STOA_BOOL)
		return write_string(to, any.flag ? "true" : "false");
	snprintf(text, sizeof(text), "%" PRId64, any.i64);
	return write_string(to, value->kind == STOA_I64 ? text : "null");
}

/* ---- arrays and objects ---- */

void json_begin(struct json_out *out, bool object)
{
	*out = (struct json_out){ .object = object };
	out->r = write_string(&out->text, object ? "{" : "[");
}

bool json_goes_on(const struct json_out *out)
{
	return out->r == 0 && out->text.size <= JSON_MAX;
}

static void separate(struct json_out *out)
{
	if (out->r == 0 && out->n++)
		out->r = write_string(&out->text, ", ");
}

void json_key(struct json_out *out, const void *key, size_t size)
{
	separate(out);
	out->r = out->r ? out->r : write_text(&out->text, key, size);
	out->r = out->r ? out->r : write_string(&out->text, ": ");
}

void json_value(struct json_out *out, const struct any_bytes *value)
{
	if (!out->object)
		separate(out);
	out->r = out->r ? out->r : write_value(&out->text, value);
}

void json_text(struct json_out *out, const void *text, size_t size)
{
	json_value(out, &(struct any_bytes){ STOA_TEXT, text, size });
}

int json_end(struct json_out *out, stoa_text *ret)
{
	const uint32_t most = JSON_MAX - 64; /* as it is encoded */
	int r = out->r ? out->r : write_string(&out->text, out->object ? "}" : "]");
	if (r == 0 && out->text.size > most)
		r = stoa_fail(-EMSGSIZE, "the answer has over %u bytes; take them one by one", most);
	r = r ? r : stoa_text_set_n(ret, (char *)out->text.at, out->text.size);
	buffer_fini(&out->text);
	return r;
}
