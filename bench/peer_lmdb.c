/*
 * peer_lmdb.c: LMDB on tmpfs, NOSYNC and WRITEMAP: its fastest setting. An update is a write transaction; a read renews
 * a read transaction that is kept. Who only writes has a database of its own: in one with readers, each commit looks at
 * all of them, and goes over what was kept for one that lost its CPU, three times as long from then on.
 */
#include <errno.h>
#include <lmdb.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "bench/bench.h"
#include "bench/servers.h"
#include "src/clock.h"

#define MAP_BYTES (UINT64_C(1) << 30) /* of which little is used, unless a reader stops */
#define FULL_NS INT64_C(10000000000)

struct database {
	MDB_env *env;
	MDB_dbi dbi;
	MDB_txn *reading; /* NULL: nobody does */
};

struct client {
	struct database written, shared;
	uint64_t value;
	struct tally tally;
	struct page page;
};

static MDB_val key_tally = { 5, "tally" }, key_page = { 4, "page" };

static int check(const char *what, int r)
{
	return r ? trouble(r > 0 ? -r : -EIO, "%s: %s", what, mdb_strerror(r)) : 0;
}

/* A client of an earlier set may have been killed: its place as a reader would keep all pages from then on. */
static int open_env(const char *name, MDB_env **ret)
{
	int dead = 0;
	char path[112];
	snprintf(path, sizeof(path), "%s/%s", servers_dir(), name);
	mkdir(path, 0700);
	int r = check("mdb_env_create", mdb_env_create(ret));
	r = r ? r : check("mdb_env_set_mapsize", mdb_env_set_mapsize(*ret, MAP_BYTES));
	r = r ? r : check("mdb_env_set_maxreaders", mdb_env_set_maxreaders(*ret, BENCH_CLIENTS_MAX + 2));
	r = r ? r : check("mdb_env_open", mdb_env_open(*ret, path, MDB_NOSYNC | MDB_WRITEMAP, 0600));
	return r ? r : check("mdb_reader_check", mdb_reader_check(*ret, &dead));
}

static int put_first(MDB_env *env)
{
	static struct tally tally;
	static struct page page;
	MDB_txn *txn;
	MDB_dbi dbi;
	MDB_val t = { sizeof(tally), &tally }, p = { sizeof(page), &page };
	int r = check("mdb_txn_begin", mdb_txn_begin(env, NULL, 0, &txn));
	r = r ? r : check("mdb_dbi_open", mdb_dbi_open(txn, NULL, 0, &dbi));
	r = r ? r : check("mdb_put", mdb_put(txn, dbi, &key_tally, &t, 0));
	r = r ? r : check("mdb_put", mdb_put(txn, dbi, &key_page, &p, 0));
	return r ? r : check("mdb_txn_commit", mdb_txn_commit(txn));
}

#define WRITTEN "lmdb-written"
#define SHARED "lmdb-shared"

/* An environment must not be used across a fork, so this one is closed again. */
static int make(const char *name)
{
	MDB_env *env = NULL;
	int r = open_env(name, &env);
	r = r ? r : put_first(env);
	if (env)
		mdb_env_close(env);
	return r;
}

static int start(void)
{
	int r = make(WRITTEN);
	return r ? r : make(SHARED);
}

static int open_database(const char *name, bool reads, struct database *d)
{
	int r = open_env(name, &d->env);
	r = r ? r : check("mdb_txn_begin", mdb_txn_begin(d->env, NULL, reads ? MDB_RDONLY : 0, &d->reading));
	r = r ? r : check("mdb_dbi_open", mdb_dbi_open(d->reading, NULL, 0, &d->dbi));
	if (r < 0)
		return r;
	if (reads) {
		mdb_txn_reset(d->reading);
		return 0;
	}
	r = check("mdb_txn_commit", mdb_txn_commit(d->reading)); /* which keeps the handle */
	d->reading = NULL;
	return r;
}

static int open_client(unsigned me, void **ret)
{
	static struct client c;
	(void)me;
	*ret = &c;
	int r = open_database(WRITTEN, false, &c.written);
	return r ? r : open_database(SHARED, true, &c.shared);
}

static void close_client(void *client)
{
	struct client *c = client;
	mdb_txn_abort(c->shared.reading);
	mdb_env_close(c->shared.env);
	mdb_env_close(c->written.env);
}

/* Returns as LMDB does. */
static int change(struct client *c, MDB_dbi dbi, MDB_txn *txn)
{
	MDB_val old, new = { sizeof(c->tally), &c->tally };
	int r = mdb_get(txn, dbi, &key_tally, &old);
	if (r)
		return r;
	memcpy(&c->tally, old.mv_data, sizeof(c->tally));
	c->value = tally_apply(&c->tally, 1, 2);
	return mdb_put(txn, dbi, &key_tally, &new, 0);
}

static int try_update(struct client *c, const struct database *d)
{
	MDB_txn *txn;
	int r = mdb_txn_begin(d->env, NULL, 0, &txn);
	if (r)
		return r;
	r = change(c, d->dbi, txn);
	if (r == 0)
		return mdb_txn_commit(txn);
	mdb_txn_abort(txn);
	return r;
}

/*
 * A reader that has lost its CPU in the middle keeps all pages that are written meanwhile: in a few time slices the
 * others fill any map. Then they must wait for it.
 */
static int64_t update_in(struct client *c, const struct database *d)
{
	int r = try_update(c, d), dead = 0;
	for (int64_t end = r == MDB_MAP_FULL ? clock_deadline(FULL_NS) : 0; r == MDB_MAP_FULL && clock_now() < end;) {
		mdb_reader_check(d->env, &dead);
		sched_yield();
		r = try_update(c, d);
	}
	return check("transaction", r);
}

static int64_t update(void *client)
{
	struct client *c = client;
	return update_in(c, &c->written);
}

static int read_at(struct client *c, MDB_val *key, size_t offset, void *ret, size_t size)
{
	MDB_val now;
	struct database *d = &c->shared;
	int r = check("mdb_txn_renew", mdb_txn_renew(d->reading));
	r = r ? r : check("mdb_get", mdb_get(d->reading, d->dbi, key, &now));
	if (r == 0)
		memcpy(ret, (const char *)now.mv_data + offset, size);
	mdb_txn_reset(d->reading);
	return r;
}

static int64_t read_value(void *client)
{
	struct client *c = client;
	return read_at(c, &key_tally, offsetof(struct tally, value), &c->value, sizeof(c->value));
}

static int64_t update_and_read(void *client)
{
	struct client *c = client;
	int64_t r = update_in(c, &c->shared);
	return r ? r : read_value(client);
}

static int64_t read_tally(void *client)
{
	struct client *c = client;
	return read_at(c, &key_tally, 0, &c->tally, sizeof(c->tally));
}

static int64_t read_page(void *client)
{
	struct client *c = client;
	return read_at(c, &key_page, 0, &c->page, sizeof(c->page));
}

/* What a reader has beside him, when it is said so. */
static int write_on(void *client, const _Atomic bool *stop)
{
	struct client *c = client;
	int64_t r = 0;
	while (r == 0 && !atomic_load_explicit(stop, memory_order_relaxed))
		r = update_in(c, &c->shared);
	return (int)r;
}

static const struct op ops[] = {
	{ .kind = KIND_W, .name = "transaction", .run = update },
	{ .kind = KIND_R, .name = "get", .run = read_value },
	{ .kind = KIND_R, .name = "get, written", .like = "get, same written", .run = read_value, .help = write_on,
	  .most = 1 },
	{ .kind = KIND_S, .name = "get, 64 B", .run = read_tally },
	{ .kind = KIND_S, .name = "get, 1 KiB", .like = "snapshot 1 KiB", .run = read_page },
	{ .kind = KIND_C, .name = "transaction, value", .run = update, .flags = OP_PARKS },
	{ .kind = KIND_RW, .name = "transaction, get", .run = update_and_read },
};

extern const struct peer peer_lmdb;
const struct peer peer_lmdb = {
	.name = "lmdb",
	.doc = "LMDB in memory, NOSYNC and WRITEMAP",
	.ops = ops,
	.n_ops = sizeof(ops) / sizeof(ops[0]),
	.start = start,
	.open = open_client,
	.close = close_client,
};
