/* Tables of hosts: what the front makes of one that does not keep its
 * promises.  One that does is examples/store_backend.c. */

#include <criterion/criterion.h>

#include <aibrix/backend.h>

#include "store_puppet.h"

static aibrix_backend table;
static struct puppet puppet;

static aibrix_store *
new_store(void)
{
	aibrix_store *store = NULL;

	table = puppet_table();
	puppet = new_puppet();
	cr_assert_eq(
		puppet_store(&puppet, &table, (aibrix_store_opts){0}, &store),
		AIBRIX_OK);
	return store;
}

/* Probes of keys "a", "b" and so on, with tags from 100. */
static int
submit_probes(aibrix_store *store, uint32_t n, uint32_t *accepted)
{
	static const char keys[] = "abcdefghijklmnop";
	aibrix_io ios[16];

	for (uint32_t i = 0; i < n; i++)
		ios[i] = (aibrix_io){.key = keys + i,
				     .key_bytes = 1,
				     .op = AIBRIX_STORE_PROBE,
				     .tag = 100 + i};
	return aibrix_store_submit(store, ios, n, 0, accepted);
}

static uint32_t
poll_all(aibrix_store *store, aibrix_done dones[16])
{
	uint32_t n = 77;

	cr_assert_eq(aibrix_store_poll(store, dones, 16, 0, 0, &n), AIBRIX_OK);
	return n;
}

Test(store_user, a_table_gets_numbers_and_final_deadlines)
{
	aibrix_store *store = new_store();
	aibrix_done dones[16];
	uint32_t n;

	cr_assert_eq(submit_probes(store, 2, &n), AIBRIX_OK);
	cr_assert_eq(puppet.n, 2);
	cr_expect_lt(puppet.ios[0].tag, 16);
	cr_expect_lt(puppet.ios[1].tag, 16);
	cr_expect_neq(puppet.ios[0].tag, puppet.ios[1].tag);
	cr_expect_eq(puppet.ios[0].deadline_ns, 2000000000);
	puppet_end(&puppet, 1, AIBRIX_OK, 5);
	cr_assert_eq(poll_all(store, dones), 1);
	cr_expect_eq(dones[0].tag, 101);
	cr_expect_eq(dones[0].bytes, 5);
	aibrix_store_free(store);
	cr_expect_eq(puppet.closed, 1);
}

Test(store_user, without_optional_functions_a_store_works)
{
	aibrix_store *store = new_store();
	char memory[8];
	uint32_t n = 77;

	cr_assert_eq(submit_probes(store, 1, &n), AIBRIX_OK);
	cr_expect_eq(aibrix_store_fd(store), -1);
	cr_expect_eq(aibrix_store_wake(store), AIBRIX_FOREVER);
	cr_expect_eq(aibrix_store_caps(store), 0);
	cr_expect_eq(aibrix_store_cancel(store, 100), AIBRIX_OK, "it goes on");
	cr_expect_eq(aibrix_store_memory_add(store, memory, 8), AIBRIX_OK);
	aibrix_store_memory_remove(store, memory, 8);
	cr_expect_eq(aibrix_store_nodes(store, NULL, 0, &n), AIBRIX_OK);
	cr_expect_eq(n, 0);
	aibrix_store_free(store);
}

Test(store_user, completions_for_no_request_are_dropped_and_counted)
{
	aibrix_store *store = new_store();
	aibrix_done dones[16];
	uint32_t n;

	cr_assert_eq(submit_probes(store, 2, &n), AIBRIX_OK);
	puppet_end(&puppet, 0, AIBRIX_OK, 5);
	puppet.dones[1] = puppet.dones[0];                  /* twice */
	puppet.dones[2] = (aibrix_done){.tag = 16};         /* no number */
	puppet.dones[3] = (aibrix_done){.tag = UINT64_MAX}; /* nor this */
	puppet.dones[4] = (aibrix_done){.tag = 9};          /* not in flight */
	puppet.n_dones = 5;
	cr_assert_eq(poll_all(store, dones), 1);
	cr_expect_eq(dones[0].tag, 100);
	cr_expect_eq(store_stat(store).strays, 4);
	cr_expect_eq(store_stat(store).inflight, 1);
	puppet_end(&puppet, 0, AIBRIX_OK, 5);
	cr_assert_eq(poll_all(store, dones), 1);
	cr_expect_eq(dones[0].tag, 101);
	aibrix_store_free(store);
}

Test(store_user, more_completions_than_there_is_room_for_lose_none)
{
	aibrix_store *store = new_store();
	aibrix_done done;
	uint32_t n;

	cr_assert_eq(submit_probes(store, 2, &n), AIBRIX_OK);
	puppet_end(&puppet, 0, AIBRIX_OK, 5);
	puppet.lies = 3;
	cr_assert_eq(aibrix_store_poll(store, &done, 1, 0, 0, &n), AIBRIX_OK);
	cr_expect_eq(n, 1);
	cr_expect_eq(done.tag, 100);
	cr_expect_eq(store_stat(store).strays, 3);
	aibrix_store_free(store);
}

Test(store_user, what_cannot_be_becomes_an_io_error)
{
	aibrix_store *store = new_store();
	char memory[4];
	aibrix_iov iov = {memory, 4};
	aibrix_io ios[4] = {io_of(AIBRIX_STORE_GET, "a", &iov, 0),
			    io_of(AIBRIX_STORE_GET, "b", &iov, 1),
			    io_of(AIBRIX_STORE_GET, "c", &iov, 2),
			    io_of(AIBRIX_STORE_GET, "d", &iov, 3)};
	aibrix_done dones[16];
	uint32_t n;

	cr_assert_eq(aibrix_store_submit(store, ios, 4, 0, &n), AIBRIX_OK);
	puppet_end(&puppet, 0, 7, 0);
	puppet_end(&puppet, 0, -1000, 0);
	puppet_end(&puppet, 0, AIBRIX_OK, 5); /* more than the memory */
	puppet_end(&puppet, 0, AIBRIX_OK, 4);
	puppet.dones[3].flags = UINT32_MAX;
	puppet.dones[3].spare = 9;
	cr_assert_eq(poll_all(store, dones), 4);
	for (uint32_t i = 0; i < 3; i++)
		cr_expect_eq(dones[i].status, AIBRIX_E_IO, "%d", (int)i);
	cr_expect_eq(dones[2].bytes, 0);
	cr_expect_eq(dones[3].status, AIBRIX_OK);
	cr_expect_eq(dones[3].flags, 0);
	cr_expect_eq(dones[3].spare, 0);
	cr_expect_eq(store_stat(store).errors, 3);
	aibrix_store_free(store);
}

Test(store_user, a_refusal_takes_nothing_and_its_status_is_told)
{
	aibrix_store *store = new_store();
	uint32_t n = 77;

	puppet.refuses = AIBRIX_E_UNAVAILABLE;
	cr_expect_eq(submit_probes(store, 3, &n), AIBRIX_E_UNAVAILABLE);
	puppet.refuses = 5;
	cr_expect_eq(submit_probes(store, 3, &n), AIBRIX_E_IO);
	cr_expect_eq(n, 77);
	cr_expect_eq(store_stat(store).inflight, 0);
	puppet.refuses = 0;
	cr_expect_eq(submit_probes(store, 3, &n), AIBRIX_OK);
	cr_expect_eq(n, 3);
	aibrix_store_free(store);
}

Test(store_user, a_table_that_takes_some_makes_a_prefix)
{
	aibrix_store *store = new_store();
	uint32_t n = 77;

	puppet.takes = 2;
	cr_expect_eq(submit_probes(store, 5, &n), AIBRIX_OK);
	cr_expect_eq(n, 2);
	cr_expect_eq(puppet.submits, 1);
	cr_expect_eq(store_stat(store).inflight, 2);
	puppet.takes = 0;
	n = 77;
	cr_expect_eq(submit_probes(store, 5, &n), AIBRIX_OK,
		     "joined to those under way");
	cr_expect_eq(n, 2);
	cr_expect_eq(store_stat(store).joined, 2);
	aibrix_store_free(store);
}

Test(store_user, nothing_taken_and_no_reason_is_full)
{
	aibrix_store *store = new_store();
	uint32_t n = 77;

	puppet.takes = 0;
	cr_expect_eq(submit_probes(store, 1, &n), AIBRIX_E_FULL);
	cr_expect_eq(n, 77);
	cr_expect_eq(store_stat(store).inflight, 0);
	aibrix_store_free(store);
}

Test(store_user, a_poll_that_fails_says_so_and_the_next_one_goes_on)
{
	aibrix_store *store = new_store();
	aibrix_done dones[16];
	uint32_t n = 77;

	cr_assert_eq(submit_probes(store, 1, &n), AIBRIX_OK);
	n = 77;
	puppet.poll_status = AIBRIX_E_NOMEM;
	cr_expect_eq(aibrix_store_poll(store, dones, 16, 0, 0, &n),
		     AIBRIX_E_NOMEM);
	puppet.poll_status = 3;
	cr_expect_eq(aibrix_store_poll(store, dones, 16, 0, 0, &n),
		     AIBRIX_E_IO);
	cr_expect_eq(n, 77);
	puppet.poll_status = 0;
	puppet_end(&puppet, 0, AIBRIX_OK, 1);
	cr_expect_eq(poll_all(store, dones), 1);
	aibrix_store_free(store);
}

Test(store_user, tables_that_cannot_serve_are_refused)
{
	aibrix_store *store = NULL;
	aibrix_backend bad[7];

	puppet = new_puppet();
	for (size_t i = 0; i < 7; i++)
		bad[i] = puppet_table();
	bad[0].open = NULL;
	bad[1].submit = NULL;
	bad[2].poll = NULL;
	bad[3].close = NULL;
	bad[4].size = 0;
	bad[5].size -= (uint32_t)sizeof(void *); /* older than the first */
	bad[6].caps = 1u << 31;
	for (size_t i = 0; i < 6; i++)
		cr_expect_eq(puppet_store(&puppet, &bad[i],
					  (aibrix_store_opts){0}, &store),
			     AIBRIX_E_INVAL, "bad[%zu]", i);
	cr_expect_eq(
		puppet_store(&puppet, &bad[6], (aibrix_store_opts){0}, &store),
		AIBRIX_E_ABI);
	cr_expect_null(store);
	cr_expect_eq(puppet.closed, 0);
}

Test(store_user, an_open_that_fails_is_not_closed)
{
	aibrix_store *store = NULL;

	table = puppet_table();
	puppet = new_puppet();
	puppet.refuses = AIBRIX_E_DENIED;
	cr_expect_eq(
		puppet_store(&puppet, &table, (aibrix_store_opts){0}, &store),
		AIBRIX_E_DENIED);
	puppet.refuses = 12;
	cr_expect_eq(
		puppet_store(&puppet, &table, (aibrix_store_opts){0}, &store),
		AIBRIX_E_IO);
	cr_expect_null(store);
	cr_expect_eq(puppet.closed, 0);
}

/* A host that was built with a later header. */
struct later_table {
	aibrix_backend known;
	void *more;
};

Test(store_user, later_tables_work_while_they_use_nothing_new)
{
	struct later_table later = {puppet_table(), NULL};
	aibrix_store *store = NULL;

	puppet = new_puppet();
	later.known.size = sizeof(later);
	cr_expect_eq(puppet_store(&puppet, &later.known, (aibrix_store_opts){0},
				  &store),
		     AIBRIX_OK);
	aibrix_store_free(store);
	later.more = &later;
	cr_expect_eq(puppet_store(&puppet, &later.known, (aibrix_store_opts){0},
				  &store),
		     AIBRIX_E_ABI);
}

Test(store_user, only_a_user_store_has_a_user_table)
{
	aibrix_store_opts opts = {.size = sizeof(opts)};
	aibrix_store *store = NULL;

	table = puppet_table();
	opts.user = &table;
	cr_expect_eq(aibrix_store_open(&opts, &store), AIBRIX_E_INVAL);
	opts.backend = AIBRIX_BACKEND_USER;
	opts.user = NULL;
	cr_expect_eq(aibrix_store_open(&opts, &store), AIBRIX_E_INVAL);
}

/* Options of the first header that had user tables. */
Test(store_user, older_options_have_the_defaults_of_later_fields)
{
	struct puppet *p = &puppet;
	aibrix_store_opts opts = {
		.size = offsetof(aibrix_store_opts, absent_ns),
		.backend = AIBRIX_BACKEND_USER,
		.user = &table,
		.backend_opts = &p,
		.absent_ns = 1,      /* not looked at */
		.inflight_bytes = 1, /* nor this */
	};
	aibrix_store *store = NULL;
	char memory[64];
	aibrix_iov iov = {memory, 64};
	aibrix_io ios[2] = {io_of(AIBRIX_STORE_GET, "a", &iov, 0),
			    io_of(AIBRIX_STORE_GET, "b", &iov, 0)};
	uint32_t n;

	table = puppet_table();
	puppet = new_puppet();
	cr_assert_eq(aibrix_store_open(&opts, &store), AIBRIX_OK);
	cr_expect_eq(aibrix_store_submit(store, ios, 2, 0, &n), AIBRIX_OK);
	cr_expect_eq(n, 2);
	aibrix_store_free(store);
}
