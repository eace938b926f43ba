/*
 * The conformance suite of stores finds what is wrong: a backend with one
 * fault fails the check that asks for it, and without one passes them all.
 *
 * The backend stands on a store in memory and breaks what goes by.
 */
#include <criterion/criterion.h>

#include <stdlib.h>
#include <string.h>

#include "conform/conform.h"

enum { VALUE = 100000, VALUES = 128, FLIGHTS = 64 };

enum fault {
	FAULT_NONE,
	FLIPS_A_BIT,
	MISS_IS_AN_ERROR,
	PROBE_IS_OFF_BY_ONE,
	REPLACES,
	DELETES_NOTHING,
	CUTS_VALUES_SHORT,
	TAKES_TOO_LONG_ONES,
	CUTS_KEYS,
	LOSES_A_REQUEST,
	LOSES_THE_CANCELLED,
	KNOWS_NO_DEADLINE,
	WRITES_BESIDE,
	WRITES_AFTERWARDS,
	WRITES_INTO_A_PUT,
	MIXES_UP_VALUES,
	FULL_IS_AN_ERROR,
	FORGETS_ON_CLOSE
};

struct broken {
	aibrix_store *inner;
	enum fault fault;
	aibrix_io ios[FLIGHTS]; /* by tag */
	int canceled[FLIGHTS];
	void *last_base; /* memory of a GET that has ended */
	uint64_t ended;
};

static int
broken_open(const aibrix_backend_conf *conf, void **backend)
{
	aibrix_store_opts opts = {.size = sizeof(opts),
				  .value_bytes = conf->value_bytes + 1,
				  .capacity_bytes =
					  VALUES * (conf->value_bytes + 1),
				  .max_inflight = conf->max_inflight};
	struct broken *b = calloc(1, sizeof(*b));

	cr_assert(b && conf->max_inflight <= FLIGHTS);
	b->fault = *(const enum fault *)conf->opts;
	cr_assert_eq(aibrix_store_open(&opts, &b->inner), AIBRIX_OK);
	conf->stat->capacity_values = VALUES;
	*backend = b;
	return AIBRIX_OK;
}

static int
broken_submit(void *backend, const aibrix_io *ios, uint32_t n, uint64_t now_ns,
	      uint32_t *accepted)
{
	struct broken *b = backend;
	uint32_t one;

	for (uint32_t i = 0; i < n; i++) {
		aibrix_io io = ios[i];

		b->ios[io.tag] = io;
		b->canceled[io.tag] = 0;
		if (b->fault == CUTS_KEYS && io.key_bytes > 255)
			io.key_bytes = 255;
		if (b->fault == KNOWS_NO_DEADLINE)
			io.deadline_ns = AIBRIX_FOREVER;
		if (b->fault == DELETES_NOTHING && io.op == AIBRIX_STORE_DELETE)
			io.op = AIBRIX_STORE_PROBE;
		cr_assert_eq(
			aibrix_store_submit(b->inner, &io, 1, now_ns, &one),
			AIBRIX_OK);
	}
	*accepted = n;
	return AIBRIX_OK;
}

static uint64_t
room(const aibrix_io *io)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < io->n_iov; i++)
		sum += io->iov[i].bytes;
	return sum;
}

static uint8_t *
first_byte(const aibrix_io *io)
{
	for (uint32_t i = 0; i < io->n_iov; i++)
		if (io->iov[i].bytes)
			return io->iov[i].base;
	return NULL;
}

/* A GET that succeeded. */
static void
get_break(struct broken *b, const aibrix_io *io)
{
	uint8_t *at = first_byte(io);

	switch (b->fault) {
	case FLIPS_A_BIT: *at ^= 1; break;
	case WRITES_BESIDE: at[-1] = 0; break;
	case MIXES_UP_VALUES:
		if (b->ended % 97 == 96)
			*at ^= 0x80;
		break;
	default: break;
	}
}

static void
done_break(struct broken *b, const aibrix_io *io, aibrix_done *done)
{
	if (b->fault == CUTS_VALUES_SHORT && done->status == AIBRIX_E_SPACE)
		done->status = AIBRIX_OK;
	if (b->fault == MISS_IS_AN_ERROR && done->status == AIBRIX_E_NOT_FOUND)
		done->status = AIBRIX_E_IO;
	if (b->fault == PROBE_IS_OFF_BY_ONE && io->op == AIBRIX_STORE_PROBE)
		done->bytes++;
	if (b->fault == REPLACES && io->op == AIBRIX_STORE_PUT)
		done->flags = 0;
	if (io->op == AIBRIX_STORE_PUT && room(io) > VALUE &&
	    b->fault != TAKES_TOO_LONG_ONES)
		done->status = AIBRIX_E_INVAL;
	if (io->op == AIBRIX_STORE_PUT && b->fault == WRITES_INTO_A_PUT)
		*first_byte(io) ^= 1;
	if (io->op == AIBRIX_STORE_GET && done->status == AIBRIX_OK)
		get_break(b, io);
	if (b->fault == FULL_IS_AN_ERROR && io->op == AIBRIX_STORE_PUT &&
	    b->ended > VALUES)
		done->status = AIBRIX_E_IO;
}

/* Too long a value must not stay behind. */
static void
value_forget(struct broken *b, const aibrix_io *put)
{
	aibrix_io io = {.key = put->key,
			.key_bytes = put->key_bytes,
			.op = AIBRIX_STORE_DELETE,
			.priority = AIBRIX_PRIORITY_BACKGROUND};
	aibrix_done done;
	uint32_t n;

	cr_assert_eq(aibrix_store_submit(b->inner, &io, 1, 0, &n), AIBRIX_OK);
	do {
		cr_assert_eq(aibrix_store_poll(b->inner, &done, 1, 0, 0, &n),
			     AIBRIX_OK);
	} while (!n);
}

static int
broken_poll(void *backend, aibrix_done *dones, uint32_t cap, uint64_t now_ns,
	    uint64_t timeout_ns, uint32_t *n)
{
	struct broken *b = backend;
	uint32_t got = 0, kept = 0;
	int status = aibrix_store_poll(b->inner, dones, cap, now_ns, timeout_ns,
				       &got);

	if (b->last_base)
		memset(b->last_base, 7, 1);
	b->last_base = NULL;
	for (uint32_t i = 0; i < got; i++) {
		const aibrix_io *io = &b->ios[dones[i].tag];

		b->ended++;
		done_break(b, io, &dones[i]);
		if (io->op == AIBRIX_STORE_PUT &&
		    dones[i].status == AIBRIX_E_INVAL)
			value_forget(b, io);
		if (b->fault == WRITES_AFTERWARDS && io->op == AIBRIX_STORE_GET)
			b->last_base = first_byte(io);
		if (b->fault == LOSES_A_REQUEST && b->ended == 70)
			continue;
		if (b->fault == LOSES_THE_CANCELLED &&
		    b->canceled[dones[i].tag])
			continue;
		dones[kept++] = dones[i];
	}
	*n = kept;
	return status;
}

static void
broken_cancel(void *backend, uint64_t tag)
{
	struct broken *b = backend;

	b->canceled[tag] = 1;
	cr_expect_eq(aibrix_store_cancel(b->inner, tag), AIBRIX_OK);
}

static void
broken_close(void *backend)
{
	struct broken *b = backend;

	aibrix_store_free(b->inner);
	free(b);
}

static int
target_open(void *ctx, uint32_t max_inflight, aibrix_store **out)
{
	const enum fault *fault = ctx;
	aibrix_backend table = {.size = sizeof(table),
				.open = broken_open,
				.submit = broken_submit,
				.poll = broken_poll,
				.close = broken_close,
				.cancel = broken_cancel};
	aibrix_store_opts opts = {.size = sizeof(opts),
				  .backend = AIBRIX_BACKEND_USER,
				  .value_bytes = VALUE,
				  .capacity_bytes = (uint64_t)VALUE * VALUES,
				  .max_inflight = max_inflight,
				  .user = &table,
				  .backend_opts = ctx};

	if (*fault == FORGETS_ON_CLOSE)
		table.caps = AIBRIX_CAP_LASTING;
	return aibrix_store_open(&opts, out);
}

static int
verdict_of(enum fault fault, const struct conform_check *check, char *reason)
{
	struct conform_target target = {.open = target_open,
					.ctx = &fault,
					.value_bytes = VALUE,
					.seed = 1,
					/* A lost one is lost at once here */
					.patience_ns = 300000000};

	return conform_run(&target, check, reason);
}

static const struct conform_check *
check_of(const char *name)
{
	for (uint32_t i = 0; i < conform_n_checks; i++)
		if (strcmp(conform_checks[i].name, name) == 0)
			return &conform_checks[i];
	cr_assert_fail("no check '%s'", name);
	return NULL;
}

Test(store_conform, a_sound_backend_passes)
{
	char reason[CONFORM_REASON];

	for (uint32_t i = 0; i < conform_n_checks; i++)
		cr_expect_neq(
			verdict_of(FAULT_NONE, &conform_checks[i], reason),
			CHECK_FAILED, "%s: %s", conform_checks[i].name, reason);
}

Test(store_conform, each_fault_fails_its_check)
{
	static const struct {
		enum fault fault;
		const char *check;
	} cases[] = {
		{FLIPS_A_BIT, "bytes come back as they were"},
		{WRITES_BESIDE, "bytes come back as they were"},
		{WRITES_INTO_A_PUT, "bytes come back as they were"},
		{MISS_IS_AN_ERROR, "a miss is a miss"},
		{PROBE_IS_OFF_BY_ONE, "a probe tells the length"},
		{REPLACES, "the first value stays"},
		{DELETES_NOTHING, "what is deleted is gone"},
		{CUTS_VALUES_SHORT, "too little memory is told"},
		{TAKES_TOO_LONG_ONES, "too long a value is refused"},
		{CUTS_KEYS, "any key will do"},
		{FORGETS_ON_CLOSE, "values outlive a close"},
		{LOSES_A_REQUEST, "each request ends once"},
		{KNOWS_NO_DEADLINE, "a late request times out"},
		{LOSES_THE_CANCELLED, "a cancelled request ends"},
		{FULL_IS_AN_ERROR, "more than fits is no fault"},
		{WRITES_AFTERWARDS, "memory is left alone afterwards"},
		{MIXES_UP_VALUES, "random programs agree with a model"},
		{DELETES_NOTHING, "random programs agree with a model"},
	};
	char reason[CONFORM_REASON];

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		cr_expect_eq(verdict_of(cases[i].fault,
					check_of(cases[i].check), reason),
			     CHECK_FAILED, "fault %d passed '%s'",
			     (int)cases[i].fault, cases[i].check);
}
