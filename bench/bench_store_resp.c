/*
 * A real redis-server, asked by three clients in turn: ours, hiredis, and one
 * that knows the bytes and looks at none.
 *
 * Gets are of values that are there, puts of new keys into a full server.
 * The clients take turns within a round and begin with another one in each.
 */
#include "bench_store.h"

enum { OURS, HIREDIS, NULLED, MOVERS };

static const uint32_t tried[] = {1, 2, 4, 8}; /* connections, by hiredis */
enum { TRIED = sizeof(tried) / sizeof(tried[0]) };

/* One transport and one size of blocks. */
struct contest {
	const struct options *o;
	const struct redis_server *server;
	const char *suffix; /* of the names of rows */
	uint64_t bytes;
	int unix_socket;
	int cpu; /* rows of CPU too */
	struct work work;
	struct ours ours;
	struct mover movers[MOVERS];
	struct costs costs[MOVERS];
	uint32_t generation;  /* of the keys */
	uint32_t connections; /* hiredis' */
};

static void
contest_pass(struct contest *c, uint32_t who, uint32_t op, uint32_t round)
{
	struct cost cost;

	if (!c->movers[who].ctx)
		return;
	if (op == AIBRIX_STORE_PUT)
		work_rename(&c->work, ++c->generation);
	cost = work_time(&c->work, &c->movers[who], op);
	c->costs[who].s[round] = cost.s;
	c->costs[who].cpu[round] = cost.cpu;
}

/* A full server for puts; for gets one that has all values, under the names
 * that each client gives them. */
static void
server_prepare(struct contest *c, uint32_t op)
{
	uint64_t pass = c->work.n * c->work.bytes;
	/* Values on their way count too, in buffers that are larger. */
	uint64_t room = 4 * c->work.depth * c->work.bytes;

	server_empty(c->server);
	server_limit(c->server,
		     op == AIBRIX_STORE_PUT ? pass * 3 / 2 + room : 0);
	work_rename(&c->work, ++c->generation);
	for (uint32_t who = 0; who < MOVERS; who++)
		if (c->movers[who].ctx)
			c->movers[who].move(c->movers[who].ctx,
					    AIBRIX_STORE_PUT, &c->work);
	if (op == AIBRIX_STORE_PUT)
		for (uint32_t i = 0; i < 2; i++)
			contest_pass(c, NULLED, op, 0);
}

static void
hiredis_set(struct contest *c, uint32_t connections)
{
	struct mover *m = &c->movers[HIREDIS];

	if (m->ctx)
		hiredis_close(m->ctx);
	m->ctx = hiredis_open(c->server, c->unix_socket, c->work.depth,
			      connections);
	c->connections = connections;
}

/* As many connections as it is fastest with. */
static void
hiredis_choose(struct contest *c, uint32_t op)
{
	double best_s = INFINITY;
	uint32_t best = c->work.connections;

	for (uint32_t i = 0; i < TRIED && !c->o->b.quick; i++) {
		hiredis_set(c, tried[i]);
		if (!c->movers[HIREDIS].ctx)
			return;
		for (uint32_t round = 0; round < 3; round++) {
			contest_pass(c, HIREDIS, op, 0);
			if (c->costs[HIREDIS].s[0] >= best_s)
				continue;
			best_s = c->costs[HIREDIS].s[0];
			best = tried[i];
		}
	}
	hiredis_set(c, best);
}

static const struct costs *
costs_or_null(const struct contest *c, uint32_t who)
{
	return c->movers[who].ctx ? &c->costs[who] : NULL;
}

/* The lower of two rates is the higher of two costs. */
static void
limit_make(const struct contest *c, struct costs *limit)
{
	for (uint32_t i = 0; i < store_rounds(c->o); i++)
		limit->s[i] = fmax(c->costs[HIREDIS].s[i] / 1.5,
				   c->costs[NULLED].s[i] / 0.9);
}

static void
rate_rows(const struct contest *c, const char *op)
{
	const struct costs *ours = costs_or_null(c, OURS);
	char name[3][64], notes[3][128];
	struct store_row row[3] = {
		{name[0], UNIT_RATE, "min(1.5 hiredis, 0.9 null)",
		 ours ? notes[0] : "not built"},
		{name[1], UNIT_RATE, NULL,
		 c->movers[HIREDIS].ctx ? notes[1] : "not built"},
		{name[2], UNIT_RATE, NULL, notes[2]}};
	struct costs limit;

	limit_make(c, &limit);
	for (uint32_t i = 0; i < 3; i++)
		snprintf(notes[i], sizeof(notes[i]),
			 "%u connections, %u in flight",
			 i == 1 ? c->connections : c->work.connections,
			 c->work.depth);
	snprintf(name[0], sizeof(name[0]), "resp_%s_%s", op, c->suffix);
	snprintf(name[1], sizeof(name[1]), "hiredis_%s_%s", op, c->suffix);
	snprintf(name[2], sizeof(name[2]), "null_%s_%s", op, c->suffix);
	row_print(c->o, &row[0], ours, c->movers[HIREDIS].ctx ? &limit : NULL);
	row_print(c->o, &row[1], costs_or_null(c, HIREDIS), NULL);
	row_print(c->o, &row[2], &c->costs[NULLED], NULL);
}

static void
cpu_rows(const struct contest *c, uint32_t op)
{
	static const struct {
		const char *name;
		uint32_t op, mine, its;
	} rows[] = {{"resp_cpu_get", AIBRIX_STORE_GET, OURS, HIREDIS},
		    {"resp_cpu_null", AIBRIX_STORE_GET, OURS, NULLED},
		    {"hiredis_cpu_get", AIBRIX_STORE_GET, HIREDIS, MOVERS},
		    {"null_cpu_get", AIBRIX_STORE_GET, NULLED, MOVERS},
		    {"resp_cpu_set", AIBRIX_STORE_PUT, OURS, HIREDIS},
		    {"resp_cpu_null_set", AIBRIX_STORE_PUT, OURS, NULLED},
		    {"hiredis_cpu_set", AIBRIX_STORE_PUT, HIREDIS, MOVERS},
		    {"null_cpu_set", AIBRIX_STORE_PUT, NULLED, MOVERS}};

	for (uint32_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int there = c->movers[rows[i].mine].ctx != NULL;
		const struct store_row row = {
			rows[i].name, UNIT_CPU,
			rows[i].its == HIREDIS ? "hiredis" : "null client",
			there ? "of the client's CPU a byte, 1 MiB by TCP"
			      : "not built"};

		if (rows[i].op != op)
			continue;
		row_print(c->o, &row, costs_or_null(c, rows[i].mine),
			  rows[i].its == MOVERS
				  ? NULL
				  : costs_or_null(c, rows[i].its));
	}
}

static void
contest_run(struct contest *c, uint32_t op)
{
	server_prepare(c, op);
	hiredis_choose(c, op);
	for (uint32_t round = 0; round < store_rounds(c->o); round++)
		for (uint32_t i = 0; i < MOVERS; i++)
			contest_pass(c, (round + i) % MOVERS, op, round);
	rate_rows(c, op == AIBRIX_STORE_GET ? "get" : "set");
	if (c->cpu)
		cpu_rows(c, op);
}

static void
contest_all(struct contest *c)
{
	work_init(&c->work, c->o, c->bytes);
	ours_init(&c->ours, server_store(c->server, c->unix_socket, &c->work),
		  &c->work);
	c->movers[OURS] = (struct mover){"the store", &c->ours, ours_move};
	c->movers[HIREDIS] = (struct mover){"hiredis", NULL, hiredis_move};
	c->movers[NULLED] = (struct mover){
		"the null client",
		null_open(c->server, c->unix_socket, &c->work), null_move};
	contest_run(c, AIBRIX_STORE_GET);
	contest_run(c, AIBRIX_STORE_PUT);
	ours_free(&c->ours);
	null_close(c->movers[NULLED].ctx);
	if (c->movers[HIREDIS].ctx)
		hiredis_close(c->movers[HIREDIS].ctx);
	work_free(&c->work);
}

static const struct {
	const char *suffix;
	uint64_t bytes;
	int unix_socket, cpu;
} contests[] = {{"1m_tcp", BLOCK_1M, 0, 1},
		{"256k_tcp", BLOCK_256K, 0, 0},
		{"1m_unix", BLOCK_1M, 1, 0},
		{"256k_unix", BLOCK_256K, 1, 0}};

/* Rows that an issue of the project names, on a machine without a server. */
static void
resp_missing(const struct options *o, const char *why)
{
	static const char *const cpu[] = {"resp_cpu_get", "resp_cpu_set",
					  "resp_cpu_null"};
	struct store_row row = {.unit = UNIT_RATE, .note = why};
	char name[64];

	for (uint32_t i = 0; i < sizeof(contests) / sizeof(contests[0]); i++) {
		for (uint32_t set = 0; set < 2; set++) {
			snprintf(name, sizeof(name), "resp_%s_%s",
				 set ? "set" : "get", contests[i].suffix);
			row.name = name;
			row_print(o, &row, NULL, NULL);
		}
	}
	row.unit = UNIT_CPU;
	for (uint32_t i = 0; i < sizeof(cpu) / sizeof(cpu[0]); i++) {
		row.name = cpu[i];
		row_print(o, &row, NULL, NULL);
	}
}

void
resp_rows(const struct options *o)
{
	struct redis_server server;
	const char *why = server_start(&server);

	for (uint32_t i = 0; !why && i < sizeof(contests) / sizeof(contests[0]);
	     i++) {
		struct contest c = {.o = o,
				    .server = &server,
				    .suffix = contests[i].suffix,
				    .bytes = contests[i].bytes,
				    .unix_socket = contests[i].unix_socket,
				    .cpu = contests[i].cpu};

		contest_all(&c);
	}
	if (why)
		resp_missing(o, why);
	server_stop(&server);
}
