/*
 * replay.c: a fuzz target without libFuzzer: the corpus, then mutations of it for a second, or DURATION. SEED repeats
 * them. With files as arguments: these only. Without coverage to guide it, it finds what lies near the corpus.
 *
 * An input that ends the process is left behind as fuzz_<what>.crash.
 */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tests/fuzz/fuzz.h"
#include "tests/torture/torture.h"

#define INPUT_MAX 4096
#define INPUTS_MAX 1024
#define HANG_SECONDS 20 /* for one input */

static struct sample {
	uint8_t *bytes;
	size_t size;
} corpus[INPUTS_MAX];
static size_t n_corpus;
static const uint8_t *running;
static size_t running_size;
static char crash_file[64];

/* ---- one input ---- */

static void on_crash(int sig)
{
	int fd = open(crash_file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
	if (fd >= 0 && write(fd, running, running_size) == (ssize_t)running_size)
		close(fd);
	signal(sig, SIG_DFL);
	raise(sig);
}

static void run(const uint8_t *bytes, size_t size)
{
	running = bytes;
	running_size = size;
	alarm(HANG_SECONDS);
	LLVMFuzzerTestOneInput(bytes, size);
}

/* ---- corpus ---- */

static void take_file(const char *path)
{
	struct stat st;
	FILE *f = fopen(path, "re");
	if (!f || fstat(fileno(f), &st) < 0 || n_corpus == INPUTS_MAX) {
		torture_fail("cannot take %s", path);
		return;
	}
	struct sample *s = &corpus[n_corpus++];
	s->size = (size_t)st.st_size;
	s->bytes = malloc(s->size + 1);
	torture_check(s->bytes && fread(s->bytes, 1, s->size, f) == s->size, "cannot read %s", path);
	fclose(f);
}

static int is_visible(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

static void take_corpus(const char *what)
{
	char dir[2048], path[4096];
	struct dirent **names = NULL;
	const char *srcdir = getenv("srcdir");
	snprintf(dir, sizeof(dir), "%s/tests/fuzz/corpus/%s", srcdir ? srcdir : ".", what);
	int n = scandir(dir, &names, is_visible, alphasort);
	torture_check(n > 0, "there is no corpus in %s; srcdir says where the source tree is", dir);
	for (int i = 0; i < n; i++) {
		snprintf(path, sizeof(path), "%s/%s", dir, names[i]->d_name);
		take_file(path);
		free(names[i]);
	}
	free(names);
}

/* ---- mutations ---- */

static size_t mutate(uint8_t *b, size_t n)
{
	static const uint64_t odd[] = { 0, 1, 0x7f, 0x80, 0xff, 0xffff, 0x7fffffff, UINT32_MAX, UINT64_MAX, 64, 4096 };
	size_t at = torture_random(n + 1), k = 1u << torture_random(4), more = torture_random(16) + 1;
	const struct sample *other = &corpus[torture_random(n_corpus)];
	switch (torture_random(6)) {
	case 0: /* a bit */
		if (at < n)
			b[at] ^= (uint8_t)(1 << torture_random(8));
		return n;
	case 1: /* a number */
		if (at + k <= n)
			memcpy(b + at, &odd[torture_random(sizeof(odd) / sizeof(*odd))], k);
		return n;
	case 2: /* a byte */
		if (at < n)
			b[at] = (uint8_t)torture_random(256);
		return n;
	case 3: /* bytes come */
		more = n + more > INPUT_MAX ? INPUT_MAX - n : more;
		memmove(b + at + more, b + at, n - at);
		for (size_t i = 0; i < more; i++)
			b[at + i] = (uint8_t)torture_random(256);
		return n + more;
	case 4: /* bytes go */
		more = more > n - at ? n - at : more;
		memmove(b + at, b + at + more, n - at - more);
		return n - more;
	default: /* the rest is another's */
		more = other->size > at ? other->size - at : 0;
		more = more > INPUT_MAX - at ? INPUT_MAX - at : more;
		if (more)
			memcpy(b + at, other->bytes + at, more);
		return more ? at + more : n;
	}
}

static void run_mutation(void)
{
	static uint8_t bytes[INPUT_MAX];
	const struct sample *s = &corpus[torture_random(n_corpus)];
	size_t n = s->size < INPUT_MAX ? s->size : INPUT_MAX;
	memcpy(bytes, s->bytes, n);
	for (uint64_t i = torture_random(6) + 1; i > 0; i--)
		n = mutate(bytes, n);
	uint8_t *exact = malloc(n ? n : 1);
	memcpy(exact, bytes, n);
	run(exact, n);
	free(exact);
}

int main(int argc, char **argv)
{
	const char *name = strrchr(argv[0], '/') ? strrchr(argv[0], '/') + 1 : argv[0];
	const char *what = strstr(name, "fuzz_") ? strstr(name, "fuzz_") + 5 : name;
	uint64_t n = 0;
	torture_begin(name, 1);
	snprintf(crash_file, sizeof(crash_file), "fuzz_%s.crash", what);
	for (int i = 1; i < argc; i++)
		take_file(argv[i]);
	if (argc == 1)
		take_corpus(what);
	signal(SIGABRT, on_crash);
	signal(SIGSEGV, on_crash);
	signal(SIGALRM, on_crash);
	for (size_t i = 0; i < n_corpus; i++)
		run(corpus[i].bytes, corpus[i].size);
	torture_go();
	for (; argc == 1 && n_corpus && n < torture.rounds && clock_now() < torture.end_ns; n++)
		run_mutation();
	alarm(0);
	printf("%zu inputs, %ju mutations\n", n_corpus, (uintmax_t)n);
	for (size_t i = 0; i < n_corpus; i++)
		free(corpus[i].bytes);
	fuzz_end();
	return torture_end();
}
