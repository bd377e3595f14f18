/*
 * value.c: see value.h.
 */
#include "tools/value.h"

#include <ctype.h>
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "src/utf8.h"

#define HEX "0123456789abcdef"

/* ---- types ---- */

static const char *const type_names[] = {
	[STOA_I8] = "i8",   [STOA_I16] = "i16", [STOA_I32] = "i32",   [STOA_I64] = "i64",    [STOA_U8] = "u8",
	[STOA_U16] = "u16", [STOA_U32] = "u32", [STOA_U64] = "u64",   [STOA_F32] = "f32",    [STOA_F64] = "f64",
	[STOA_BOOL] = "bool", [STOA_CHARS] = "text", [STOA_TEXT] = "text", [STOA_BLOB] = "blob",
};

const char *value_type(const struct stoa_attr *a, char text[VALUE_TYPE_MAX])
{
	size_t n = (size_t)snprintf(text, VALUE_TYPE_MAX, "%s",
				    a->kind < sizeof(type_names) / sizeof(type_names[0]) ? type_names[a->kind] : "?");
	for (uint32_t i = 0; i < a->rank && i < STOA_RANK_MAX; i++)
		n += (size_t)snprintf(text + n, VALUE_TYPE_MAX - n, "[%u]", a->dims[i]);
	if (a->kind == STOA_TEXT && a->rank)
		snprintf(text + n, VALUE_TYPE_MAX - n, "[]");
	return text;
}

/* Dimensions of elements: of char[3][32], one. */
static uint32_t n_dims(const struct stoa_attr *a)
{
	return a->kind == STOA_CHARS && a->rank ? a->rank - 1u : a->rank;
}

static size_t n_elements(const struct stoa_attr *a)
{
	size_t n = 1;
	for (uint32_t i = 0; i < n_dims(a); i++)
		n *= a->dims[i];
	return n;
}

static size_t element_size(const struct stoa_attr *a)
{
	size_t n = n_elements(a);
	return n ? a->size / n : 0;
}

void value_fini(const struct stoa_attr *a, void *value)
{
	for (size_t i = 0; i < n_elements(a); i++)
		if (a->kind == STOA_TEXT)
			stoa_text_fini((stoa_text *)value + i);
		else if (a->kind == STOA_BLOB)
			stoa_blob_fini((stoa_blob *)value + i);
}

/* ---- printing text ---- */

static void print_escaped(FILE *to, unsigned char c)
{
	static const char letters[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
	const char *at = c ? strchr(letters, c) : NULL;
	if (at)
		fprintf(to, "\\%c", names[at - letters]);
	else
		fprintf(to, "\\u%04x", c);
}

/* As JSON has it. Strictly: bytes that are no UTF-8 are replaced; otherwise they are passed on. */
static void print_quoted(FILE *to, const char *text, size_t n, bool strict)
{
	const unsigned char *p = (const unsigned char *)text;
	fputc('"', to);
	while (n > 0) {
		size_t size = utf8_size(p, n);
		if (p[0] < ' ' || p[0] == '"' || p[0] == '\\' || p[0] == 0x7f)
			print_escaped(to, p[0]);
		else if (size == 0 && strict)
			fputs("\\ufffd", to);
		else
			fwrite(p, 1, size ? size : 1, to);
		p += size ? size : 1;
		n -= size ? size : 1;
	}
	fputc('"', to);
}

void value_print_json(FILE *to, const char *text)
{
	if (text)
		print_quoted(to, text, strlen(text), true);
	else
		fputs("null", to);
}

/* ---- printing ---- */

/* The shortest text that gives the same number back. */
static void print_float(FILE *to, double value, bool narrow, bool json)
{
	char text[40];
	int digits = narrow ? 6 : 15, most = narrow ? 9 : 17;
	if (!isfinite(value)) {
		const char *name = isnan(value) ? "nan" : value < 0 ? "-inf" : "inf";
		fprintf(to, json ? "\"%s\"" : "%s", name);
		return;
	}
	do
		snprintf(text, sizeof(text), "%.*g", digits, value);
	while (digits++ < most && (narrow ? (double)strtof(text, NULL) : strtod(text, NULL)) != value);
	fputs(text, to);
}

static void print_blob(FILE *to, const stoa_blob *blob, bool json)
{
	const unsigned char *p = blob->data;
	fputs(json ? "\"0x" : "0x", to);
	for (size_t i = 0; i < blob->size; i++) {
		fputc(HEX[p[i] >> 4], to);
		fputc(HEX[p[i] & 15], to);
	}
	if (json)
		fputc('"', to);
}

static void print_text(FILE *to, const char *text, size_t n, enum value_style style, bool in_list)
{
	if (style == VALUE_BARE && !in_list)
		fwrite(text ? text : "", 1, n, to);
	else if (!text)
		fputs("null", to);
	else
		print_quoted(to, text, n, style != VALUE_BARE);
}

/* A whole number of 1, 2, 4 or 8 bytes, unsigned and signed. */
static uint64_t load(const void *p, size_t size)
{
	switch (size) {
	case 1:
		return *(const uint8_t *)p;
	case 2:
		return *(const uint16_t *)p;
	case 4:
		return *(const uint32_t *)p;
	default:
		return *(const uint64_t *)p;
	}
}

static int64_t load_signed(const void *p, size_t size)
{
	uint64_t sign = UINT64_C(1) << (8 * size - 1);
	return (int64_t)((load(p, size) ^ sign) - sign);
}

static void print_element(FILE *to, const struct stoa_attr *a, const void *p, enum value_style style, bool in_list)
{
	const stoa_text *text = p;
	switch ((enum stoa_kind)a->kind) {
	case STOA_I8:
	case STOA_I16:
	case STOA_I32:
	case STOA_I64:
		fprintf(to, "%" PRId64, load_signed(p, element_size(a)));
		break;
	case STOA_U8:
	case STOA_U16:
	case STOA_U32:
	case STOA_U64:
		fprintf(to, "%" PRIu64, load(p, element_size(a)));
		break;
	case STOA_F32:
		print_float(to, (double)*(const float *)p, true, style == VALUE_JSON);
		break;
	case STOA_F64:
		print_float(to, *(const double *)p, false, style == VALUE_JSON);
		break;
	case STOA_BOOL:
		fputs(*(const bool *)p ? "true" : "false", to);
		break;
	case STOA_CHARS:
		print_text(to, p, strnlen(p, element_size(a)), style, in_list);
		break;
	case STOA_TEXT:
		print_text(to, text->data, text->size, style, in_list);
		break;
	case STOA_BLOB:
		print_blob(to, p, style == VALUE_JSON);
		break;
	}
}

static const char *print_level(FILE *to, const struct stoa_attr *a, const char *p, uint32_t level,
			       enum value_style style)
{
	if (level == n_dims(a)) {
		print_element(to, a, p, style, level > 0);
		return p + element_size(a);
	}
	fputc('[', to);
	for (uint32_t i = 0; i < a->dims[level]; i++) {
		fputs(i == 0 ? "" : style == VALUE_JSON ? "," : ", ", to);
		p = print_level(to, a, p, level + 1, style);
	}
	fputc(']', to);
	return p;
}

void value_print(FILE *to, const struct stoa_attr *a, const void *value, enum value_style style)
{
	print_level(to, a, value, 0, style);
}

/* ---- parsing one element ---- */

static bool wrong(char why[VALUE_WHY_MAX], const char *text, const char *what)
{
	size_t n = strlen(text);
	snprintf(why, VALUE_WHY_MAX, "\"%.*s%s\" %s", n > 40 ? 37 : 40, text, n > 40 ? "..." : "", what);
	return false;
}

static bool is_hex(const char *text)
{
	text += *text == '-' || *text == '+';
	return text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
}

/* Whole numbers are decimal, or hexadecimal after 0x. */
static bool starts_number(const char *text)
{
	text += *text == '-' || *text == '+';
	return isdigit((unsigned char)*text);
}

static bool out_of_range(char why[VALUE_WHY_MAX], const char *text, const char *least, uint64_t most)
{
	char what[80];
	snprintf(what, sizeof(what), "is out of range: %s to %" PRIu64, least, most);
	return wrong(why, text, what);
}

static bool not_whole(char why[VALUE_WHY_MAX], const char *text)
{
	bool fraction = starts_number(text) && text[strspn(text, "+-0123456789.eE")] == '\0';
	return wrong(why, text, fraction ? "is not a whole number" : "is not a number");
}

static void store(void *to, size_t size, uint64_t n)
{
	switch (size) {
	case 1:
		*(uint8_t *)to = (uint8_t)n;
		break;
	case 2:
		*(uint16_t *)to = (uint16_t)n;
		break;
	case 4:
		*(uint32_t *)to = (uint32_t)n;
		break;
	default:
		*(uint64_t *)to = n;
	}
}

static bool parse_signed(const struct stoa_attr *a, const char *text, void *ret, char why[VALUE_WHY_MAX])
{
	size_t size = element_size(a);
	int64_t most = INT64_MAX >> (64 - 8 * size), least = -most - 1;
	char *end = (char *)text, low[24];
	errno = 0;
	intmax_t n = starts_number(text) ? strtoimax(text, &end, is_hex(text) ? 16 : 10) : 0;
	if (end == text || *end)
		return not_whole(why, text);
	snprintf(low, sizeof(low), "%" PRId64, least);
	if (errno == ERANGE || n < least || n > most)
		return out_of_range(why, text, low, (uint64_t)most);
	store(ret, size, (uint64_t)n);
	return true;
}

static bool parse_unsigned(const struct stoa_attr *a, const char *text, void *ret, char why[VALUE_WHY_MAX])
{
	size_t size = element_size(a);
	uint64_t most = UINT64_MAX >> (64 - 8 * size);
	char *end = (char *)text;
	errno = 0;
	uintmax_t n = starts_number(text) ? strtoumax(text, &end, is_hex(text) ? 16 : 10) : 0;
	if (end == text || *end)
		return not_whole(why, text);
	if (errno == ERANGE || n > most || *text == '-')
		return out_of_range(why, text, "0", most);
	store(ret, size, n);
	return true;
}

static bool parse_float(const struct stoa_attr *a, const char *text, void *ret, char why[VALUE_WHY_MAX])
{
	bool narrow = a->kind == STOA_F32;
	char *end;
	errno = 0;
	double value = narrow ? (double)strtof(text, &end) : strtod(text, &end);
	if (end == text || *end || isspace((unsigned char)*text))
		return wrong(why, text, "is not a number");
	if (errno == ERANGE && (value == 0 || isinf(value)))
		return wrong(why, text, narrow ? "is out of the range of f32" : "is out of the range of f64");
	if (narrow)
		*(float *)ret = (float)value;
	else
		*(double *)ret = value;
	return true;
}

static bool parse_bool(const char *text, bool *ret, char why[VALUE_WHY_MAX])
{
	static const char *const names[] = { "false", "true", "0", "1", "no", "yes" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		if (strcmp(text, names[i]) == 0) {
			*ret = i % 2;
			return true;
		}
	return wrong(why, text, "is not true or false, yes or no, 1 or 0");
}

static bool no_memory(char why[VALUE_WHY_MAX])
{
	snprintf(why, VALUE_WHY_MAX, "out of memory");
	return false;
}

static bool parse_text(const struct stoa_attr *a, const char *text, void *ret, char why[VALUE_WHY_MAX])
{
	size_t n = strlen(text), room = element_size(a);
	char what[64];
	if (a->kind == STOA_TEXT)
		return stoa_text_set_n(ret, text, n) == 0 || no_memory(why);
	snprintf(what, sizeof(what), "has %zu bytes; at most %zu fit", n, room - 1);
	if (n >= room)
		return wrong(why, text, what);
	memcpy(ret, text, n + 1);
	return true;
}

/* ---- blobs ---- */

static bool parse_hex(const char *text, stoa_blob *ret, char why[VALUE_WHY_MAX])
{
	size_t n = strlen(text) / 2 - 1;
	if (strspn(text + 2, "0123456789abcdefABCDEF") != 2 * n || text[2 + 2 * n])
		return wrong(why, text, "is not an even number of hexadecimal digits");
	unsigned char *bytes = malloc(n + 1);
	for (size_t i = 0; bytes && i < n; i++) {
		char pair[] = { text[2 + 2 * i], text[3 + 2 * i], '\0' };
		bytes[i] = (unsigned char)strtoul(pair, NULL, 16);
	}
	bool good = bytes && stoa_blob_set(ret, bytes, n) == 0;
	free(bytes);
	return good || no_memory(why);
}

/* All of a file, malloc'ed, or NULL with errno. */
static char *read_file(const char *path, size_t *ret_n)
{
	size_t n = 0, room = 0, got;
	char *bytes = NULL;
	FILE *file = fopen(path, "re");
	do {
		char *more = file ? realloc(bytes, room = 2 * room + 4096) : NULL;
		if (!more) {
			free(bytes);
			if (file)
				fclose(file);
			return NULL;
		}
		bytes = more;
		n += got = fread(bytes + n, 1, room - n, file);
	} while (got > 0);
	if (ferror(file)) {
		free(bytes);
		bytes = NULL;
	}
	int error = errno;
	fclose(file);
	errno = error;
	*ret_n = n;
	return bytes;
}

static bool parse_blob(const char *text, stoa_blob *ret, char why[VALUE_WHY_MAX])
{
	size_t n;
	if (text[0] == '0' && text[1] == 'x')
		return parse_hex(text, ret, why);
	if (text[0] != '@')
		return wrong(why, text, "is not bytes: write 0x and hexadecimal digits, or @FILE");
	char *bytes = read_file(text + 1, &n);
	if (!bytes)
		{
		char what[96];
		snprintf(what, sizeof(what), "cannot be read: %s", strerror(errno));
		return wrong(why, text, what);
	}
	bool good = stoa_blob_set(ret, bytes, n) == 0;
	free(bytes);
	return good || no_memory(why);
}

static bool parse_element(const struct stoa_attr *a, const char *text, void *ret, char why[VALUE_WHY_MAX])
{
	switch ((enum stoa_kind)a->kind) {
	case STOA_I8:
	case STOA_I16:
	case STOA_I32:
	case STOA_I64:
		return parse_signed(a, text, ret, why);
	case STOA_U8:
	case STOA_U16:
	case STOA_U32:
	case STOA_U64:
		return parse_unsigned(a, text, ret, why);
	case STOA_F32:
	case STOA_F64:
		return parse_float(a, text, ret, why);
	case STOA_BOOL:
		return parse_bool(text, ret, why);
	case STOA_CHARS:
	case STOA_TEXT:
		return parse_text(a, text, ret, why);
	case STOA_BLOB:
		return parse_blob(text, ret, why);
	}
	return wrong(why, text, "is for a type that this program does not know");
}

/* ---- parsing lists ---- */

struct scan {
	const struct stoa_attr *attr;
	const char *text, *at;
	char *to;
	char *why;
};

static bool not_list(const struct scan *s)
{
	char what[64];
	snprintf(what, sizeof(what), "is not a list of %zu values", n_elements(s->attr));
	return wrong(s->why, s->text, what);
}

static bool accept(struct scan *s, char c)
{
	s->at += strspn(s->at, " \t\n");
	if (*s->at != c)
		return false;
	s->at++;
	return true;
}

static char *put_utf8(char *to, uint32_t c)
{
	static const unsigned char marks[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	int size = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	for (int i = size - 1; i > 0; i--, c >>= 6)
		to[i] = (char)(0x80 | (c & 0x3f));
	to[0] = (char)(marks[size] | c);
	return to + size;
}

/* The four digits after \u. */
static bool take_digits(const char **at, uint32_t *ret)
{
	char digits[5] = "";
	strncat(digits, *at, 4);
	if (strspn(digits, "0123456789abcdefABCDEF") != 4)
		return false;
	*ret = (uint32_t)strtoul(digits, NULL, 16);
	*at += 4;
	return true;
}

/* What follows a backslash. */
static bool take_escape(const char **at, char **to)
{
	static const char letters[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	const char *letter = **at ? strchr(letters, **at) : NULL;
	uint32_t c, low;
	if (letter) {
		*(*to)++ = values[letter - letters];
		++*at;
		return true;
	}
	if (*(*at)++ != 'u' || !take_digits(at, &c) || c == 0)
		return false;
	if (c >= 0xd800 && c < 0xe000) { /* half of a pair */
		if (c >= 0xdc00 || strncmp(*at, "\\u", 2) != 0)
			return false;
		*at += 2;
		if (!take_digits(at, &low) || low < 0xdc00 || low > 0xdfff)
			return false;
		c = 0x10000 + ((c - 0xd800) << 10) + (low - 0xdc00);
	}
	*to = put_utf8(*to, c);
	return true;
}

/* Past the opening quote, to the closing one: into to, which has room. */
static bool unquote(const char **at, char *to)
{
	while (**at != '"') {
		if (**at == '\0')
			return false;
		if (**at != '\\') {
			*to++ = *(*at)++;
			continue;
		}
		++*at;
		if (!take_escape(at, &to))
			return false;
	}
	*to = '\0';
	++*at;
	return true;
}

char *value_unquote(const char *text)
{
	char *to = *text == '"' ? malloc(strlen(text) + 1) : NULL;
	const char *at = text + 1;
	if (to && unquote(&at, to) && *at == '\0')
		return to;
	free(to);
	return NULL;
}

/* One element of a list, malloc'ed: in quotes, or up to the next comma or bracket. */
static char *take_token(struct scan *s, bool *ret_quoted)
{
	char *token = malloc(strlen(s->at) + 1);
	accept(s, '"'); /* skips blanks, too */
	*ret_quoted = s->at > s->text && s->at[-1] == '"';
	if (token && *ret_quoted && !unquote(&s->at, token)) {
		free(token);
		return NULL;
	}
	if (token && !*ret_quoted) {
		size_t n = strcspn(s->at, ",[]\"");
		memcpy(token, s->at, n);
		s->at += n;
		while (n > 0 && strchr(" \t\n", token[n - 1]))
			n--;
		token[n] = '\0';
	}
	return token;
}

static bool parse_listed(struct scan *s)
{
	bool quoted, is_text = s->attr->kind == STOA_CHARS || s->attr->kind == STOA_TEXT;
	char *token = take_token(s, &quoted);
	bool good = token && (is_text ? quoted || *token : !quoted && *token);
	if (!good)
		not_list(s);
	else if (s->attr->kind != STOA_TEXT || quoted || strcmp(token, "null") != 0)
		good = parse_element(s->attr, token, s->to, s->why);
	free(token);
	s->to += element_size(s->attr);
	return good;
}

static bool parse_level(struct scan *s, uint32_t level)
{
	if (level == n_dims(s->attr))
		return parse_listed(s);
	bool bracket = accept(s, '[');
	for (uint32_t i = 0; i < s->attr->dims[level]; i++) {
		if (i > 0 && !accept(s, ','))
			return not_list(s);
		if (!parse_level(s, level + 1))
			return false;
	}
	return !bracket || accept(s, ']') || not_list(s);
}

bool value_parse(const struct stoa_attr *a, const char *text, void *ret, char why[VALUE_WHY_MAX])
{
	struct scan s = { .attr = a, .text = text, .at = text, .to = ret, .why = why };
	if (n_dims(a) == 0)
		return parse_element(a, text, ret, why);
	return parse_level(&s, 0) && (accept(&s, '\0') || not_list(&s));
}
