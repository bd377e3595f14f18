/*
 * watch.c: stoa watch, each change of objects and attributes, until something holds.
 *
 * A thread for each object that is watched, and one for the condition: it waits for the object to be there, then for a
 * version above the newest that it has seen, and looks at what has changed since. How many changes there were in
 * between is counted by the coordinator, with the value. Under one lock are: printing, counting, the end. While nobody
 * serves, each looks for the next coordinator; if that has made the namespace anew, by a handle of its own.
 */
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "tools/condition.h"
#include "tools/output.h"
#include "tools/tool.h"

#define STEP_NS STOA_MS(250) /* how late a thread may notice that it is to end */
#define PROBE_NS STOA_MS(20) /* long enough for a wait to look for its coordinator */

struct watching {
	const struct tool *tool;
	pthread_mutex_t lock;
	pthread_cond_t ended_cond;
	bool ended;
	int status;
	uint64_t left;	  /* changes to print */
	bool counted;	  /* they are */
	bool awaits;	  /* something: to be ended by the time is a failure */
	bool initial;	  /* print what is there first */
	bool gone;	  /* it was said that nobody serves */
	int64_t pause;	  /* between looks at an object, ns */
	int64_t deadline; /* CLOCK_MONOTONIC; INT64_MAX: none */
	const struct target *targets;
	int n;
};

/* What one thread follows. */
struct target {
	struct watching *w;
	struct stoa *own; /* a later handle than the tool's; NULL: none */
	char object[STOA_NAME_MAX + 1];
	const char *attr; /* NULL: all */
	struct condition *until; /* it is there to judge, and not to print; NULL: to print */
	pthread_t thread;
	bool running;
	bool was_absent; /* it came while we watched: its first state is a change */
	bool was_there;	 /* under the lock */
};

struct seen {
	uint64_t version, changes;
};

/* One incarnation of the object. */
struct followed {
	struct target *t;
	struct stoa_proxy *proxy;
	const struct stoa_struct *s;
	void *state;
	struct seen *seen; /* of each attribute */
	uint32_t first, end; /* those that count */
	uint64_t newest;
};

static int64_t now(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* ---- the end ---- */

static void end_locked(struct watching *w, int status)
{
	w->status = w->ended ? w->status : status;
	w->ended = true;
	pthread_cond_broadcast(&w->ended_cond);
}

static void end(struct watching *w, int status)
{
	pthread_mutex_lock(&w->lock);
	end_locked(w, status);
	pthread_mutex_unlock(&w->lock);
}

/* A misspelt object is waited for, and only in the end it shows. */
static const char *never_there(const struct watching *w)
{
	for (int i = 0; i < w->n; i++)
		if (!w->targets[i].was_there)
			return w->targets[i].object;
	return NULL;
}

static int time_out(const struct watching *w)
{
	const char *absent = never_there(w);
	if (w->awaits)
		return absent ? tool_refuse("timed out; object %s was never there", absent) : tool_refuse("timed out");
	if (absent)
		tool_note("object %s was never there", absent);
	return TOOL_DONE;
}

static bool has_ended(struct watching *w)
{
	pthread_mutex_lock(&w->lock);
	if (!w->ended && now(CLOCK_MONOTONIC) >= w->deadline)
		end_locked(w, time_out(w));
	bool ended = w->ended;
	pthread_mutex_unlock(&w->lock);
	return ended;
}

/* How long to wait for anything. */
static int64_t step(const struct watching *w)
{
	int64_t left = w->deadline - now(CLOCK_MONOTONIC);
	return left < STEP_NS ? (left > 0 ? left : 1) : STEP_NS;
}

/* Errors are said by one at a time. */
static void fail(struct watching *w, int code)
{
	pthread_mutex_lock(&w->lock);
	if (!w->ended)
		end_locked(w, tool_fail(code) == TOOL_GONE || code == -ESTALE ? TOOL_GONE : TOOL_REFUSED);
	pthread_mutex_unlock(&w->lock);
}

static void rest(struct watching *w, int64_t ns)
{
	struct timespec t;
	int64_t until = now(CLOCK_MONOTONIC) + ns;
	t.tv_sec = until / 1000000000;
	t.tv_nsec = until % 1000000000;
	pthread_mutex_lock(&w->lock);
	while (!w->ended && pthread_cond_timedwait(&w->ended_cond, &w->lock, &t) == 0) {
	}
	pthread_mutex_unlock(&w->lock);
}

/* ---- the next coordinator ---- */

static void say_gone(struct watching *w, bool gone)
{
	pthread_mutex_lock(&w->lock);
	if (gone && !w->gone && !w->ended)
		tool_note("nobody serves namespace %s; waiting for the next coordinator", w->tool->namespace);
	w->gone = gone;
	pthread_mutex_unlock(&w->lock);
}

/* A handle, another or the same, of whoever serves the namespace now. NULL: nobody does, and a step has passed. */
static struct stoa *attach_next(struct watching *w)
{
	struct stoa *stoa = NULL;
	struct stoa_health h;
	int r = stoa_attach(w->tool->namespace, STOA_OPTIONS(.flags = STOA_READ_ONLY, .timeout = step(w)), &stoa);
	r = r ? r : stoa_health(stoa, &h);
	bool served = r == 0 && h.verdict != STOA_GONE;
	say_gone(w, !served);
	if (served)
		return stoa;
	stoa_detach(stoa);
	rest(w, step(w));
	return NULL;
}

static struct stoa *handle(const struct target *t) { return t->own ? t->own : t->w->tool->stoa; }

/* Proxies of the handle before are closed. */
static void use(struct target *t, struct stoa *stoa)
{
	stoa_detach(t->own);
	t->own = stoa;
}

/* ---- printing, under the lock ---- */

static void count_locked(struct watching *w)
{
	if (ferror(out_to()))
		end_locked(w, TOOL_REFUSED);
	if (w->counted && --w->left == 0)
		end_locked(w, TOOL_DONE);
}

static void print_name(const char *object, const char *attr)
{
	char name[2 * STOA_NAME_MAX + 2];
	snprintf(name, sizeof(name), "%s.%s", object, attr);
	if (out_json()) {
		out_text("object", object);
		out_text("attribute", attr);
	} else {
		out_text("attribute", name);
	}
}

static void print_who(const struct stoa_stamp *at, uint64_t skipped)
{
	char text[48];
	if (out_json()) {
		out_uint("pid", at->pid);
		out_uint("client", at->client);
		out_uint("skipped", skipped);
		return;
	}
	snprintf(text, sizeof(text), "pid %u", at->pid);
	out_text("who", text);
	snprintf(text, sizeof(text), "%ju skipped", (uintmax_t)skipped);
	out_text("skipped", skipped ? text : "");
}

static void print_change(const struct followed *f, const struct stoa_attr *a, const struct stoa_stamp *at,
			 uint64_t skipped)
{
	struct watching *w = f->t->w;
	pthread_mutex_lock(&w->lock);
	if (!w->counted || w->left) {
		out_begin(OUT_STREAM);
		out_time("time", at->time_ns);
		print_name(f->t->object, a->name);
		out_uint("version", at->version);
		out_value("value", a, (char *)f->state + a->offset);
		print_who(at, skipped);
		out_end();
		count_locked(w);
	}
	pthread_mutex_unlock(&w->lock);
}

static void print_removed(const struct target *t)
{
	struct watching *w = t->w;
	pthread_mutex_lock(&w->lock);
	if (!w->ended) {
		out_begin(OUT_STREAM);
		out_time("time", now(CLOCK_REALTIME));
		out_text(out_json() ? "object" : "attribute", t->object);
		if (out_json()) {
			out_bool("removed", true);
		} else {
			out_null("version");
			out_text("value", "removed");
			out_text("who", "");
			out_text("skipped", "");
		}
		out_end();
		count_locked(w);
	}
	pthread_mutex_unlock(&w->lock);
}

/* ---- looking ---- */

static void judge(struct followed *f, const struct stoa_attr *a)
{
	if (condition_holds(f->t->until, (char *)f->state + a->offset))
		end(f->t->w, TOOL_DONE);
}

/* The first look finds all that is there. */
static int look_at(struct followed *f, uint32_t i, bool first)
{
	const struct stoa_attr *a = &f->s->attrs[i];
	struct seen *seen = &f->seen[i];
	struct stoa_stamp at;
	int r = stoa_peek(f->proxy, a->offset, (char *)f->state + a->offset, a->size, &at);
	if (r < 0 || (!first && at.version <= seen->version))
		return r;
	uint64_t skipped = at.changes - seen->changes - (at.changes > seen->changes);
	if (f->t->until)
		judge(f, a);
	else if (!first || f->t->was_absent)
		print_change(f, a, &at, skipped);
	else if (f->t->w->initial)
		print_change(f, a, &at, 0);
	*seen = (struct seen){ at.version, at.changes };
	f->newest = at.version > f->newest ? at.version : f->newest;
	return 0;
}

static int look(struct followed *f, bool first)
{
	int r = 0;
	for (uint32_t i = f->first; r == 0 && i < f->end; i++)
		r = look_at(f, i, first);
	return r;
}

/* ---- following ---- */

/* 0: the namespace is served again. -ESTALE: by one that has made it anew, and knows nothing of our object. */
static int await_next(const struct followed *f)
{
	int r = 0;
	while (r == 0 && !has_ended(f->t->w)) {
		struct stoa *next = attach_next(f->t->w);
		if (next)
			r = stoa_wait(f->proxy, STOA_ALL, UINT64_MAX, PROBE_NS, NULL);
		stoa_detach(next);
	}
	return r == -ETIMEDOUT ? 0 : r == -ECONNRESET ? -ESTALE : r;
}

static int follow(struct followed *f)
{
	const struct target *t = f->t;
	uint32_t attr = t->attr ? f->s->attrs[f->first].offset : STOA_ALL;
	int r = look(f, true);
	while (r == 0 && !has_ended(t->w)) {
		r = stoa_wait(f->proxy, attr, f->newest, step(t->w), NULL);
		if (r == -ETIMEDOUT)
			r = 0;
		else if (r == -ECONNRESET)
			r = await_next(f);
		else if (r == 0)
			r = look(f, false);
		if (r == 0 && t->w->pause && !t->until)
			rest(t->w, t->w->pause);
	}
	return r ? r : look(f, false); /* what made it end is not left out */
}

static bool select_attrs(struct followed *f)
{
	struct target *t = f->t;
	struct watching *w = t->w;
	int status = TOOL_DONE;
	f->end = f->s->n_attrs;
	if (!t->attr)
		return true;
	pthread_mutex_lock(&w->lock);
	const struct stoa_attr *a = tool_find_attr(stoa_class_of(f->proxy), t->attr);
	status = a ? TOOL_DONE : TOOL_REFUSED;
	if (a && t->until)
		status = condition_bind(t->until, a);
	if (status != TOOL_DONE)
		end_locked(w, status);
	pthread_mutex_unlock(&w->lock);
	f->first = a ? (uint32_t)(a - f->s->attrs) : 0;
	f->end = f->first + 1;
	return status == TOOL_DONE;
}

/* Until it is removed. */
static int follow_object(struct target *t, struct stoa_proxy *proxy)
{
	struct followed f = { .t = t, .proxy = proxy, .s = stoa_class_of(proxy)->state };
	int r = 0;
	f.state = tool_new_struct(f.s);
	f.seen = calloc(f.s->n_attrs + 1u, sizeof(*f.seen));
	if (!f.state || !f.seen)
		r = -ENOMEM;
	else if (select_attrs(&f))
		r = follow(&f);
	tool_free_struct(f.s, f.state);
	free(f.seen);
	return r;
}

static void was_there(struct target *t)
{
	pthread_mutex_lock(&t->w->lock);
	t->was_there = true;
	pthread_mutex_unlock(&t->w->lock);
}

static void look_anew(struct target *t, int r)
{
	struct stoa *next = attach_next(t->w);
	if (next && next == handle(t) && r == -ECONNRESET)
		rest(t->w, step(t->w));
	if (next)
		use(t, next);
}

static void *run_target(void *data)
{
	struct target *t = data;
	struct stoa_proxy *proxy;
	while (!has_ended(t->w)) {
		int64_t timeout = t->was_absent ? step(t->w) : STOA_NOWAIT;
		int r = stoa_open(handle(t), t->object, NULL, timeout, &proxy);
		if (r == 0) {
			was_there(t);
			r = follow_object(t, proxy);
			stoa_close(proxy);
			if (r == -ESTALE && !t->until)
				print_removed(t); /* unless that was the end */
		}
		t->was_absent = true;
		if (r == -ESTALE || r == -ECONNRESET || r == -ENOENT) /* the object's end, or the namespace's */
			look_anew(t, r);
		else if (r < 0)
			fail(t->w, r);
	}
	use(t, NULL);
	return NULL;
}

/* ---- what to watch ---- */

static int read_target(const struct tool *tool, const char *text, struct target *t)
{
	if (tool_is_pattern(text))
		return tool_misuse(tool,
				   "\"%s\" is a pattern, which watch does not take; name the objects, which "
				   "\"stoa list\" tells",
				   text);
	if (*text && !strchr(text, '.') && strlen(text) <= STOA_NAME_MAX) {
		strcpy(t->object, text);
		return TOOL_DONE;
	}
	return tool_split(text, t->object, &t->attr) ? TOOL_DONE
						     : tool_misread(tool, text, "OBJECT or OBJECT.ATTRIBUTE");
}

static int read_targets(const struct tool *tool, struct watching *w, struct condition *until, int argc, char **argv,
			struct target *targets)
{
	int status = TOOL_DONE;
	for (int i = 0; status == TOOL_DONE && i < argc; i++) {
		targets[i].w = w;
		status = read_target(tool, argv[i], &targets[i]);
	}
	if (until) {
		targets[argc].w = w;
		targets[argc].until = until;
		targets[argc].attr = until->attr;
		strcpy(targets[argc].object, until->object);
	}
	return status;
}

static int read_how(const struct tool *tool, struct watching *w)
{
	double rate, count;
	if (!tool_option_number(tool, "rate", 0.001, 1e6, &rate) || !tool_option_number(tool, "count", 1, 1e15, &count))
		return TOOL_USAGE;
	w->tool = tool;
	w->pause = rate > 0 ? (int64_t)(1e9 / rate) : 0;
	w->counted = count > 0;
	w->left = (uint64_t)count;
	w->initial = tool_option(tool, "initial");
	w->awaits = w->counted || tool_option(tool, "until");
	w->deadline = tool->has_timeout ? now(CLOCK_MONOTONIC) + tool->timeout : INT64_MAX;
	return TOOL_DONE;
}

/* ---- running ---- */

static void init_locks(struct watching *w)
{
	pthread_condattr_t attr;
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&w->ended_cond, &attr);
	pthread_condattr_destroy(&attr);
	pthread_mutex_init(&w->lock, NULL);
}

static int run_targets(struct watching *w, struct target *targets, int n)
{
	init_locks(w);
	w->targets = targets;
	w->n = n;
	for (int i = 0; i < n; i++) {
		int r = pthread_create(&targets[i].thread, NULL, run_target, &targets[i]);
		targets[i].running = r == 0;
		if (r)
			end(w, tool_refuse("cannot start a thread: %s", strerror(r)));
	}
	for (int i = 0; i < n; i++)
		if (targets[i].running)
			pthread_join(targets[i].thread, NULL);
	return w->status;
}

static int watch(struct tool *tool, int argc, char **argv)
{
	struct watching w = { .status = TOOL_DONE };
	struct condition until = { 0 };
	const char *expression = tool_option(tool, "until");
	if (argc == 0 && !expression)
		return tool_misuse(tool, "watch takes OBJECT or OBJECT.ATTRIBUTE, or --until");
	int status = expression ? condition_parse(tool, expression, &until) : TOOL_DONE;
	struct target *targets = calloc((size_t)argc + 1, sizeof(*targets));
	if (status == TOOL_DONE && !targets)
		status = tool_refuse("out of memory");
	if (status == TOOL_DONE)
		status = read_how(tool, &w);
	if (status == TOOL_DONE)
		status = read_targets(tool, &w, expression ? &until : NULL, argc, argv, targets);
	if (status == TOOL_DONE)
		status = run_targets(&w, targets, argc + (expression != NULL));
	condition_fini(&until);
	free(targets);
	return status;
}

static const struct verb_option options[] = {
	{ .name = "count", .letter = 'n', .value = "N", .doc = "end after N lines; the namespace goes before the verb" },
	{ .name = "initial", .letter = 'i', .doc = "print what is there first, too" },
	{ .name = "rate", .letter = 'r', .value = "N", .doc = "look at an object at most N times a second" },
	{ .name = "until",
	  .letter = 'u',
	  .value = "CONDITION",
	  .doc = "end when it holds: OBJECT.ATTRIBUTE>=VALUE, == = != < <= >",
	  .once = true },
	{ 0 },
};

const struct verb verb_watch = {
	.name = "watch",
	.run = watch,
	.operands = "[OBJECT[.ATTRIBUTE]]...",
	.example = "watch hits --until 'hits.value>=100'",
	.doc = "each change: time, version, value, who made it",
	.more = "Changes that came too fast to be printed one by one are counted: \"3 skipped\". Objects need not be\n"
		"there yet, and may come again. With -t, it ends after so long: with 1, if it was to wait for\n"
		"something.\n",
	.options = options,
	.flags = TOOL_READS | TOOL_LONG,
	.most = INT_MAX,
};
