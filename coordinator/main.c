/*
 * main.c: stoad, a coordinator for the classes of modules. It reads its arguments and calls stoa_serve.
 *
 * Exit status: 0 ended, 1 refused (the reason is in the log), 2 usage.
 */
#include <errno.h>
#include <getopt.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>

#include "coordinator/module.h"
#include "coordinator/notify.h"
#include "include/stoa.h"
#include "src/clock.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

#define UIDS_MAX 64

struct setup {
	const char *name;
	const struct stoa_class **classes;
	struct stoa_options options;
	uid_t uids[UIDS_MAX];
	bool syslog;
	int64_t watchdog, fed; /* how often, when last */
};

static const char usage[] =
	"Usage: stoad [OPTION]... [MODULE.so]...\n"
	"Serve a namespace with the classes of the modules, and the built-in ones, until SIGTERM.\n"
	"\n"
	"  -n, --namespace=NAME   what to serve; default: $STOA_NAMESPACE, or \"default\"\n"
	"      --volatile         remove the state at the end; else the next start goes on with it\n"
	"      --verify           also check undeclared writes and reads, in objects of any size\n"
	"      --allow=USER       let this user attach too (a name or a number; again for more)\n"
	"      --syslog           log there, and not to standard error\n"
	"      --help, --version\n"
	"\n"
	"Limits; numbers may end in K, M or G. They are taken when a namespace is made.\n"
	"      --max-state=BYTES    (1G)      --max-objects=N    (64K)\n"
	"      --max-threads=N      (1K)      --max-attrs=N      (4M)\n"
	"      --max-queue=N        (8K)      commands; a power of two\n"
	"      --deadline=MS        (1000)    longest run of a method\n"
	"      --timeout=MS         (5000)    how long to wait for a predecessor that is ending\n"
	"\n"
	"Example: stoad -n web --max-state=256M ./limits.so\n"
	"See stoad(8).\n";

enum {
	OPT_VOLATILE = 256,
	OPT_VERIFY,
	OPT_ALLOW,
	OPT_SYSLOG,
	OPT_MAX_STATE,
	OPT_MAX_OBJECTS,
	OPT_MAX_THREADS,
	OPT_MAX_ATTRS,
	OPT_MAX_QUEUE,
	OPT_DEADLINE,
	OPT_TIMEOUT,
	OPT_HELP,
	OPT_VERSION,
};

static const struct option long_options[] = {
	{ "namespace", required_argument, NULL, 'n' },
	{ "volatile", no_argument, NULL, OPT_VOLATILE },
	{ "verify", no_argument, NULL, OPT_VERIFY },
	{ "allow", required_argument, NULL, OPT_ALLOW },
	{ "syslog", no_argument, NULL, OPT_SYSLOG },
	{ "max-state", required_argument, NULL, OPT_MAX_STATE },
	{ "max-objects", required_argument, NULL, OPT_MAX_OBJECTS },
	{ "max-threads", required_argument, NULL, OPT_MAX_THREADS },
	{ "max-attrs", required_argument, NULL, OPT_MAX_ATTRS },
	{ "max-queue", required_argument, NULL, OPT_MAX_QUEUE },
	{ "deadline", required_argument, NULL, OPT_DEADLINE },
	{ "timeout", required_argument, NULL, OPT_TIMEOUT },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ 0 },
};

static void say(void *data, int priority, const char *text)
{
	const struct setup *s = data;
	if (s->syslog)
		syslog(priority, "%s", text);
	else
		fprintf(stderr, "stoad: %s\n", text);
}

static void ready(void *data)
{
	(void)data;
	notify_send("READY=1");
}

static void alive(void *data)
{
	struct setup *s = data;
	int64_t now = clock_now();
	if (s->watchdog == 0 || now - s->fed < s->watchdog)
		return;
	s->fed = now;
	notify_send("WATCHDOG=1");
}

/* "64K": 1 to most. Otherwise 0, and it is said. */
static uint64_t number(const char *option, const char *text, uint64_t most)
{
	static const char units[] = "KMG";
	char *end;
	errno = 0;
	unsigned long long n = strtoull(text, &end, 10);
	const char *unit = *end ? strchr(units, *end) : NULL;
	int shift = unit ? (int)(unit - units + 1) * 10 : 0;
	bool good = errno == 0 && text[0] >= '0' && text[0] <= '9' && end[unit != NULL] == '\0';
	if (good && n > 0 && n <= most >> shift)
		return n << shift;
	fprintf(stderr, "stoad: --%s=%s is not a number from 1 to %ju; it may end in K, M or G\n", option, text,
		(uintmax_t)most);
	return 0;
}

static bool set_u64(uint64_t *to, const char *option, uint64_t most, uint64_t factor)
{
	uint64_t n = number(option, optarg, most / factor);
	*to = n * factor;
	return n > 0;
}

static bool set_u32(uint32_t *to, const char *option)
{
	uint64_t n = number(option, optarg, UINT32_MAX);
	*to = (uint32_t)n;
	return n > 0;
}

static bool set_ms(int64_t *to, const char *option)
{
	uint64_t n;
	bool good = set_u64(&n, option, INT64_MAX, STOA_MS(1));
	*to = (int64_t)n;
	return good;
}

static bool allow(struct setup *s, const char *user)
{
	char *end;
	unsigned long uid = strtoul(user, &end, 10);
	const struct passwd *known = getpwnam(user);
	bool is_number = user[0] >= '0' && user[0] <= '9' && *end == '\0' && uid < UINT32_MAX;
	if ((!known && !is_number) || s->options.n_uids == UIDS_MAX) {
		fprintf(stderr, "stoad: --allow=%s: %s\n", user,
			known || is_number ? "too many users" : "no such user");
		return false;
	}
	s->uids[s->options.n_uids++] = known ? known->pw_uid : (uid_t)uid;
	return true;
}

static bool set_limit(struct stoa_options *o, int c, const char *option)
{
	switch (c) {
	case OPT_MAX_STATE:
		return set_u64(&o->max_state, option, INT64_MAX, 1);
	case OPT_MAX_OBJECTS:
		return set_u32(&o->max_objects, option);
	case OPT_MAX_THREADS:
		return set_u32(&o->max_threads, option);
	case OPT_MAX_ATTRS:
		return set_u32(&o->max_attrs, option);
	case OPT_MAX_QUEUE:
		return set_u32(&o->max_queue, option);
	case OPT_DEADLINE:
		return set_ms(&o->deadline, option);
	case OPT_TIMEOUT:
		return set_ms(&o->timeout, option);
	default:
		return false; /* getopt_long has said why */
	}
}

static bool set(struct setup *s, int c, const char *option)
{
	switch (c) {
	case 'n':
		s->name = optarg;
		return true;
	case OPT_VOLATILE:
		s->options.flags &= ~(unsigned)STOA_KEEP;
		return true;
	case OPT_VERIFY:
		s->options.flags |= STOA_VERIFY;
		return true;
	case OPT_ALLOW:
		return allow(s, optarg);
	case OPT_SYSLOG:
		s->syslog = true;
		return true;
	case OPT_HELP:
		fputs(usage, stdout);
		exit(0);
	case OPT_VERSION:
		puts("stoad " PACKAGE_VERSION);
		exit(0);
	default:
		return set_limit(&s->options, c, option);
	}
}

static bool read_arguments(struct setup *s, int argc, char **argv)
{
	int c, i = 0;
	while ((c = getopt_long(argc, argv, "n:", long_options, &i)) != -1)
		if (!set(s, c, long_options[i].name))
			return false;
	return true;
}

static int serve(struct setup *s, char **modules)
{
	struct stoa_error e = { 0 };
	int r = 0;
	for (; r == 0 && *modules; modules++)
		r = module_load(*modules, &s->classes, e.text);
	if (r == 0) {
		r = stoa_serve(s->name, s->classes, &s->options);
		notify_send("STOPPING=1");
		stoa_last_error(&e);
	}
	if (r < 0)
		say(s, LOG_ERR, e.text);
	free(s->classes);
	return r < 0;
}

int main(int argc, char **argv)
{
	struct setup s = { .name = getenv("STOA_NAMESPACE"), .watchdog = notify_watchdog() };
	s.options = (struct stoa_options){
		.size = sizeof(s.options),
		.flags = STOA_KEEP,
		.uids = s.uids,
		.log = say,
		.ready = ready,
		.alive = alive,
		.data = &s,
	};
	if (!s.name || !s.name[0])
		s.name = "default";
	if (!read_arguments(&s, argc, argv)) {
		fputs("Try 'stoad --help'.\n", stderr);
		return 2;
	}
	if (s.syslog)
		openlog("stoad", LOG_PID, LOG_DAEMON);
	return serve(&s, argv + optind);
}
