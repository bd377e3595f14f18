/*
 * signals.c: the rows of stoa create OBJECT signals, on the command line or in files, into a class.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/tool.h"

struct rows {
	char **all;
	size_t n, room;
};

static void rows_free(struct rows *r)
{
	for (size_t i = 0; i < r->n; i++)
		free(r->all[i]);
	free(r->all);
}

static bool rows_add(struct rows *r, const char *row)
{
	if (r->n == r->room) {
		char **more = realloc(r->all, (r->room = 2 * r->room + 16) * sizeof(*more));
		if (!more)
			return false;
		r->all = more;
	}
	r->all[r->n] = strdup(row);
	return r->all[r->n++] != NULL;
}

/* A row a line; blank ones and those that begin with # are nothing. */
static bool add_lines(struct rows *r, FILE *from)
{
	char *line = NULL;
	size_t room = 0;
	bool good = true;
	while (good && getline(&line, &room, from) >= 0) {
		line[strcspn(line, "\r\n")] = '\0';
		const char *row = line + strspn(line, " \t");
		good = *row == '\0' || *row == '#' || rows_add(r, row);
	}
	free(line);
	return good;
}

static int add_file(struct rows *r, const char *path)
{
	FILE *from = fopen(path, "re");
	bool good = from && add_lines(r, from), read = from && !ferror(from);
	int error = errno;
	if (from)
		fclose(from);
	return !read ? tool_refuse("cannot read %s: %s", path, strerror(error))
	       : !good ? tool_refuse("out of memory")
		       : TOOL_DONE;
}

int tool_signals(const char *name, int argc, char **argv, const struct stoa_class **ret)
{
	struct rows rows = { 0 };
	int status = TOOL_DONE;
	for (int i = 0; status == TOOL_DONE && i < argc; i++)
		if (argv[i][0] == '@')
			status = add_file(&rows, argv[i] + 1);
		else if (!rows_add(&rows, argv[i]))
			status = tool_refuse("out of memory");
	if (status == TOOL_DONE) {
		int r = stoa_signals(name, (const char *const *)rows.all, rows.n, ret);
		status = r < 0 ? tool_fail(r) : TOOL_DONE;
	}
	rows_free(&rows);
	return status;
}
