/*
 * What the parts of bench_store share: the work, who does it, and rows of
 * costs that were measured in turn.
 */
#ifndef BENCH_STORE_H
#define BENCH_STORE_H

#include <aibrix/pool.h>
#include <aibrix/store.h>

#include "bench.h"
#include "redis_tools.h"

enum { KEY_BYTES = 16, ROUNDS_MOST = 64, CONNECTIONS_MOST = 64 };
enum { BLOCK_1M = 1 << 20, BLOCK_256K = 256 << 10 };

struct options {
	struct bench b;
	const char *dir;  /* of the files */
	const char *rows; /* "file", "resp", "checksum", "crypt"; NULL: all */
	uint64_t total_bytes; /* of a pass */
	uint32_t depth;       /* of requests to a server, in all */
	uint32_t connections; /* to it */
};

/* n blocks of a pool in a row; block i is the value of key i.  A pass moves
 * each of them once, in the order of order. */
struct work {
	aibrix_pool *pool;
	uint8_t *blocks;
	uint64_t bytes; /* of a block */
	uint32_t n;
	uint32_t depth;       /* in flight, over all connections */
	uint32_t connections; /* to a server */
	uint32_t *order;
	char (*keys)[KEY_BYTES];
};

/* bench_store_work.c */
void work_init(struct work *w, const struct options *o, uint64_t bytes);
void work_free(struct work *w);
/* Other keys from now on. */
void work_rename(struct work *w, uint32_t generation);
/* Ends the program unless data is what block i was given. */
void block_check(const struct work *w, uint32_t i, const uint8_t *data,
		 const char *who);
/* What the blocks hold as the values of their keys. */
void work_fill(struct work *w);

/* One that can move the blocks: AIBRIX_STORE_GET or PUT of each.  A failure
 * ends the program. */
struct mover {
	const char *name;
	void *ctx; /* NULL: there is none of the kind here */
	void (*move)(void *ctx, uint32_t op, struct work *w);
};

/* Seconds by the clock, and of this process on a processor, per GB. */
struct cost {
	double s, cpu;
};

/* A pass. */
struct cost work_pass(struct work *w, const struct mover *m, uint32_t op);
/* The same; what gets have brought into the blocks is looked at, outside of
 * the clock. */
struct cost work_time(struct work *w, const struct mover *m, uint32_t op);

/* What one mover took in the rounds. */
struct costs {
	double s[ROUNDS_MOST], cpu[ROUNDS_MOST];
};

/* bench_store_rows.c */
#define UNIT_RATE "GB/s"
#define UNIT_CPU "ns" /* of the process, a byte: seconds a GB */
struct store_row {
	const char *name, *unit;
	const char *peer, *note;
};
uint32_t store_rounds(const struct options *o);
/* Costs of the same rounds; NULL: not measured. */
void row_print(const struct options *o, const struct store_row *row,
	       const struct costs *ours, const struct costs *peer);

/* bench_store_ours.c: a store, and what a mover of it needs. */
struct ours {
	aibrix_store *store;
	aibrix_iov *iov; /* of the request for each block */
};
void ours_init(struct ours *o, aibrix_store *store, const struct work *w);
void ours_free(struct ours *o); /* and the store */
void ours_move(void *ctx, uint32_t op, struct work *w);

/* bench_store_server.c: while it runs, this program has one processor and
 * the server another. */
/* NULL, or why there is none. */
const char *server_start(struct redis_server *s);
void server_stop(struct redis_server *s);
/* A socket, TCP or by path. */
int server_connect(const struct redis_server *s, int unix_socket);
/* Values go when this many bytes are used; 0: none go. */
void server_limit(const struct redis_server *s, uint64_t bytes);
void server_empty(const struct redis_server *s);
/* Ours in it. */
aibrix_store *server_store(const struct redis_server *s, int unix_socket,
			   const struct work *w);

/* bench_store_null.c: moves the bytes and looks at none of them. */
struct null_client;
struct null_client *null_open(const struct redis_server *server,
			      int unix_socket, const struct work *w);
void null_close(struct null_client *c);
void null_move(void *ctx, uint32_t op, struct work *w);

/* bench_store_hiredis.c; NULL: a build without it. */
struct hiredis_client;
struct hiredis_client *hiredis_open(const struct redis_server *server,
				    int unix_socket, uint32_t depth,
				    uint32_t connections);
void hiredis_close(struct hiredis_client *c);
void hiredis_move(void *ctx, uint32_t op, struct work *w);

/* bench_store_fio.c */
struct fio {
	char path[512];
	int registered; /* its buffers */
};
/* Writes a file of w's blocks; 0: there is no fio, or it cannot. */
int fio_open(struct fio *fio, const char *dir, const struct work *w);
/* Seconds per GB, by its own account; NAN: it failed. */
double fio_time(const struct fio *fio, uint32_t op, const struct work *w);

/* The rows: bench_store_file.c, _resp.c, _sum.c, _crypt.c. */
void file_rows(const struct options *o);
void resp_rows(const struct options *o);
void sum_rows(const struct options *o);
void crypt_rows(const struct options *o);

/* bench_store_file.c: a slot file in o->dir, and the store in it. */
struct slot_store {
	struct ours ours; /* first: its mover is that of the store */
	char path[512];
	int fd; /* of the same file; -1: no O_DIRECT where it is */
};
/* NULL, or why there is no direct I/O. */
const char *slot_store_open(struct slot_store *s, const struct options *o,
			    const struct work *w, uint64_t value_bytes,
			    uint64_t values);
void slot_store_move(void *ctx, uint32_t op, struct work *w);
void slot_store_free(struct slot_store *s);
/* What the page cache holds of it is not read from the disk. */
void slot_store_forget(const struct slot_store *s);

#endif
