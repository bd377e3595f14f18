/*
 * json.c: see json.h. Times are in nanoseconds unless a name says otherwise.
 */
#include "bench/json.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>

#include "bench/cpu.h"
#include "bench/footprint.h"
#include "bench/options.h"
#include "bench/targets.h"
#include "bench/ticks.h"

static void write_text(FILE *to, const char *name, const char *text)
{
	fprintf(to, "\"%s\":\"", name);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			fputc('\\', to);
		if ((unsigned char)*text >= ' ')
			fputc(*text, to);
	}
	fputc('"', to);
}

/* JSON has no nan. */
static void write_number(FILE *to, double x)
{
	if (isfinite(x))
		fprintf(to, "%.6g", x);
	else
		fputs("null", to);
}

static void write_rounds(FILE *to, const char *name, const double *values, unsigned n)
{
	fprintf(to, "\"%s\":[", name);
	for (unsigned i = 0; i < n; i++) {
		fputs(i ? "," : "", to);
		write_number(to, values[i]);
	}
	fputc(']', to);
}

static void write_machine(FILE *to)
{
	char cpu[128], date[32];
	struct utsname name;
	time_t now = time(NULL);
	uname(&name);
	strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%SZ", gmtime(&now));
	fputs("\"machine\":{", to);
	write_text(to, "cpu", cpu_name(cpu, sizeof(cpu)));
	fprintf(to, ",\"cpus\":%u,", cpu_count());
	write_text(to, "kernel", name.release);
	fprintf(to, ",\"date\":\"%s\",\"clock_reading\":%.3g}", date, ticks.reading_ns);
}

static void write_histogram(FILE *to, const struct histogram *h)
{
	const char *comma = "";
	fprintf(to, "\"n\":%" PRIu64 ",\"min\":%" PRIu64 ",\"p50\":%" PRIu64 ",\"p99\":%" PRIu64 ",\"p999\":%" PRIu64, h->n,
		h->least, histogram_at(h, 0.5), histogram_at(h, 0.99), histogram_at(h, 0.999));
	fprintf(to, ",\"max\":%" PRIu64 ",\"histogram\":[", h->most);
	for (unsigned i = 0; i < HISTOGRAM_COUNTERS; i++)
		if (h->counts[i]) {
			fprintf(to, "%s[%" PRIu64 ",%" PRIu64 "]", comma, histogram_top(i), h->counts[i]);
			comma = ",";
		}
	fputc(']', to);
}

static void write_ratio(FILE *to, const char *name, struct spread s)
{
	if (s.n)
		fprintf(to, ",\"%s\":{\"median\":%.6g,\"low\":%.6g,\"high\":%.6g}", name, s.median, s.low, s.high);
}

static void write_ratios(FILE *to, const struct run *run, const struct cell *c)
{
	const char *floor_name;
	const double *floor_ns = run_floor(run, c, &floor_name);
	const struct cell *stoa = run_stoa(run, c);
	if (floor_ns) {
		fputc(',', to);
		write_text(to, "floor", floor_name);
		write_ratio(to, "over_floor", run_ratio(run, c->cost_ns, floor_ns));
	}
	if (stoa && stoa != c)
		write_ratio(to, "over_stoa", run_ratio(run, c->cost_ns, stoa->cost_ns));
}

static void write_cell(FILE *to, const struct run *run, const struct cell *c)
{
	const struct order *o = &c->order;
	fputs("\n{", to);
	write_text(to, "peer", o->peer->name);
	fputc(',', to);
	write_text(to, "op", o->op->name);
	fprintf(to, ",\"kind\":\"%s\",\"clients\":%u,\"pinned\":%s,\"pace\":\"%s\",", kind_names[o->op->kind], o->clients,
		o->pinned ? "true" : "false", pace_names[o->pace]);
	if (c->failed[0]) {
		write_text(to, "failed", c->failed);
	} else {
		write_rounds(to, "cost", c->cost_ns, run->rounds);
		fputc(',', to);
		write_rounds(to, "mean", c->mean_ns, run->rounds);
		fputc(',', to);
		write_rounds(to, "probe", c->probe_ns, run->rounds);
		fputc(',', to);
		write_histogram(to, &c->histogram);
		write_ratios(to, run, c);
	}
	fputc('}', to);
}

static void write_footprint(FILE *to)
{
	const struct footprint *f = &footprint;
	if (!f->is_there) {
		fputs("\"footprint\":null", to);
		return;
	}
	fprintf(to,
		"\"footprint\":{\"resident_bytes\":%.0f,\"private_bytes\":%.0f,\"guardian_private_bytes\":%.0f,"
		"\"file_bytes\":%.0f,\"thread_bytes\":%.0f,\"wakeups_per_s\":%.3g,\"guardian_wakeups_per_s\":%.3g,"
		"\"idle_cpu\":%.3g,\"idle_floor\":%.3g,\"syscalls_per_command\":%.3g,\"sleeps_per_command\":%.3g,"
		"\"commands_per_s\":%.6g,\"cpu_under_load\":%.3g,\"commands_by_two_per_s\":%.6g,"
		"\"cpu_under_load_by_two\":%.3g}",
		f->resident, f->private, f->guardian_private, f->files, f->thread, f->wakeups, f->guardian_wakeups,
		f->idle_cpu, f->idle_floor, f->syscalls, f->switches, f->load.commands_per_s,
		f->load.cpu, f->load_by_two.commands_per_s, f->load_by_two.cpu);
}

static void write_absent(FILE *to, const struct run *run)
{
	const char *comma = "";
	fputs("\"absent\":[", to);
	for (size_t i = 0; i < run->n_absent; i++)
		if (run->absent[i].why[0]) {
			fprintf(to, "%s{", comma);
			write_text(to, "peer", run->absent[i].peer->name);
			fputc(',', to);
			write_text(to, "why", run->absent[i].why);
			fputc('}', to);
			comma = ",";
		}
	fputc(']', to);
}

static void write_all(FILE *to, const struct run *run)
{
	fprintf(to, "{\"stoa_bench\":\"%s\",\"rounds\":%u,\"slice\":%jd,", PACKAGE_VERSION, run->rounds,
		(intmax_t)options.slice_ns);
	write_machine(to);
	fputs(",\n", to);
	write_rounds(to, "ping_pong", run->probe_ns, run->rounds);
	fprintf(to, ",\"slow_kind_above\":%d,\n\"cells\":[", SLOW_KIND_NS);
	for (size_t i = 0; i < run->n; i++) {
		fputs(i ? "," : "", to);
		write_cell(to, run, &run->cells[i]);
	}
	fputs("],\n", to);
	write_footprint(to);
	fputs(",\n", to);
	write_absent(to, run);
	fputs(",\n\"targets\":", to);
	targets_write_json(run, to);
	fputs("}\n", to);
}

int json_write(const struct run *run, const char *path)
{
	FILE *to = path ? fopen(path, "we") : stdout;
	if (!to)
		return trouble(-errno, "%s: %s", path, strerror(errno));
	write_all(to, run);
	bool good = !ferror(to) && fflush(to) == 0;
	int code = errno;
	if (path && fclose(to) != 0)
		good = false;
	return good ? 0 : trouble(-EIO, "%s: %s", path ? path : "standard output", strerror(code));
}
