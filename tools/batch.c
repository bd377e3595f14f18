/*
 * batch.c: "stoa -", verbs on standard input, an answer for each on standard output.
 *
 * The namespace stays attached and its objects open. Calls that follow one another are sent at once, and answered in
 * order: who wrote many lines does not wait for the coordinator line by line. Answers are written when the input runs
 * dry: before each read.
 */
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/output.h"
#include "tools/tool.h"
#include "tools/value.h"

#define READ_SIZE (64u << 10)
#define SENT_MAX 64u /* calls in flight */

/* What a verb prints: kept, until it is known how it ended. */
struct caught {
	FILE *to;
	char *text;
	size_t n;
};

struct batch {
	struct tool *tool;
	struct caught out, err;
	char **words;
	size_t n_words, room;
	char *input; /* what is read, and not yet done */
	size_t n, size;
	bool refused; /* some verb was */
	struct tool_sent sent[SENT_MAX]; /* calls that are not answered yet: number i at i % SENT_MAX */
	unsigned first_sent, n_sent;	 /* the oldest, and how many */
};

/* ---- what was printed ---- */

static bool catch_open(struct caught *c)
{
	c->to = open_memstream(&c->text, &c->n);
	return c->to;
}

/* Now text and n are what was printed. */
static void end_all(struct batch *b)
{
	out_flush();
	fflush(b->err.to);
}

static void begin_again(struct batch *b)
{
	fseeko(b->out.to, 0, SEEK_SET);
	fseeko(b->err.to, 0, SEEK_SET);
}

static void catch_close(struct caught *c)
{
	if (c->to)
		fclose(c->to);
	free(c->text);
}

/* ---- answering ---- */

/* Records are lines: one stands alone, unless there could have been more. */
static void print_records(const char *text, size_t n, bool many)
{
	if (many)
		putchar('[');
	for (size_t i = 0; i < n; i++)
		if (text[i] != '\n')
			putchar_unlocked(text[i]);
		else if (i + 1 < n)
			putchar_unlocked(',');
	if (many)
		putchar(']');
}

static void print_done(const struct batch *b, bool many)
{
	bool any = b->out.n || many, json = b->tool->json;
	fputs(json ? "{\"status\":0" : "ok", stdout);
	if (any)
		fputs(json ? ",\"answer\":" : " ", stdout);
	print_records(b->out.text, b->out.n, many);
	puts(json ? "}" : "");
}

/* "stoa: " is for people at a terminal, and so are line ends. */
static void print_refused(struct batch *b, int status)
{
	char *text = b->err.text;
	size_t prefix = strncmp(text, "stoa: ", 6) == 0 ? 6 : 0;
	text[b->err.n - (b->err.n > 0)] = '\0'; /* the last line end */
	for (char *end = text; (end = strchr(end, '\n'));)
		*end = ' ';
	if (!b->tool->json) {
		printf("error %d %s\n", status, text + prefix);
		return;
	}
	printf("{\"status\":%d,\"error\":", status);
	value_print_json(stdout, text + prefix);
	puts("}");
}

static void answer(struct batch *b, int status)
{
	bool monitor = b->tool->verb && b->tool->verb->flags & TOOL_MONITOR, many = out_is_many();
	end_all(b);
	if (status == TOOL_DONE || (monitor && b->err.n == 0)) {
		print_done(b, many);
	} else {
		print_refused(b, status);
		b->refused = true;
	}
	begin_again(b);
}

/* ---- one line ---- */

static bool add_word(struct batch *b, char *word)
{
	if (b->n_words + 1 >= b->room) {
		char **more = realloc(b->words, (b->room = 2 * b->room + 16) * sizeof(*more));
		if (!more)
			return false;
		b->words = more;
	}
	b->words[b->n_words++] = word;
	b->words[b->n_words] = NULL;
	return true;
}

/* What a backslash in "..." stands for. */
static char escaped(char c)
{
	static const char letters[] = "nrt", values[] = "\n\r\t";
	const char *at = strchr(letters, c);
	return at ? values[at - letters] : c;
}

/* One word, unquoted where it stands. NULL: a quote is not closed. Else where the next one may begin. */
static char *take_word(char *at)
{
	char *to = at, quote = '\0';
	for (; *at && (quote || (*at != ' ' && *at != '\t')); at++) {
		if (*at == quote)
			quote = '\0';
		else if (!quote && (*at == '"' || *at == '\''))
			quote = *at;
		else if (*at == '\\' && quote != '\'' && at[1])
			*to++ = quote ? escaped(*++at) : *++at;
		else
			*to++ = *at;
	}
	if (quote)
		return NULL;
	char *next = *at ? at + 1 : at;
	*to = '\0';
	return next;
}

/* NULL, or why it cannot be. */
static const char *split(struct batch *b, char *line)
{
	for (;;) {
		line += strspn(line, " \t");
		if (!*line || (*line == '#' && b->n_words == 0))
			return NULL;
		if (!add_word(b, line))
			return "out of memory";
		line = take_word(line);
		if (!line)
			return "a quote is not closed";
	}
}

static int run(struct batch *b)
{
	struct tool *tool = b->tool;
	int64_t timeout = tool->timeout;
	bool has_timeout = tool->has_timeout, json = tool->json;
	int status = tool_run(tool, (int)b->n_words, b->words);
	tool->timeout = timeout;
	tool->has_timeout = has_timeout;
	tool->json = json;
	return status;
}

/* And nothing of what it said before. */
static int run_again(struct batch *b)
{
	end_all(b);
	begin_again(b);
	return run(b);
}

static void answer_oldest(struct batch *b)
{
	struct tool_sent *sent = &b->sent[b->first_sent % SENT_MAX];
	int status = tool_await(sent);
	b->first_sent++;
	b->n_sent--;
	answer(b, status);
}

static void answer_all(struct batch *b)
{
	while (b->n_sent)
		answer_oldest(b);
}

/*
 * Something else than a call that is sent: after all that were. What was open may not be there any more, or have come
 * back in another form: then it is opened anew, in the end from the namespace on.
 */
static int run_alone(struct batch *b)
{
	answer_all(b);
	tool_is_stale();
	int status = run(b);
	if (status == TOOL_DONE || !tool_is_stale())
		return status;
	tool_forget(b->tool);
	status = run_again(b);
	if (status == TOOL_DONE || !tool_is_stale())
		return status;
	tool_detach(b->tool);
	return run_again(b);
}

/* A call that cannot be sent has done nothing: it is said why when those before it are answered. */
static int run_behind(struct batch *b)
{
	if (strcmp(b->words[0], "call") != 0)
		return run_alone(b);
	if (b->n_sent == SENT_MAX)
		answer_oldest(b);
	b->tool->sent = &b->sent[(b->first_sent + b->n_sent) % SENT_MAX];
	int status = run(b);
	b->tool->sent = NULL;
	if (status == TOOL_SENT) {
		b->n_sent++;
		return status;
	}
	end_all(b);
	begin_again(b);
	return run_alone(b);
}

static const char *read_line(struct batch *b, char *line, size_t n)
{
	b->n_words = 0;
	if (n > 0 && line[n - 1] == '\r')
		line[--n] = '\0';
	return memchr(line, '\0', n) ? "a line has a NUL byte" : split(b, line);
}

static int refuse_line(struct batch *b, const char *why)
{
	answer_all(b);
	b->tool->verb = NULL;
	return tool_refuse("%s", why);
}

static void do_line(struct batch *b, char *line, size_t n)
{
	const char *why = read_line(b, line, n);
	if (!why && b->n_words == 0)
		return; /* blank, or a comment */
	int status = why ? refuse_line(b, why) : run_behind(b);
	if (status != TOOL_SENT)
		answer(b, status);
}

/* ---- all of them ---- */

/* The whole lines of what is read; the last one may have no end. */
static void do_lines(struct batch *b, bool last)
{
	char *line = b->input, *end = b->input + b->n, *at;
	for (; (at = memchr(line, '\n', (size_t)(end - line))); line = at + 1) {
		*at = '\0';
		do_line(b, line, (size_t)(at - line));
	}
	b->n = (size_t)(end - line);
	if (last && b->n) {
		*end = '\0';
		do_line(b, line, b->n);
		b->n = 0;
	}
	answer_all(b);
	memmove(b->input, line, b->n);
}

/* 1: there is more; 0: that was all; or a negative errno. */
static int read_more(struct batch *b)
{
	if (b->size - b->n <= READ_SIZE) {
		char *more = realloc(b->input, b->size = 2 * b->size + 2 * READ_SIZE);
		if (!more)
			return -ENOMEM;
		b->input = more;
	}
	ssize_t n;
	do
		n = read(STDIN_FILENO, b->input + b->n, b->size - b->n - 1);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return -errno;
	b->n += (size_t)n;
	return n > 0;
}

static int run_all(struct batch *b)
{
	int r;
	do {
		if (fflush(stdout) != 0)
			return TOOL_REFUSED; /* main says why */
		r = read_more(b);
		do_lines(b, r <= 0);
	} while (r > 0);
	return r < 0 ? r : b->refused ? TOOL_REFUSED : TOOL_DONE;
}

static int batch(struct tool *tool, int argc, char **argv)
{
	struct batch b = { .tool = tool };
	int status = TOOL_REFUSED;
	(void)argc;
	(void)argv;
	tool->namespace = tool->namespace ? tool->namespace : "default";
	tool->keeps = true;
	bool good = catch_open(&b.out) && catch_open(&b.err);
	if (good) {
		out_init(OUT_ANSWER, b.out.to);
		tool_errors_to(b.err.to);
		status = run_all(&b);
	}
	tool_errors_to(NULL);
	out_init(OUT_JSON, stdout);
	catch_close(&b.out);
	catch_close(&b.err);
	free(b.words);
	free(b.input);
	return !good ? tool_refuse("out of memory")
	       : status < 0 ? tool_refuse("cannot read standard input: %s", strerror(-status))
			    : status;
}

const struct verb verb_batch = {
	.name = "-",
	.run = batch,
	.operands = "",
	.example = "- <<<'call hits add 1'",
	.doc = "verbs on standard input, an answer for each, a line each",
	.more = "Words are separated by blanks; '...' is as it stands, in \"...\" a backslash makes \\n, \\t, \\r,\n"
		"\\\" and \\\\. Answers: \"ok\", and what there is to say as JSON: the bare value of get and call, if\n"
		"it is one alone; \"error\", the exit status and why. With --json, {\"status\":0,\"answer\":...} and\n"
		"{\"status\":1,\"error\":...}.\n"
		"They are written when the input runs dry. -n and --json are given once, in front.\n",
	.flags = TOOL_ALONE | TOOL_LONG,
};
