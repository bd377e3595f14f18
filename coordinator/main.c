/*
 * main.c: stoad, a coordinator for the classes of modules. It reads its arguments and calls stoa_serve.
 *
 * Exit status: 0 ended, 1 refused (the reason is in the log), 2 usage.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <syslog.h>

#include "coordinator/arguments.h"
#include "coordinator/module.h"
#include "coordinator/notify.h"
#include "include/stoa.h"
#include "src/clock.h"
#include "src/standard.h"

#ifndef PACKAGE_VERSION
#define PACKAGE_VERSION "unknown"
#endif

struct setup {
	struct arguments arguments;
	const struct stoa_class **classes;
	int64_t watchdog, fed; /* how often, when last */
	bool served;	       /* from then on the guardian logs why it ends */
};

static void say(void *data, int priority, const char *text)
{
	const struct setup *s = data;
	if (s->arguments.syslog)
		syslog(priority, "%s", text);
	else
		fprintf(stderr, "stoad: %s\n", text);
}

static void ready(void *data)
{
	struct setup *s = data;
	s->served = true;
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

static const char *namespace_name(const struct arguments *a)
{
	const char *name = a->name ? a->name : getenv("STOA_NAMESPACE");
	return name && (name[0] || a->name) ? name : "default";
}

static int serve(struct setup *s)
{
	struct stoa_options *o = &s->arguments.options;
	struct stoa_error e = { 0 };
	int r = 0;
	for (char **m = s->arguments.modules; r == 0 && *m; m++)
		r = module_load(*m, &s->classes, e.text);
	o->log = say;
	o->ready = ready;
	o->alive = alive;
	o->data = s;
	if (r == 0) {
		r = stoa_serve(namespace_name(&s->arguments), s->classes, o);
		notify_send("STOPPING=1");
		stoa_last_error(&e);
	}
	if (r < 0 && !s->served)
		say(s, LOG_ERR, e.text);
	free(s->classes);
	return r < 0;
}

int main(int argc, char **argv)
{
	standard_take();
	signal(SIGPIPE, SIG_IGN); /* a log that cannot be written ends nothing */
	signal(SIGXFSZ, SIG_IGN);
	struct setup s = { .watchdog = notify_watchdog() };
	if (!arguments_read(argc, argv, &s.arguments)) {
		fprintf(stderr, "stoad: %s\nTry 'stoad --help'.\n", s.arguments.error);
		return 2;
	}
	if (s.arguments.help || s.arguments.version) {
		fputs(s.arguments.help ? arguments_usage : "stoad " PACKAGE_VERSION "\n", stdout);
		return 0;
	}
	if (s.arguments.syslog)
		openlog("stoad", LOG_PID, LOG_DAEMON);
	return serve(&s);
}
