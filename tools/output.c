/*
 * output.c: see output.h.
 */
#include "tools/output.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tools/value.h"

#define COLUMNS_MAX 24
#define DEPTH_MAX 16
#define KEY_MAX 80

struct cell {
	char *text;
	enum out_colour colour;
	bool right;
};

static struct {
	enum out_style style;
	FILE *to;
	bool colours, terminal;
	const char *lead_name, *lead_value;

	/* JSON */
	int depth;
	bool comma[DEPTH_MAX + 1]; /* something stands at this depth */
	bool many;

	/* the table */
	enum out_table table;
	char headings[COLUMNS_MAX][KEY_MAX];
	bool headed;
	size_t widths[COLUMNS_MAX], n_columns, column;
	struct cell *cells; /* n_columns of each record */
	size_t n_cells, room;
} out;

/* ---- the whole ---- */

static void forget(void)
{
	for (size_t i = 0; i < out.n_cells; i++)
		free(out.cells[i].text);
	memset(out.widths, 0, sizeof(out.widths));
	out.n_cells = out.n_columns = out.column = 0;
	out.headed = false;
	out.depth = 0;
	out.comma[0] = out.many = false;
}

void out_init(enum out_style style, FILE *to)
{
	const char *no_colour = getenv("NO_COLOR"), *term = getenv("TERM");
	forget();
	out.style = style;
	out.to = to;
	out.terminal = style == OUT_TEXT && isatty(fileno(to));
	out.colours = out.terminal && !(no_colour && *no_colour) && !(term && strcmp(term, "dumb") == 0);
	out.lead_name = NULL;
}

enum out_style out_style(void) { return out.style; }

bool out_json(void) { return out.style != OUT_TEXT; }

FILE *out_to(void) { return out.to; }

void out_lead(const char *name, const char *value)
{
	out.lead_name = name;
	out.lead_value = value;
}

const char *out_colour(enum out_colour colour)
{
	static const char *const codes[] = { "\033[0m", "\033[32m", "\033[33m", "\033[31m", "\033[1m" };
	return out.colours ? codes[colour] : "";
}

/* ---- the table ---- */

/* As many as a terminal shows, if each has one place. */
static size_t n_characters(const char *text)
{
	size_t n = 0;
	for (; *text; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

static void widen(size_t column, const char *text)
{
	size_t n = n_characters(text);
	out.widths[column] = n > out.widths[column] ? n : out.widths[column];
}

/* Takes text, malloc'ed; NULL: no memory, and the cell is empty. */
static void add_cell(const char *name, char *text, enum out_colour colour, bool right)
{
	if (out.n_cells == out.room) {
		size_t room = 2 * out.room + 64;
		struct cell *more = realloc(out.cells, room * sizeof(*more));
		if (!more)
			abort();
		out.cells = more;
		out.room = room;
	}
	if (out.column == COLUMNS_MAX)
		abort();
	if (out.column == out.n_columns)
		snprintf(out.headings[out.n_columns++], KEY_MAX, "%s", name);
	out.cells[out.n_cells++] = (struct cell){ text, colour, right };
	widen(out.column++, text ? text : "");
}

static void print_cell(size_t column, bool last, const char *text, enum out_colour colour, bool right)
{
	int gap = (int)(out.widths[column] - n_characters(text));
	fprintf(out.to, "%s%*s%s%s%s%*s", column ? "  " : "", right ? gap : 0, "", colour ? out_colour(colour) : "",
		text, colour ? out_colour(OUT_NONE) : "", right || last ? 0 : gap, "");
}

static void print_headings(const struct cell *row)
{
	for (size_t i = 0; i < out.n_columns; i++)
		print_cell(i, i + 1 == out.n_columns, out.headings[i], OUT_BOLD, row[i].right);
	fputc('\n', out.to);
	out.headed = true;
}

/* No blanks at its end. */
static void print_row(const struct cell *row)
{
	size_t n = out.n_columns;
	while (n > 0 && !(row[n - 1].text && *row[n - 1].text))
		n--;
	for (size_t i = 0; i < n; i++)
		print_cell(i, i + 1 == n, row[i].text ? row[i].text : "", row[i].colour, row[i].right);
	fputc('\n', out.to);
}

static bool wants_headings(void)
{
	return !out.headed && (out.table == OUT_HEADED || (out.table == OUT_STREAM && out.terminal));
}

/* What is there of it; widths stay, for streams. */
static void print_table(void)
{
	if (out.n_cells == 0)
		return;
	for (size_t i = 0; wants_headings() && i < out.n_columns; i++)
		widen(i, out.headings[i]);
	if (wants_headings())
		print_headings(out.cells);
	for (size_t i = 0; i < out.n_cells; i += out.n_columns)
		print_row(out.cells + i);
	for (size_t i = 0; i < out.n_cells; i++)
		free(out.cells[i].text);
	out.n_cells = 0;
}

bool out_flush(void)
{
	if (!out_json())
		print_table();
	forget();
	return fflush(out.to) == 0 && !ferror(out.to);
}

/* ---- JSON ---- */

/* What stands in front of a value: a comma, its key. suffix: "_ns", or "". */
static void print_key(const char *name, const char *suffix)
{
	if (out.comma[out.depth])
		fputc(',', out.to);
	out.comma[out.depth] = true;
	if (name && out.depth > 0)
		fprintf(out.to, "\"%s%s\":", name, suffix);
}

void out_open(const char *name, char bracket)
{
	if (!out_json())
		return;
	print_key(name, "");
	fputc(bracket, out.to);
	if (out.depth == DEPTH_MAX)
		abort();
	out.comma[++out.depth] = false;
}

void out_close(char bracket)
{
	if (!out_json())
		return;
	fputc(bracket, out.to);
	out.depth--;
}

/* ---- records ---- */

void out_begin(enum out_table table)
{
	out.table = table;
	out.column = 0;
	out_open(NULL, '{');
	if (out.lead_name)
		out_text(out.lead_name, out.lead_value);
}

void out_end(void)
{
	out_close('}');
	if (out_json() && out.depth == 0) {
		fputc('\n', out.to);
		out.comma[0] = false;
	}
	if (out.table != OUT_STREAM)
		return;
	if (!out_json())
		print_table();
	fflush(out.to);
}

/* ---- fields ---- */

void out_word(const char *name, const char *text, enum out_colour colour)
{
	if (!out_json()) {
		add_cell(name, strdup(text ? text : "-"), colour, false);
		return;
	}
	print_key(name, "");
	value_print_json(out.to, text);
}

void out_text(const char *name, const char *text) { out_word(name, text, OUT_NONE); }

/* As it is in JSON, and for people unless they see something else. */
static void put_number(const char *name, const char *suffix, const char *number, const char *shown)
{
	if (!out_json()) {
		add_cell(name, strdup(shown), OUT_NONE, true);
		return;
	}
	print_key(name, suffix);
	fputs(number, out.to);
}

void out_null(const char *name)
{
	char shown[KEY_MAX];
	size_t n = strlen(name);
	bool is_ns = n > 3 && strcmp(name + n - 3, "_ns") == 0;
	snprintf(shown, sizeof(shown), "%.*s", (int)(is_ns && !out_json() ? n - 3 : n), name);
	put_number(shown, "", "null", "-");
}

void out_uint(const char *name, uint64_t n)
{
	char text[24];
	snprintf(text, sizeof(text), "%" PRIu64, n);
	put_number(name, "", text, text);
}

void out_int(const char *name, int64_t n)
{
	char text[24];
	snprintf(text, sizeof(text), "%" PRId64, n);
	put_number(name, "", text, text);
}

void out_real(const char *name, double n)
{
	struct stoa_attr as_f64 = { .name = name, .kind = STOA_F64, .size = sizeof(n) };
	out_value(name, &as_f64, &n);
}

void out_bool(const char *name, bool yes)
{
	if (out_json())
		put_number(name, "", yes ? "true" : "false", "");
	else
		add_cell(name, strdup(yes ? "yes" : "no"), OUT_NONE, false);
}

void out_size(const char *name, uint64_t bytes)
{
	char text[24], shown[32];
	snprintf(text, sizeof(text), "%" PRIu64, bytes);
	out_print_size(shown, sizeof(shown), bytes);
	put_number(name, "", text, shown);
}

void out_duration(const char *name, int64_t ns)
{
	char text[24], shown[32];
	snprintf(text, sizeof(text), "%" PRId64, ns);
	out_print_duration(shown, sizeof(shown), ns);
	put_number(name, "_ns", text, shown);
}

void out_time(const char *name, int64_t ns)
{
	char text[24], shown[40];
	snprintf(text, sizeof(text), "%" PRId64, ns);
	out_print_time(shown, sizeof(shown), ns);
	put_number(name, "_ns", text, shown);
}

static char *shown_value(const struct stoa_attr *attr, const void *value)
{
	char *text = NULL;
	size_t n;
	FILE *to = open_memstream(&text, &n);
	if (!to)
		return NULL;
	value_print(to, attr, value, VALUE_SHOWN);
	fclose(to);
	return text;
}

void out_value(const char *name, const struct stoa_attr *attr, const void *value)
{
	if (!out_json()) {
		add_cell(name, shown_value(attr, value), OUT_NONE, attr->rank == 0 && attr->kind <= STOA_F64);
		return;
	}
	print_key(name, "");
	value_print(out.to, attr, value, VALUE_JSON);
}

void out_many(void) { out.many = true; }

bool out_is_many(void) { return out.many; }

void out_done(const char *what, const char *name)
{
	if (out.style != OUT_JSON)
		return;
	out_begin(OUT_PLAIN);
	out_text(what, name);
	out_end();
}

/* ---- for people by hand ---- */

void out_print_duration(char *to, size_t size, int64_t ns)
{
	double s = (double)ns / 1e9;
	long whole = (long)s;
	if (ns < 10000)
		snprintf(to, size, "%" PRId64 " ns", ns);
	else if (ns < 10000000)
		snprintf(to, size, "%.0f us", s * 1e6);
	else if (s < 1)
		snprintf(to, size, "%.0f ms", s * 1e3);
	else if (s < 60)
		snprintf(to, size, "%.2f s", s);
	else if (s < 3600)
		snprintf(to, size, "%ldm%02lds", whole / 60, whole % 60);
	else if (s < 86400)
		snprintf(to, size, "%ldh%02ldm", whole / 3600, whole / 60 % 60);
	else
		snprintf(to, size, "%ldd%02ldh", whole / 86400, whole / 3600 % 24);
}

void out_print_size(char *to, size_t size, uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double n = (double)bytes;
	int unit = 0;
	for (; n >= 1024 && unit < 6; unit++)
		n /= 1024;
	snprintf(to, size, unit ? "%.1f %s" : "%.0f %s", n, units[unit]);
}

void out_print_time(char *to, size_t size, int64_t ns)
{
	time_t seconds = (time_t)(ns / 1000000000);
	char second[32] = "?";
	struct tm tm;
	if (localtime_r(&seconds, &tm))
		strftime(second, sizeof(second), "%Y-%m-%d %H:%M:%S", &tm);
	snprintf(to, size, "%s.%03d", second, (int)(ns / 1000000 % 1000));
}
