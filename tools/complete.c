/*
 * complete.c: stoa complete, what a word on the command line may become: for the completions of bash and zsh.
 *
 * What an operand is, the words of the verb's own help tell: OBJECT, OBJECT.ATTRIBUTE, METHOD, CLIENT and so on. So a verb that
 * names its operands like this is completed without more. Nothing is waited for, and no error is said.
 */
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "include/stoa/observe.h"
#include "tools/output.h"
#include "tools/places.h"
#include "tools/tool.h"

#define ATTACH_NS STOA_MS(200)

struct completion {
	struct tool *tool; /* of this verb */
	const char *word;  /* what is to be completed: the last one */
	char **words;
	int n; /* of those in front of it */
	const struct verb *verb; /* NULL: it is still to come */
	const char *namespace;	 /* NULL: not given */
	bool wants_namespace;	 /* the word is the value of -n */
	bool wants_value;	 /* of another option */
	const char *operands[2]; /* the first two in front of it */
	int n_operands;
	struct stoa *stoa;
};

/* "prefix" + "text" + "suffix", if the word begins like this. A candidate without a blank behind it ends in . or = */
static void offer(const struct completion *c, const char *prefix, const char *text, const char *suffix)
{
	char whole[4 * STOA_NAME_MAX];
	snprintf(whole, sizeof(whole), "%s%s%s", prefix, text, suffix);
	if (strncmp(whole, c->word, strlen(c->word)) == 0)
		fprintf(out_to(), "%s\n", whole);
}

/* ---- what is in front of the word ---- */

static const struct verb *verb_named(const char *name)
{
	for (const struct verb *const *v = tool_verbs; *v; v++)
		if (strcmp((*v)->name, name) == 0)
			return *v;
	return NULL;
}

/* Does this option take the next word? */
static bool takes_next(const struct completion *c, const char *option)
{
	if (strcmp(option, "-t") == 0 || strcmp(option, "--timeout") == 0)
		return true;
	const struct verb_option *o = c->verb ? c->verb->options : NULL;
	for (; o && o->name; o++)
		if (o->value && ((strncmp(option, "--", 2) == 0 && strcmp(option + 2, o->name) == 0) ||
				 (option[0] == '-' && o->letter && option[1] == o->letter && !option[2])))
			return true;
	return false;
}

static void take_operand(struct completion *c, const char *word)
{
	if (!c->verb) {
		c->verb = verb_named(word);
		return;
	}
	if (c->n_operands < 2)
		c->operands[c->n_operands] = word;
	c->n_operands++;
}

static void take_words(struct completion *c)
{
	for (int i = 0; i < c->n; i++) {
		const char *word = c->words[i];
		bool is_last = i + 1 == c->n;
		if (takes_next(c, word)) {
			c->wants_value = is_last;
			i++;
		} else if (strcmp(word, "-n") == 0 || strcmp(word, "--namespace") == 0) {
			c->wants_namespace = is_last;
			c->namespace = is_last ? NULL : c->words[++i];
		} else if (strncmp(word, "--namespace=", 12) == 0) {
			c->namespace = word + 12;
		} else if (word[0] != '-' || !word[1]) {
			take_operand(c, word);
		}
	}
}

/* ---- names of things ---- */

static void offer_namespaces(const struct completion *c, const char *prefix)
{
	struct place *places;
	size_t n;
	if (places_find(strchr(c->word, '/') != NULL, &places, &n) < 0)
		return;
	for (size_t i = 0; i < n; i++)
		if (!places[i].damaged)
			offer(c, prefix, places[i].name, "");
	free(places);
}

static void offer_verbs(const struct completion *c)
{
	for (const struct verb *const *v = tool_verbs; *v; v++)
		offer(c, "", (*v)->name, "");
}

static void offer_options(const struct completion *c)
{
	static const char *const for_all[] = { "namespace=", "timeout=", "json", "all", "help", "version" };
	for (size_t i = 0; i < sizeof(for_all) / sizeof(for_all[0]); i++)
		offer(c, "--", for_all[i], "");
	for (const struct verb_option *o = c->verb ? c->verb->options : NULL; o && o->name; o++)
		offer(c, "--", o->name, o->value ? "=" : "");
}

/* What each callback is told. */
struct offering {
	const struct completion *c;
	const char *prefix, *suffix;
};

static int offer_object(void *data, const char *object, const struct stoa_class *cls)
{
	const struct offering *o = data;
	(void)cls;
	offer(o->c, o->prefix, object, o->suffix);
	return 0;
}

static int offer_class(void *data, const struct stoa_class *cls, uint64_t fingerprint)
{
	const struct offering *o = data;
	(void)fingerprint;
	offer(o->c, o->prefix, cls->name, o->suffix);
	return 0;
}

static void offer_classes(const struct completion *c)
{
	stoa_classes(c->stoa, offer_class, &(struct offering){ c, "", "" });
	if (c->verb == &verb_create)
		offer(c, "", "signals", "");
}

static void offer_objects(const struct completion *c, const char *suffix)
{
	struct offering o = { c, "", suffix };
	stoa_list(c->stoa, NULL, offer_object, &o);
}

/* What the callback is told: the last one, whose threads follow one another. */
struct clients {
	const struct completion *c;
	uint32_t pid;
};

static int offer_client(void *data, const struct stoa_attached *a)
{
	struct clients *all = data;
	char pid[16];
	snprintf(pid, sizeof(pid), "%u", a->pid);
	if (a->pid != all->pid && a->pid != (uint32_t)getpid() && !a->evicted)
		offer(all->c, "", pid, "");
	all->pid = a->pid;
	return 0;
}

/* NULL: it is not there. Its tables live as long as the handle, which keeps its proxies. */
static const struct stoa_class *class_of(const struct completion *c, const char *object)
{
	struct stoa_proxy *proxy;
	return stoa_open(c->stoa, object, NULL, STOA_NOWAIT, &proxy) == 0 ? stoa_class_of(proxy) : NULL;
}

/* The object's name is whole: its attributes. */
static void offer_attributes(const struct completion *c, const char *suffix, bool writable)
{
	char object[STOA_NAME_MAX + 1], prefix[STOA_NAME_MAX + 2];
	size_t n = strcspn(c->word, ".");
	if (n > STOA_NAME_MAX)
		return;
	snprintf(object, sizeof(object), "%.*s", (int)n, c->word);
	snprintf(prefix, sizeof(prefix), "%s.", object);
	const struct stoa_class *cls = class_of(c, object);
	for (uint32_t i = 0; cls && i < cls->state->n_attrs; i++)
		if (cls->state->attrs[i].writable || !writable)
			offer(c, prefix, cls->state->attrs[i].name, suffix);
}

static void offer_methods(const struct completion *c)
{
	const struct stoa_class *cls = c->n_operands ? class_of(c, c->operands[0]) : NULL;
	for (size_t i = 0; cls && cls->methods && cls->methods[i]; i++)
		offer(c, "", cls->methods[i]->name, "");
}

static void offer_fields(const struct completion *c, const struct stoa_struct *s)
{
	for (uint32_t i = 0; s && i < s->n_attrs; i++)
		offer(c, "", s->attrs[i].name, "=");
}

/* Of the method, or of the class, that was named second. */
static void offer_arguments(const struct completion *c)
{
	const struct stoa_class *cls;
	if (c->n_operands < 2)
		return;
	if (!strstr(c->verb->operands, "METHOD")) {
		if (stoa_find_class(c->stoa, c->operands[1], &cls) == 0)
			offer_fields(c, cls->hooks && cls->hooks->init_args ? cls->hooks->init_args : cls->state);
		return;
	}
	cls = class_of(c, c->operands[0]);
	for (size_t i = 0; cls && cls->methods && cls->methods[i]; i++)
		if (strcmp(cls->methods[i]->name, c->operands[1]) == 0)
			offer_fields(c, cls->methods[i]->args);
}

/* ---- which of them ---- */

/* The word of the help for the operand that is to be completed: the last one may be there many times. */
static void find_kind(const struct completion *c, char kind[64])
{
	const char *at = c->verb->operands, *next;
	kind[0] = '\0';
	for (int i = 0; *at; i++, at = next) {
		size_t n = strcspn(at, " ");
		next = at + n + (at[n] == ' ');
		snprintf(kind, 64, "%.*s", (int)n, at);
		if (i == c->n_operands)
			return;
	}
	if (!strstr(kind, "..."))
		kind[0] = '\0';
}

static void offer_operands(const struct completion *c)
{
	char kind[64];
	bool dotted = strchr(c->word, '.');
	find_kind(c, kind);
	bool takes_attr = strstr(kind, ".ATTRIBUTE"), may_lack = strstr(kind, "[.ATTRIBUTE");
	if (strstr(kind, "OBJECT") && takes_attr && dotted)
		offer_attributes(c, strstr(kind, "=VALUE") ? "=" : "", strstr(kind, "=VALUE") != NULL);
	else if (strstr(kind, "OBJECT") || strstr(kind, "PATTERN"))
		offer_objects(c, takes_attr && !may_lack ? "." : "");
	else if (strcmp(kind, "CLIENT") == 0)
		stoa_clients(c->stoa, offer_client, &(struct clients){ .c = c });
	else if (strstr(kind, "CLASS"))
		offer_classes(c);
	else if (strstr(kind, "METHOD"))
		offer_methods(c);
	else if (strstr(kind, "ARGUMENT"))
		offer_arguments(c);
}

/* Where the words in front say, or the only live one; nothing is said if there is none. */
static bool attach(struct completion *c)
{
	const char *namespace = c->namespace ? c->namespace : tool_only_live(c->tool);
	return stoa_attach(namespace, STOA_OPTIONS(.flags = STOA_READ_ONLY, .timeout = ATTACH_NS), &c->stoa) == 0;
}

static int complete(struct tool *tool, int argc, char **argv)
{
	struct completion c = { .tool = tool, .words = argv, .n = argc ? argc - 1 : 0 };
	c.word = argc ? argv[argc - 1] : "";
	take_words(&c);
	if (c.wants_value)
		return TOOL_DONE;
	if (c.wants_namespace)
		offer_namespaces(&c, "");
	else if (strncmp(c.word, "--namespace=", 12) == 0)
		offer_namespaces(&c, "--namespace=");
	else if (c.word[0] == '-' && !(c.verb && c.verb->flags & TOOL_VALUES && c.n_operands))
		offer_options(&c);
	else if (!c.verb)
		offer_verbs(&c);
	else if (attach(&c))
		offer_operands(&c);
	stoa_detach(c.stoa);
	return TOOL_DONE;
}

const struct verb verb_complete = {
	.name = "complete",
	.run = complete,
	.operands = "[WORD]...",
	.example = "complete -- get hits.",
	.doc = "what the last word may become: for shells",
	.more = "One a line; those that end in . or = go on. The completions of bash and zsh ask it.\n",
	.flags = TOOL_ALONE | TOOL_VALUES,
	.most = INT_MAX,
};
