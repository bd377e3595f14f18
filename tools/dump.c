/*
 * dump.c: stoa dump and stoa load: all objects to a file, and back.
 */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/output.h"
#include "tools/tool.h"

/* Where the dump goes: beside a file that is there, or is to be, and into it at the end; else straight into it. */
struct target {
	const char *path;
	char beside[PATH_MAX]; /* "": none */
	int fd;
};

/* Standard input and output are the verbs' and answers' in "stoa -". */
static bool is_standard(const struct tool *tool, const char *path)
{
	return strcmp(path, "-") == 0 && !tool->keeps;
}

static int cannot(const char *what, const char *path)
{
	return tool_refuse("cannot %s %s: %s", what, tool_word(path), strerror(errno));
}

static int target_open(const struct tool *tool, struct target *t)
{
	struct stat st;
	if (is_standard(tool, t->path)) {
		t->fd = STDOUT_FILENO;
		return isatty(t->fd) ? tool_refuse("a dump is not for a terminal: give a file") : TOOL_DONE;
	}
	bool is_file = lstat(t->path, &st) < 0 || S_ISREG(st.st_mode);
	if (is_file && (size_t)snprintf(t->beside, sizeof(t->beside), "%s.new-%d", t->path, (int)getpid()) >=
			       sizeof(t->beside)) {
		errno = ENAMETOOLONG;
		return cannot("make", t->path);
	}
	t->fd = is_file ? open(t->beside, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600)
			: open(t->path, O_WRONLY | O_CLOEXEC);
	return t->fd < 0 ? cannot("make", is_file ? t->beside : t->path) : TOOL_DONE;
}

/* Only a whole dump takes the place of another. */
static int target_close(struct target *t, int status)
{
	if (t->fd == STDOUT_FILENO)
		return status;
	if (t->beside[0] && status == TOOL_DONE && fsync(t->fd) < 0)
		status = cannot("write", t->beside);
	if (close(t->fd) < 0 && status == TOOL_DONE)
		status = cannot("write", t->path);
	if (t->beside[0] && status == TOOL_DONE && rename(t->beside, t->path) < 0)
		status = cannot("make", t->path);
	if (t->beside[0] && status != TOOL_DONE)
		unlink(t->beside);
	return status;
}

static void say(const char *what, const char *path, size_t n)
{
	if (out_json()) {
		out_begin(OUT_PLAIN);
		out_text(what, path);
		out_uint("objects", n);
		out_end();
	} else {
		fprintf(out_to(), "%zu objects\n", n);
	}
}

static int dump(struct tool *tool, int argc, char **argv)
{
	struct target t = { .path = argv[0] };
	size_t n = 0;
	int status = target_open(tool, &t);
	if (status != TOOL_DONE)
		return status;
	int r = stoa_dump(tool->stoa, argc > 1 ? argv[1] : NULL, t.fd, tool_option(tool, "peek") ? STOA_COMMITTED : 0,
			  tool->timeout, &n);
	status = target_close(&t, r < 0 ? tool_fail(r) : TOOL_DONE);
	if (status == TOOL_DONE && t.fd != STDOUT_FILENO)
		say("dumped", t.path, n);
	return status;
}

static const struct verb_option dump_options[] = {
	{ .name = "peek", .doc = "what is committed now, not waiting for pending writes" },
	{ 0 },
};

const struct verb verb_dump = {
	.name = "dump",
	.run = dump,
	.operands = "FILE [PATTERN]",
	.example = "dump today.stoa",
	.doc = "write all objects to a file",
	.more = "Or those whose names are like the pattern; as of one moment. FILE is replaced when the dump is whole, and\n"
		"readable by its owner only; - is standard output.\n",
	.options = dump_options,
	.flags = TOOL_READS,
	.least = 1,
	.most = 2,
};

static int load(struct tool *tool, int argc, char **argv)
{
	size_t n = 0;
	int fd = is_standard(tool, argv[0]) ? STDIN_FILENO : open(argv[0], O_RDONLY | O_CLOEXEC);
	(void)argc;
	if (fd < 0)
		return cannot("open", argv[0]);
	int r = stoa_load(tool->stoa, fd, tool->timeout, &n);
	if (fd != STDIN_FILENO)
		close(fd);
	if (r < 0)
		return tool_fail(r);
	say("loaded", argv[0], n);
	return TOOL_DONE;
}

const struct verb verb_load = {
	.name = "load",
	.run = load,
	.operands = "FILE",
	.example = "-n copy load today.stoa",
	.doc = "create the objects of a dump",
	.more = "None of them may be there. The coordinator needs their classes, with the same attributes. All of the file is\n"
		"checked before the first is created; - is standard input.\n",
	.least = 1,
	.most = 1,
};
