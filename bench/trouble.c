/*
 * trouble.c: the last thing that went wrong in this process, and the names of the kinds.
 */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bench/bench.h"
#include "include/stoa.h"

const char *const kind_names[KIND_COUNT] = { "floor", "W", "R", "S", "C", "RW", "N" };

static char text[160];

int trouble(int code, const char *format, ...)
{
	va_list list;
	va_start(list, format);
	vsnprintf(text, sizeof(text), format, list);
	va_end(list);
	return code;
}

const char *trouble_text(void)
{
	return text[0] ? text : "no reason given";
}

int stoa_trouble(int code)
{
	struct stoa_error e;
	stoa_last_error(&e);
	return trouble(code, "%s", e.code == code && e.text[0] ? e.text : stoa_strerror(code));
}
