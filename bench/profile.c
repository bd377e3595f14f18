/*
 * profile.c: stoa-profile: see profile.h. Exit status: 0, 1 for a failure, 2 for a wrong option.
 */
#include "bench/profile.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "bench/cpu.h"
#include "bench/ticks.h"

#define CALLS 50000
#define BURSTS 50

static const char usage[] =
	"Usage: stoa-profile [OPTION]...\n"
	"Show where the time of a call goes, with its client and the coordinator on a CPU each, and what the casts of\n"
	"several clients met that took long.\n"
	"\n"
	"      --clients=N  that cast (4), at most 256\n"
	"      --pause=MS   between their bursts (50), at most 10000; what has rested long is slow at first\n"
	"      --quick      a tenth of the calls and of the casts\n"
	"      --help\n";

static unsigned clients = 4, pause_ms = 50;
static bool quick;

/* ---- processes ---- */

void *profile_share(size_t size)
{
	void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (at != MAP_FAILED)
		return at;
	trouble(-errno, "no memory to share: %s", strerror(errno));
	return NULL;
}

static void be_client(unsigned me, profile_client *client, void *data, pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	int r = client(me, data);
	if (r < 0)
		fprintf(stderr, "stoa-profile: client %u: %s\n", me, trouble_text());
	_exit(r < 0);
}

int profile_fork(unsigned n, profile_client *client, void *data, pid_t *ret_pids)
{
	pid_t parent = getpid();
	for (unsigned i = 0; i < n; i++) {
		ret_pids[i] = fork();
		if (ret_pids[i] == 0)
			be_client(i, client, data, parent);
		if (ret_pids[i] > 0)
			continue;
		int r = -errno;
		while (i-- > 0)
			kill(ret_pids[i], SIGKILL);
		return trouble(r, "no process for a client: %s", strerror(-r));
	}
	return 0;
}

int profile_join(unsigned n, const pid_t *pids)
{
	int r = 0;
	for (unsigned i = 0; i < n; i++) {
		int status = 1;
		while (waitpid(pids[i], &status, 0) < 0 && errno == EINTR) {}
		r = status ? trouble(-EIO, "a client has failed") : r;
	}
	return r;
}

/* ---- the whole ---- */

static int measure(void)
{
	struct stoa *s = NULL;
	struct stoa_proxy *tally;
	char cpu[128];
	int r = calls_begin();
	if (r < 0)
		return r;
	r = stoa_start("profile", STOA_CLASSES(&tally_class), NULL, &s);
	r = r ? r : stoa_create(s, "tally", &tally_class, NULL, 0, &tally);
	if (r < 0)
		stoa_trouble(r);
	printf("stoa-profile: %u CPUs, %s; a reading of the clock takes %.0f ns, and is in each time\n", cpu_count(),
	       cpu_name(cpu, sizeof(cpu)), ticks.reading_ns);
	r = r ? r : calls_profile(s, tally, quick ? CALLS / 10 : CALLS);
	r = r ? r : casts_profile(s, tally, clients, quick ? BURSTS / 10 : BURSTS, (int64_t)pause_ms * 1000000);
	stoa_detach(s);
	if (r == 0 && (fflush(stdout) != 0 || ferror(stdout)))
		r = trouble(-EIO, "it could not be written: %s", strerror(errno));
	return r;
}

static bool read_number(const char *what, const char *text, unsigned long most, unsigned *ret)
{
	char *end;
	unsigned long n = strtoul(text, &end, 10);
	*ret = (unsigned)n;
	if (*text >= '0' && *text <= '9' && *end == '\0' && n >= 1 && n <= most)
		return true;
	fprintf(stderr, "stoa-profile: %s=%s: it takes a number from 1 to %lu\n", what, text, most);
	return false;
}

static bool read_option(int c)
{
	quick = quick || c == 'q';
	if (c == '?')
		fputs("stoa-profile --help shows all options\n", stderr);
	return c == 'c'	  ? read_number("--clients", optarg, BENCH_CLIENTS_MAX, &clients)
	       : c == 'p' ? read_number("--pause", optarg, 10000, &pause_ms)
			  : c != '?';
}

int main(int argc, char **argv)
{
	static const struct option longs[] = { { "clients", required_argument, NULL, 'c' },
					       { "pause", required_argument, NULL, 'p' },
					       { "quick", no_argument, NULL, 'q' },
					       { "help", no_argument, NULL, 'h' },
					       { 0 } };
	for (int c; (c = getopt_long(argc, argv, "", longs, NULL)) != -1;) {
		if (c == 'h')
			return fputs(usage, stdout) == EOF || fflush(stdout) != 0;
		if (!read_option(c))
			return 2;
	}
	if (optind < argc) {
		fprintf(stderr, "stoa-profile: %s: it takes options only; see --help\n", argv[optind]);
		return 2;
	}
	cpu_begin();
	ticks_begin();
	if (measure() == 0)
		return 0;
	fprintf(stderr, "stoa-profile: %s\n", trouble_text());
	return 1;
}
