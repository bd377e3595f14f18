/*
 * arguments.c: see arguments.h. Of getopt's globals only optind matters, which each reading sets anew.
 */
#include "coordinator/arguments.h"

#include <errno.h>
#include <getopt.h>
#include <grp.h>
#include <pwd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char arguments_usage[] =
	"Usage: stoad [OPTION]... [MODULE.so]...\n"
	"Serve a namespace with the classes of the modules, and the built-in ones, until SIGTERM.\n"
	"\n"
	"  -n, --namespace=NAME   what to serve; default: $STOA_NAMESPACE, or \"default\"\n"
	"      --volatile         remove the state at the end; else the next start goes on with it\n"
	"      --verify           also check undeclared writes and reads, in objects of any size\n"
	"      --allow=USER       let this user attach too (a name or a number; again for more)\n"
	"      --group=GROUP      let the members of this group attach\n"
	"      --read-only-group=GROUP   let them read only\n"
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
	OPT_GROUP,
	OPT_READ_ONLY_GROUP,
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
	{ "group", required_argument, NULL, OPT_GROUP },
	{ "read-only-group", required_argument, NULL, OPT_READ_ONLY_GROUP },
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

static bool wrong(struct arguments *a, const char *format, ...) __attribute__((format(printf, 2, 3)));

static bool wrong(struct arguments *a, const char *format, ...)
{
	va_list list;
	va_start(list, format);
	vsnprintf(a->error, sizeof(a->error), format, list);
	va_end(list);
	return false;
}

/* "64K": 1 to most. */
static bool number(struct arguments *a, const char *option, uint64_t most, uint64_t *ret)
{
	static const char units[] = "KMG";
	char *end;
	errno = 0;
	unsigned long long n = strtoull(optarg, &end, 10);
	const char *unit = *end ? strchr(units, *end) : NULL;
	int shift = unit ? (int)(unit - units + 1) * 10 : 0;
	bool good = errno == 0 && optarg[0] >= '0' && optarg[0] <= '9' && end[unit != NULL] == '\0';
	if (!good || n == 0 || n > most >> shift)
		return wrong(a, "--%s=%s is not a number from 1 to %ju; it may end in K, M or G", option, optarg,
			     (uintmax_t)most);
	*ret = n << shift;
	return true;
}

static bool set_u32(struct arguments *a, const char *option, uint32_t *to)
{
	uint64_t n = 0;
	bool good = number(a, option, UINT32_MAX, &n);
	*to = (uint32_t)n;
	return good;
}

static bool set_ms(struct arguments *a, const char *option, int64_t *to)
{
	uint64_t n = 0;
	bool good = number(a, option, INT64_MAX / STOA_MS(1), &n);
	*to = STOA_MS((int64_t)n);
	return good;
}

static bool is_id(const char *text, uint64_t *ret)
{
	char *end;
	errno = 0;
	unsigned long long id = strtoull(text, &end, 10);
	bool good = errno == 0 && text[0] >= '0' && text[0] <= '9' && *end == '\0' && id < UINT32_MAX;
	if (good)
		*ret = id;
	return good;
}

static bool allow(struct arguments *a, const char *user)
{
	uint64_t uid = 0;
	const struct passwd *known = getpwnam(user);
	if (!known && !is_id(user, &uid))
		return wrong(a, "--allow=%s: no such user", user);
	if (a->options.n_uids == ARGUMENTS_UIDS_MAX)
		return wrong(a, "--allow=%s: more than %d users", user, ARGUMENTS_UIDS_MAX);
	a->uids[a->options.n_uids++] = known ? known->pw_uid : (uid_t)uid;
	return true;
}

/* Group 0 cannot be named: in the options, that is none. */
static bool set_group(struct arguments *a, const char *option, gid_t *to)
{
	uint64_t gid = 0;
	const struct group *known = getgrnam(optarg);
	if (!known && !is_id(optarg, &gid))
		return wrong(a, "--%s=%s: no such group", option, optarg);
	*to = known ? known->gr_gid : (gid_t)gid;
	return *to ? true : wrong(a, "--%s=%s: not that one; root may attach anyway", option, optarg);
}

static bool set_limit(struct arguments *a, int c, const char *option)
{
	struct stoa_options *o = &a->options;
	switch (c) {
	case OPT_MAX_STATE:
		return number(a, option, INT64_MAX, &o->max_state);
	case OPT_MAX_OBJECTS:
		return set_u32(a, option, &o->max_objects);
	case OPT_MAX_THREADS:
		return set_u32(a, option, &o->max_threads);
	case OPT_MAX_ATTRS:
		return set_u32(a, option, &o->max_attrs);
	case OPT_MAX_QUEUE:
		return set_u32(a, option, &o->max_queue);
	case OPT_DEADLINE:
		return set_ms(a, option, &o->deadline);
	default:
		return set_ms(a, option, &o->timeout);
	}
}

static bool set(struct arguments *a, int c, const char *option)
{
	switch (c) {
	case 'n':
		a->name = optarg;
		return true;
	case OPT_VOLATILE:
		a->options.flags &= ~(unsigned)STOA_KEEP;
		return true;
	case OPT_VERIFY:
		a->options.flags |= STOA_VERIFY;
		return true;
	case OPT_ALLOW:
		return allow(a, optarg);
	case OPT_GROUP:
		return set_group(a, option, &a->options.group);
	case OPT_READ_ONLY_GROUP:
		return set_group(a, option, &a->options.read_only_group);
	case OPT_SYSLOG:
		return a->syslog = true;
	case OPT_HELP:
		return a->help = true;
	case OPT_VERSION:
		return a->version = true;
	default:
		return set_limit(a, c, option);
	}
}

static bool misused(struct arguments *a, int c, const char *word)
{
	if (optopt && optopt < OPT_VOLATILE)
		return wrong(a, "option -%c %s", optopt, c == ':' ? "needs an argument" : "is not known");
	return wrong(a, "option %s %s", word,
		     c == ':' ? "needs an argument"
		     : optopt ? "takes no argument"
			      : "is not known, or could be several");
}

bool arguments_read(int argc, char **argv, struct arguments *ret)
{
	int c = 0, i = 0;
	*ret = (struct arguments){ .options = { .size = sizeof(ret->options), .flags = STOA_KEEP, .uids = ret->uids } };
	optind = 0; /* begin anew, also where the reading before stopped in the middle */
	opterr = 0;
	while (!ret->help && !ret->version && (c = getopt_long(argc, argv, ":n:", long_options, &i)) != -1)
		if (c == '?' || c == ':' ? !misused(ret, c, argv[optind - 1]) : !set(ret, c, long_options[i].name))
			return false;
	ret->modules = argv + optind;
	return true;
}
