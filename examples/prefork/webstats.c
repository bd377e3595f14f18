/*
 * webstats.c: see webstats.h. record() runs in the coordinator, one call at a time: no locks, no atomics.
 */
#include "examples/prefork/webstats.h"

#include <errno.h>
#include <string.h>

STOA_STRUCT(webstats, STOA_ATTR(struct webstats, requests, .doc = "requests answered"),
	    STOA_ATTR(struct webstats, bytes, .unit = "byte", .doc = "body bytes sent"),
	    STOA_ATTR(struct webstats, by_class, .doc = "requests by class of status: 1xx to 5xx"),
	    STOA_ATTR(struct webstats, ms.total, .unit = "ms", .doc = "time spent on all requests"),
	    STOA_ATTR(struct webstats, ms.worst, .unit = "ms", .doc = "longest time spent on one"),
	    STOA_ATTR(struct webstats, last_path, .doc = "path asked for last"));
STOA_STRUCT(webstats_request, STOA_ATTR(struct webstats_request, status),
	    STOA_ATTR(struct webstats_request, bytes, .unit = "byte"),
	    STOA_ATTR(struct webstats_request, ms, .unit = "ms"), STOA_ATTR(struct webstats_request, path));

static int webstats_record(struct webstats *self, const struct webstats_request *request, stoa_none *ret)
{
	(void)ret;
	if (request->status < 100 || request->status > 599)
		return stoa_fail(-EINVAL, "no status of HTTP: %u", request->status);
	self->requests++;
	self->bytes += request->bytes;
	self->by_class[request->status / 100 - 1]++;
	self->ms.total += request->ms;
	if (request->ms > self->ms.worst)
		self->ms.worst = request->ms;
	memcpy(self->last_path, request->path, sizeof(self->last_path));
	return 0;
}
STOA_METHOD(webstats, record, webstats_request, stoa_none, .writes = "*", .doc = "one request was answered");
STOA_CLASS(webstats, 1, &webstats_record_row);

/* How many bytes the UTF-8 character at s has; 0: it is none. s ends with a NUL. */
static int utf8_length(const unsigned char *s)
{
	static const unsigned long least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	int n = s[0] < 0x80 ? 1 : s[0] < 0xc0 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf8 ? 4 : 0;
	unsigned long c = n < 2 ? s[0] : s[0] & (0xffu >> (n + 1));
	for (int i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (s[i] & 0x3f);
	}
	return n > 1 && (c < least[n] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff)) ? 0 : n;
}

static void print_json_string(FILE *to, const char *text)
{
	const unsigned char *s = (const unsigned char *)text;
	putc('"', to);
	for (int n; *s; s += n > 0 ? n : 1) {
		n = utf8_length(s);
		if (n == 0)
			fputs("\\ufffd", to);
		else if (*s == '"' || *s == '\\')
			fprintf(to, "\\%c", *s);
		else if (*s < 0x20 || *s == 0x7f)
			fprintf(to, "\\u%04x", *s);
		else
			fwrite(s, 1, (size_t)n, to);
	}
	putc('"', to);
}

void webstats_print_json(FILE *to, const struct webstats *stats)
{
	fprintf(to, "{\"requests\":%ju,\"bytes\":%ju,\"by_class\":{", (uintmax_t)stats->requests,
		(uintmax_t)stats->bytes);
	for (int i = 0; i < 5; i++)
		fprintf(to, "%s\"%dxx\":%ju", i ? "," : "", i + 1, (uintmax_t)stats->by_class[i]);
	fprintf(to, "},\"ms\":{\"total\":%.3f,\"worst\":%.3f},\"last_path\":", stats->ms.total, stats->ms.worst);
	print_json_string(to, stats->last_path);
	fputs("}\n", to);
}
