/*
 * options.c: see options.h.
 */
#include "bench/options.h"

#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct options options = { .table = true };

static const char usage[] =
	"Usage: stoa-bench [OPTION]...\n"
	"Measure stoa, the floors of the machine, and what one would take instead, side by side.\n"
	"\n"
	"What:\n"
	"      --ops=LIST       of W,R,S,C,RW,N (all): W update and go on; R read one attribute; S read the whole;\n"
	"                       C update, with the new value; RW write and read back; N hear of a change\n"
	"      --peers=LIST     of those that --list shows (all); stoa and floors are there in any case\n"
	"      --clients=LIST   client processes, at most 256 each (1,2,4,16)\n"
	"      --pin            servers on the first CPU, clients on the others;\n"
	"      --no-pin         or all where they like; default: one client both ways, more of them unpinned\n"
	"      --all            every number of clients in all ways: pinned and not, busy and parked; takes twice as long\n"
	"      --rate=N         N operations a second, instead of one after the other; latency counts from when each one\n"
	"                       was due\n"
	"      --scaling        instead: what R, W and C cost with more objects, attributes, bytes, namespaces, keys\n"
	"                       of a dict, and idle clients\n"
	"\n"
	"How long:\n"
	"      --rounds=N       in each, every contender has a slice (10)\n"
	"      --slice=MS       of each, times the number of clients over CPUs (20)\n"
	"      --quick          3 rounds, slices of 4 ms, 1 and 2 clients\n"
	"\n"
	"Output:\n"
	"      --json[=FILE]    one JSON object, on standard output instead of the table, or in FILE besides\n"
	"      --plot=FILE.svg  a picture of the distributions of latency\n"
	"      --list           the peers and their operations, and nothing is measured\n"
	"      --help, --version\n"
	"\n"
	"Servers of peers are started on sockets in a directory of their own, and end with the benchmark.\n"
	"Example: stoa-bench --ops=C,R --peers=redis,lmdb --clients=1,4\n";

enum { OPT_OPS = 256, OPT_PEERS, OPT_CLIENTS, OPT_PIN, OPT_NO_PIN, OPT_ALL, OPT_RATE, OPT_SCALING, OPT_ROUNDS, OPT_SLICE,
       OPT_QUICK, OPT_JSON, OPT_PLOT, OPT_LIST, OPT_HELP, OPT_VERSION };

static const struct option longs[] = {
	{ "ops", required_argument, NULL, OPT_OPS },
	{ "peers", required_argument, NULL, OPT_PEERS },
	{ "clients", required_argument, NULL, OPT_CLIENTS },
	{ "pin", no_argument, NULL, OPT_PIN },
	{ "no-pin", no_argument, NULL, OPT_NO_PIN },
	{ "all", no_argument, NULL, OPT_ALL },
	{ "rate", required_argument, NULL, OPT_RATE },
	{ "scaling", no_argument, NULL, OPT_SCALING },
	{ "rounds", required_argument, NULL, OPT_ROUNDS },
	{ "slice", required_argument, NULL, OPT_SLICE },
	{ "quick", no_argument, NULL, OPT_QUICK },
	{ "json", optional_argument, NULL, OPT_JSON },
	{ "plot", required_argument, NULL, OPT_PLOT },
	{ "list", no_argument, NULL, OPT_LIST },
	{ "help", no_argument, NULL, OPT_HELP },
	{ "version", no_argument, NULL, OPT_VERSION },
	{ 0 },
};

static bool wrong(const char *what, const char *text, const char *wanted)
{
	fprintf(stderr, "stoa-bench: %s=%s: %s\n", what, text, wanted);
	return false;
}

/* To be written to after minutes: tried before. */
static bool can_write(const char *what, const char *path)
{
	FILE *f = path ? fopen(path, "ae") : NULL;
	if (f)
		fclose(f);
	return f || !path || wrong(what, path, strerror(errno));
}

static bool number(const char *what, const char *text, double most, double *ret)
{
	char *end, wanted[80];
	double n = strtod(text, &end);
	if (end != text && *end == '\0' && n >= 1 && n <= most) {
		*ret = n;
		return true;
	}
	snprintf(wanted, sizeof(wanted), "not a number from 1 to %.0f", most);
	return wrong(what, text, wanted);
}

static bool count(const char *what, const char *text, double most, double *ret)
{
	return number(what, text, most, ret) && (*ret == (unsigned)*ret || wrong(what, text, "not a whole number"));
}

bool options_want(const char *list, const char *name)
{
	size_t length = strlen(name);
	for (const char *at = list; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL)
		if (strncmp(at, name, length) == 0 && (at[length] == ',' || at[length] == '\0'))
			return true;
	return list == NULL;
}

/* ---- lists of names ---- */

static bool is_kind(const char *name)
{
	for (int k = KIND_W; k < KIND_COUNT; k++)
		if (strcmp(kind_names[k], name) == 0)
			return true;
	return false;
}

static bool is_peer(const char *name)
{
	for (size_t i = 0; peers[i]; i++)
		if (strcmp(peers[i]->name, name) == 0)
			return true;
	return false;
}

static bool names(const char *what, const char *text, bool (*is_one)(const char *), const char *wanted)
{
	char *copy = strdup(text), *rest = copy, *name;
	bool good = copy != NULL;
	while (good && (name = strsep(&rest, ",")))
		good = is_one(name) || wrong(what, name, wanted);
	free(copy);
	return good;
}

static bool clients(const char *text)
{
	char *copy = strdup(text), *rest = copy, *n;
	bool good = copy != NULL;
	options.n_clients = 0;
	while (good && (n = strsep(&rest, ","))) {
		double value = 0;
		good = count("--clients", n, BENCH_CLIENTS_MAX, &value);
		if (good && options.n_clients == CLIENTS_LISTED_MOST)
			good = wrong("--clients", text, "too many");
		if (good)
			options.clients[options.n_clients++] = (unsigned)value;
	}
	free(copy);
	return good;
}

/* ---- what only prints ---- */

static void print_list(void)
{
	for (size_t i = 0; peers[i]; i++) {
		printf("%-14s %s\n", peers[i]->name, peers[i]->doc);
		for (size_t k = 0; k < peers[i]->n_ops; k++)
			printf("    %-6s %s\n", kind_names[peers[i]->ops[k].kind], peers[i]->ops[k].name);
	}
}

static bool ends_with(const char *text, const char *end)
{
	size_t n = strlen(text), m = strlen(end);
	return n > m && strcmp(text + n - m, end) == 0;
}

static bool take(int option)
{
	double n = 0;
	bool good = true;
	switch (option) {
	case OPT_OPS:
		options.kinds = optarg;
		return names("--ops", optarg, is_kind, "not one of W, R, S, C, RW, N");
	case OPT_PEERS:
		options.peers = optarg;
		return names("--peers", optarg, is_peer, "no such peer; --list shows them");
	case OPT_CLIENTS:
		return clients(optarg);
	case OPT_PIN:
		options.pinning = PINNING_ALL;
		return true;
	case OPT_NO_PIN:
		options.pinning = PINNING_NONE;
		return true;
	case OPT_ALL:
		options.pinning = PINNING_BOTH;
		return options.all_parked = true;
	case OPT_RATE:
		return number("--rate", optarg, 1e9, &options.rate);
	case OPT_SCALING:
		return options.scaling = true;
	case OPT_ROUNDS:
		good = count("--rounds", optarg, 10000, &n);
		options.rounds = (unsigned)n;
		return good;
	case OPT_SLICE:
		good = number("--slice", optarg, 60000, &n);
		options.slice_ns = (int64_t)(n * 1e6);
		return good;
	case OPT_QUICK:
		return options.quick = true;
	case OPT_JSON:
		options.json = true;
		options.json_path = optarg;
		options.table = optarg != NULL;
		return true;
	case OPT_PLOT:
		options.plot_path = optarg;
		return ends_with(optarg, ".svg") || wrong("--plot", optarg, "not the name of a .svg, which is what is written");
	default: /* getopt has said what is wrong */
		fputs("stoa-bench --help shows all options\n", stderr);
		return false;
	}
}

/* What was not given. */
static void fill_in(void)
{
	static const unsigned few[] = { 1, 2 }, many[] = { 1, 2, 4, 16 };
	if (!options.rounds)
		options.rounds = options.quick ? 3 : 10;
	if (!options.slice_ns)
		options.slice_ns = options.quick ? 4000000 : 20000000;
	if (!options.n_clients) {
		options.n_clients = options.quick ? 2 : 4;
		memcpy(options.clients, options.quick ? few : many, options.n_clients * sizeof(unsigned));
	}
}

enum options_then options_read(int argc, char **argv)
{
	static char name[] = "stoa-bench";
	argv[0] = name; /* for what getopt says */
	for (int option; (option = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
		if (option == OPT_HELP || option == OPT_VERSION || option == OPT_LIST) {
			if (option == OPT_LIST)
				print_list();
			else
				fputs(option == OPT_HELP ? usage : "stoa-bench " PACKAGE_VERSION "\n", stdout);
			return OPTIONS_DONE;
		}
		if (!take(option))
			return OPTIONS_WRONG;
	}
	if (optind < argc) {
		fprintf(stderr, "stoa-bench: %s: nothing but options is expected; see --help\n", argv[optind]);
		return OPTIONS_WRONG;
	}
	bool chosen = options.kinds || options.peers || options.n_clients || options.pinning != PINNING_MIXED;
	if (options.scaling && (chosen || options.plot_path || options.rate)) {
		fputs("stoa-bench: --scaling is of stoa alone, R, W and C, one client, pinned: it goes with --rounds,\n"
		      "--slice, --quick and --json only\n",
		      stderr);
		return OPTIONS_WRONG;
	}
	if (!can_write("--json", options.json_path) || !can_write("--plot", options.plot_path))
		return OPTIONS_WRONG;
	fill_in();
	return OPTIONS_RUN;
}
