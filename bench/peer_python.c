/*
 * peer_python.c: an object of Python's multiprocessing managers: where the shape of stoa comes from. The clients are
 * Python programs, children of ours, that time their own calls and hand the times over.
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/bench.h"
#include "bench/cpu.h"
#include "bench/servers.h"

static const char server_text[] =
	"import sys, threading\n"
	"from multiprocessing.managers import BaseManager\n"
	"class Tally:\n"
	"    def __init__(self):\n"
	"        self.value = self.total = 0\n"
	"        self.lock = threading.Lock()\n"
	"    def add(self, n, weight):\n"
	"        with self.lock:\n"
	"            self.value += n\n"
	"            self.total += n * weight\n"
	"            return self.value\n"
	"    def get(self):\n"
	"        return self.value\n"
	"tally = Tally()\n"
	"class Manager(BaseManager): pass\n"
	"Manager.register('tally', callable=lambda: tally)\n"
	"Manager(address=sys.argv[1], authkey=b'bench').get_server().serve_forever()\n";

/* Says 0 when it is ready. Told "add NS" or "get NS", it calls for so long, and says how many calls there were, and how
 * long each took. */
static char client_text[] =
	"import array, os, sys\n"
	"from time import perf_counter_ns as now\n"
	"from multiprocessing.managers import BaseManager\n"
	"class Manager(BaseManager): pass\n"
	"Manager.register('tally')\n"
	"manager = Manager(address=sys.argv[1], authkey=b'bench')\n"
	"manager.connect()\n"
	"tally = manager.tally()\n"
	"calls = {'add': lambda: tally.add(1, 2), 'get': tally.get}\n"
	"def say(numbers):\n"
	"    sys.stdout.buffer.write(numbers.tobytes())\n"
	"    sys.stdout.buffer.flush()\n"
	"say(array.array('Q', [0]))\n"
	"for line in sys.stdin:\n"
	"    what, ns = line.split()\n"
	"    call, times, end = calls[what], array.array('Q'), now() + int(ns)\n"
	"    at = now()\n"
	"    while at < end:\n"
	"        call()\n"
	"        then = now()\n"
	"        times.append(then - at)\n"
	"        at = now()\n"
	"    say(array.array('Q', [len(times)]) + times)\n";

static char python[256], path[112];

static int start(void)
{
	const char *found = servers_find("python3");
	if (!found)
		return trouble(-ENOTSUP, "there is no python3");
	snprintf(python, sizeof(python), "%s", found);
	snprintf(path, sizeof(path), "%s/python", servers_dir());
	pid_t pid = servers_exec("python", (const char *const[]){ python, "-c", server_text, path, NULL });
	return pid < 0 ? pid : servers_await_socket(pid, path);
}

/* It ends with us, at the end of what it reads. Spawned and not forked: behind a fork each page of ours would fault when it
 * is written next, in a slice of another peer. */
static int spawn_python(int fd, pid_t *ret)
{
	char *const argv[] = { python, "-c", client_text, path, NULL };
	posix_spawn_file_actions_t files;
	posix_spawn_file_actions_init(&files);
	posix_spawn_file_actions_adddup2(&files, fd, STDIN_FILENO);
	posix_spawn_file_actions_adddup2(&files, fd, STDOUT_FILENO);
	int r = posix_spawn(ret, python, &files, NULL, argv, environ);
	posix_spawn_file_actions_destroy(&files);
	return r ? trouble(-r, "%s: %s", python, strerror(r)) : 0;
}

static int read_number(int fd, uint64_t *ret)
{
	return recv(fd, ret, sizeof(*ret), MSG_WAITALL) == sizeof(*ret) ? 0
									: trouble(-EPIPE, "the Python client has ended");
}

struct client {
	int fd;
	pid_t pid;
};

static int open_client(unsigned me, void **ret)
{
	static struct client client;
	int both[2];
	uint64_t ready;
	(void)me;
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, both) < 0)
		return trouble(-errno, "socketpair: %s", strerror(errno));
	client.fd = both[0];
	int r = spawn_python(both[1], &client.pid);
	close(both[1]);
	*ret = &client;
	return r < 0 ? r : read_number(client.fd, &ready);
}

static int run_calls(void *client, const char *what, int64_t ns, struct histogram *ret)
{
	const struct client *c = client;
	int fd = c->fd;
	uint64_t n = 0, took = 0;
	cpu_take_along(c->pid);
	int r = dprintf(fd, "%s %jd\n", what, (intmax_t)ns) < 0 ? trouble(-errno, "the Python client has ended") : 0;
	r = r ? r : read_number(fd, &n);
	for (uint64_t i = 0; i < n && r == 0; i++) {
		r = read_number(fd, &took);
		histogram_add(ret, took);
	}
	return r;
}

static int add_calls(void *client, int64_t ns, struct histogram *ret)
{
	return run_calls(client, "add", ns, ret);
}

static int get_calls(void *client, int64_t ns, struct histogram *ret)
{
	return run_calls(client, "get", ns, ret);
}

static const struct op ops[] = {
	{ .kind = KIND_R, .name = "proxy.get()", .loop = get_calls },
	{ .kind = KIND_C, .name = "proxy.add()", .loop = add_calls },
};

extern const struct peer peer_python;
const struct peer peer_python = {
	.name = "python",
	.doc = "an object of a multiprocessing manager",
	.ops = ops,
	.n_ops = sizeof(ops) / sizeof(ops[0]),
	.start = start,
	.open = open_client,
};
