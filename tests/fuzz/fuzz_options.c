/*
 * fuzz_options.c: the command lines of stoa and stoad, the lines of "stoa -", and names. Input: which of them, and words,
 * one a line. Nobody is attached to, and nothing started: the verbs end there, as without a coordinator; and those that
 * look for namespaces find none.
 */
#include "tests/fuzz/fuzz.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "coordinator/arguments.h"
#include "src/names.h"

int tool_main(int argc, char **argv);
#define main tool_main
#include "tools/main.c"
#undef main

#define WORDS_MAX 100

/* Linked in the place of stoa_attach (--wrap). */
int __wrap_stoa_attach(const char *name, const struct stoa_options *options, struct stoa **ret);
int __wrap_stoa_attach(const char *name, const struct stoa_options *options, struct stoa **ret)
{
	(void)ret;
	fuzz_check(name && options->timeout > 0, "attached with a timeout of %jd", (intmax_t)options->timeout);
	return -ENOENT;
}

int __wrap_stoa_start(const char *name, const struct stoa_class *const *classes, const struct stoa_options *options,
		      struct stoa **ret);
int __wrap_stoa_start(const char *name, const struct stoa_class *const *classes, const struct stoa_options *options,
		      struct stoa **ret)
{
	(void)classes;
	(void)options;
	(void)ret;
	fuzz_check(name != NULL, "started without a name");
	return -ENOSPC;
}

static void stoad_words(int argc, char **argv)
{
	struct arguments a;
	bool good = arguments_read(argc, argv, &a);
	fuzz_check(memchr(a.error, '\0', sizeof(a.error)), "the error has no end");
	fuzz_check(good || a.error[0], "refused without a reason");
	if (!good)
		return;
	fuzz_check(a.options.uids == a.uids && a.options.n_uids <= ARGUMENTS_UIDS_MAX, "%u users", a.options.n_uids);
	fuzz_check(a.options.deadline >= 0 && a.options.timeout >= 0, "a time is negative");
	fuzz_check(a.modules >= argv && a.modules <= argv + argc && argv[argc] == NULL, "the modules lie elsewhere");
}

/* What it says goes nowhere, and "stoa -" has nothing to read. */
static void stoa_words(int argc, char **argv)
{
	static FILE *nowhere;
	FILE *out = stdout, *err = stderr;
	if (!nowhere)
		fuzz_check(freopen("/dev/null", "re", stdin) && setenv("STOA_DIR", "/nix/nix", 1) == 0, "no /dev/null");
	nowhere = nowhere ? nowhere : fopen("/dev/null", "we");
	stdout = stderr = nowhere;
	int status = tool_main(argc, argv);
	stdout = out;
	stderr = err;
	bool ran = status == 125; /* stoa run: it had no coordinator */
	fuzz_check((status >= TOOL_DONE && status <= TOOL_UNKNOWN) || ran, "exit status %d", status);
}

/* The text is what it reads. */
static void stoa_lines(const char *text, size_t size)
{
	char *words[] = { (char *)"stoa", (char *)"-", NULL };
	int fd = memfd_create("lines", MFD_CLOEXEC);
	fuzz_check(fd >= 0 && write(fd, text, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0, "no memfd");
	int keep = dup(STDIN_FILENO);
	dup2(fd, STDIN_FILENO);
	close(fd);
	stoa_words(2, words);
	dup2(keep, STDIN_FILENO);
	close(keep);
}

static void name(const char *text)
{
	char above[PATH_MAX], dir[PATH_MAX], object[STOA_NAME_MAX + 1];
	const char *attr;
	for (int i = 0; i < 2; i++) {
		if (names_check(i ? "object" : "namespace", text) < 0)
			continue;
		fuzz_check(text[0] && strlen(text) <= STOA_NAME_MAX && !strpbrk(text, "/.\n "), "\"%s\" is a name",
			   text);
		if (names_dir(text, above, dir) == 0)
			fuzz_check(strncmp(dir, above, strlen(above)) == 0 && strrchr(dir, '/') == dir + strlen(above),
				   "%s is not in %s", dir, above);
	}
	if (tool_split(text, object, &attr))
		fuzz_check(strlen(object) + 1 + strlen(attr) == strlen(text), "\"%s\" is taken apart wrongly", text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct input in = { data, size };
	char text[2048], *words[WORDS_MAX + 1] = { (char *)"program" };
	int n = 1;
	uint8_t how = input_u8(&in);
	size_t left = in.left < sizeof(text) - 1 ? in.left : sizeof(text) - 1;
	input_bytes(&in, text, left);
	text[left] = '\0';
	if (how & 0x80) {
		stoa_lines(text, left);
		return 0;
	}
	for (char *rest = text, *word; n < WORDS_MAX && (word = strsep(&rest, "\n"));)
		words[n++] = word;
	words[n] = NULL;
	if (how % 3 == 0)
		stoad_words(n, words);
	else if (how % 3 == 1)
		stoa_words(n, words);
	for (int i = 1; how % 3 == 2 && i < n; i++)
		name(words[i]);
	return 0;
}
