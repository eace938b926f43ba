/* What the front does by itself: joins, remembers misses and bounds. */

#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <criterion/criterion.h>

#include <aibrix/backend.h>

#include "store_puppet.h"

static aibrix_backend table;
static struct puppet puppet;
static aibrix_store *store;
static aibrix_done dones[16];

static void
open_store(aibrix_store_opts opts)
{
	table = puppet_table();
	table.cancel = puppet_cancel;
	table.wake = puppet_wake;
	puppet = new_puppet();
	cr_assert_eq(puppet_store(&puppet, &table, opts, &store), AIBRIX_OK);
}

static void
open_plain(void)
{
	open_store((aibrix_store_opts){0});
}

static int
submit_at(const aibrix_io *io, uint64_t now)
{
	uint32_t n = 0;
	int status = aibrix_store_submit(store, io, 1, now, &n);

	cr_assert_eq(n, status == AIBRIX_OK);
	return status;
}

static int
submit(uint32_t op, const char *key, const aibrix_iov *iov, uint64_t tag)
{
	aibrix_io io = io_of(op, key, iov, tag);

	return submit_at(&io, 0);
}

static uint32_t
poll_at(uint64_t now)
{
	uint32_t n = 77;

	cr_assert_eq(aibrix_store_poll(store, dones, 16, now, 0, &n),
		     AIBRIX_OK);
	return n;
}

/* ---- joined requests */

Test(store_front, two_gets_of_a_key_are_one_request_and_two_completions)
{
	char a[8] = "", b[3] = "", c[5] = "";
	aibrix_iov one = {a, 8}, two[] = {{b, 2}, {NULL, 0}, {c, 4}};
	aibrix_io second = io_of(AIBRIX_STORE_GET, "key", two, 2);

	open_plain();
	second.n_iov = 3;
	submit(AIBRIX_STORE_GET, "key", &one, 1);
	submit_at(&second, 0);
	cr_expect_eq(puppet.n, 1);
	cr_expect_eq(poll_at(0), 0);
	puppet_end_get(&puppet, 0, "value");
	cr_assert_eq(poll_at(0), 2);
	cr_expect_eq(dones[0].tag, 1);
	cr_expect_eq(dones[1].tag, 2);
	cr_expect_eq(dones[1].status, AIBRIX_OK);
	cr_expect_eq(dones[1].bytes, 5);
	cr_expect_str_eq(b, "va");
	cr_expect_str_eq(c, "lue");
	cr_expect_eq(store_stat(store).joined, 1);
	cr_expect_eq(store_stat(store).hits, 2);
	cr_expect_eq(store_stat(store).inflight, 0);
	aibrix_store_free(store);
}

Test(store_front, keys_that_differ_in_anything_are_not_joined)
{
	char a[8];
	aibrix_iov iov = {a, 8};

	open_plain();
	submit(AIBRIX_STORE_GET, "key", &iov, 1);
	submit(AIBRIX_STORE_GET, "kez", &iov, 2);
	submit(AIBRIX_STORE_GET, "ke", &iov, 3);
	submit(AIBRIX_STORE_GET, "keyy", &iov, 4);
	cr_expect_eq(puppet.n, 4);
	aibrix_store_free(store);
}

Test(store_front, a_probe_waits_for_a_get_and_a_get_not_for_a_probe)
{
	char a[8], b[8];
	aibrix_iov iov = {a, 8}, other = {b, 8};

	open_plain();
	submit(AIBRIX_STORE_PROBE, "p", NULL, 1);
	submit(AIBRIX_STORE_PROBE, "p", NULL, 2);
	submit(AIBRIX_STORE_GET, "p", &iov, 3);
	cr_expect_eq(puppet.n, 2);
	submit(AIBRIX_STORE_GET, "g", &other, 4);
	submit(AIBRIX_STORE_PROBE, "g", NULL, 5);
	cr_expect_eq(puppet.n, 3);
	puppet_end_get(&puppet, 2, "long value");
	puppet_end(&puppet, 0, AIBRIX_OK, 9);
	cr_assert_eq(poll_at(0), 4);
	cr_expect_eq(dones[0].tag, 4);
	cr_expect_eq(dones[0].status, AIBRIX_E_SPACE);
	cr_expect_eq(dones[1].tag, 1);
	cr_expect_eq(dones[2].tag, 5);
	cr_expect_eq(dones[2].status, AIBRIX_OK, "the length is known");
	cr_expect_eq(dones[2].bytes, 10);
	cr_expect_eq(dones[3].tag, 2);
	cr_expect_eq(dones[3].bytes, 9);
	aibrix_store_free(store);
}

Test(store_front, memory_that_is_too_short_is_told_and_the_longer_one_fetches)
{
	char a[3], b[4], c[8] = "";
	aibrix_iov first = {a, 3}, second = {b, 4}, third = {c, 8};

	open_plain();
	submit(AIBRIX_STORE_GET, "key", &first, 1);
	submit(AIBRIX_STORE_GET, "key", &second, 2);
	submit(AIBRIX_STORE_GET, "key", &third, 3);
	puppet_end_get(&puppet, 0, "value");
	cr_assert_eq(poll_at(0), 2);
	cr_expect_eq(dones[1].tag, 2);
	cr_expect_eq(dones[1].status, AIBRIX_E_SPACE);
	cr_expect_eq(dones[1].bytes, 5);
	cr_assert_eq(puppet.n, 1);
	puppet_end_get(&puppet, 0, "value");
	cr_assert_eq(poll_at(0), 1);
	cr_expect_eq(dones[0].tag, 3);
	cr_expect_str_eq(c, "value");
	aibrix_store_free(store);
}

Test(store_front, a_shorter_one_that_joined_a_long_one_is_told_the_length)
{
	char a[8], b[4] = "";
	aibrix_iov first = {a, 8}, second = {b, 4};

	open_plain();
	submit(AIBRIX_STORE_GET, "key", &first, 1);
	submit(AIBRIX_STORE_GET, "key", &second, 2);
	puppet_end_get(&puppet, 0, "value");
	cr_assert_eq(poll_at(0), 2);
	cr_expect_eq(dones[1].status, AIBRIX_E_SPACE);
	cr_expect_eq(dones[1].bytes, 5);
	cr_expect_eq(b[0], '\0');
	aibrix_store_free(store);
}

Test(store_front, a_put_of_what_is_being_put_finds_it_there)
{
	char a[4] = "abc", b[4] = "abc";
	aibrix_iov first = {a, 3}, second = {b, 3};

	open_plain();
	submit(AIBRIX_STORE_PUT, "key", &first, 1);
	submit(AIBRIX_STORE_PUT, "key", &second, 2);
	cr_expect_eq(puppet.n, 1);
	puppet_end(&puppet, 0, AIBRIX_OK, 3);
	cr_assert_eq(poll_at(0), 2);
	cr_expect_eq(dones[0].bytes, 3);
	cr_expect_eq(dones[0].flags, 0);
	cr_expect_eq(dones[1].status, AIBRIX_OK);
	cr_expect_eq(dones[1].bytes, 0);
	cr_expect_eq(dones[1].flags, AIBRIX_DONE_EXISTED);
	cr_expect_eq(store_stat(store).existed, 1);
	aibrix_store_free(store);
}

Test(store_front, who_joined_one_that_failed_is_tried_itself)
{
	char a[8], b[8] = "", c[8] = "";
	aibrix_iov first = {a, 8}, second = {b, 8}, third = {c, 8};

	open_plain();
	submit(AIBRIX_STORE_GET, "key", &first, 1);
	submit(AIBRIX_STORE_GET, "key", &second, 2);
	submit(AIBRIX_STORE_GET, "key", &third, 3);
	puppet_end(&puppet, 0, AIBRIX_E_CLOSED, 0);
	cr_assert_eq(poll_at(0), 1);
	cr_expect_eq(dones[0].tag, 1);
	cr_expect_eq(dones[0].status, AIBRIX_E_CLOSED);
	cr_assert_eq(puppet.n, 1, "the second; the third waits for it");
	puppet_end_get(&puppet, 0, "value");
	cr_assert_eq(poll_at(0), 2);
	cr_expect_eq(dones[0].tag, 2);
	cr_expect_eq(dones[1].tag, 3);
	cr_expect_str_eq(b, "value");
	cr_expect_str_eq(c, "value");
	aibrix_store_free(store);
}

/* Bytes that the backend has not summed are for those who do. */
Test(store_front, who_sums_shares_bytes_with_those_who_sum)
{
	char a[8], b[8] = "", c[8] = "";
	aibrix_iov iov[3] = {{a, 8}, {b, 8}, {c, 8}};
	aibrix_io ios[3];

	open_plain();
	for (uint32_t i = 0; i < 3; i++) {
		ios[i] = io_of(AIBRIX_STORE_GET, "key", &iov[i], i + 1);
		ios[i].flags = i < 2 ? AIBRIX_IO_SUMMED : 0;
		submit_at(&ios[i], 0);
	}
	cr_assert_eq(puppet.n, 1);
	cr_expect_eq(puppet.ios[0].flags, AIBRIX_IO_SUMMED);
	puppet_end_get(&puppet, 0, "first");
	cr_assert_eq(poll_at(0), 2);
	cr_expect_str_eq(b, "first");
	cr_expect_str_eq(c, "", "it is asked for again");
	cr_assert_eq(puppet.n, 1);
	cr_expect_eq(puppet.ios[0].flags, 0);
	puppet_end_get(&puppet, 0, "third");
	cr_assert_eq(poll_at(0), 1);
	cr_expect_eq(dones[0].tag, 3);
	cr_expect_str_eq(c, "third");
	aibrix_store_free(store);
}

Test(store_front, a_get_does_not_come_to_wait_for_a_probe)
{
	char a[8], b[8] = "";
	aibrix_iov first = {a, 8}, second = {b, 8};
	aibrix_io urgent = io_of(AIBRIX_STORE_PROBE, "key", NULL, 2);

	open_plain();
	submit(AIBRIX_STORE_GET, "key", &first, 1);
	submit_at(&urgent, 0);
	submit(AIBRIX_STORE_GET, "key", &second, 3);
	puppet_end(&puppet, 0, AIBRIX_E_IO, 0);
	cr_assert_eq(poll_at(0), 1);
	cr_assert_eq(puppet.n, 2);
	cr_expect_eq(puppet.ios[0].op, AIBRIX_STORE_PROBE);
	puppet_end(&puppet, 0, AIBRIX_OK, 5);
	puppet_end_get(&puppet, 0, "value");
	cr_assert_eq(poll_at(0), 2);
	cr_expect_eq(dones[1].tag, 3);
	cr_expect_str_eq(b, "value");
	aibrix_store_free(store);
}

Test(store_front, a_backend_that_does_not_take_it_then_makes_it_unavailable)
{
	char a[8], b[8], c[8];
	aibrix_iov first = {a, 8}, second = {b, 8}, third = {c, 8};

	open_plain();
	submit(AIBRIX_STORE_GET, "key", &first, 1);
	submit(AIBRIX_STORE_GET, "key", &second, 2);
	submit(AIBRIX_STORE_GET, "key", &third, 3);
	puppet_end(&puppet, 0, AIBRIX_E_IO, 0);
	puppet.takes = 0;
	cr_assert_eq(poll_at(0), 3);
	cr_expect_eq(dones[1].status, AIBRIX_E_UNAVAILABLE);
	cr_expect_eq(dones[2].status, AIBRIX_E_UNAVAILABLE);
	cr_expect_eq(store_stat(store).inflight, 0);
	aibrix_store_free(store);
}

Test(store_front, cancelling_the_first_leaves_the_second)
{
	char a[8], b[8] = "";
	aibrix_iov first = {a, 8}, second = {b, 8};

	open_plain();
	submit(AIBRIX_STORE_GET, "key", &first, 1);
	submit(AIBRIX_STORE_GET, "key", &second, 2);
	cr_expect_eq(aibrix_store_cancel(store, 1), AIBRIX_OK);
	cr_expect_eq(puppet.cancels, 1);
	puppet_end(&puppet, 0, AIBRIX_E_CANCELED, 0);
	cr_assert_eq(poll_at(0), 1);
	cr_expect_eq(dones[0].tag, 1);
	puppet_end_get(&puppet, 0, "value");
	cr_assert_eq(poll_at(0), 1);
	cr_expect_eq(dones[0].tag, 2);
	cr_expect_str_eq(b, "value");
	aibrix_store_free(store);
}

Test(store_front, one_that_joined_ends_alone_by_cancel_and_deadline)
{
	char a[8], b[8] = "bbb", c[8] = "ccc";
	aibrix_iov first = {a, 8}, second = {b, 8}, third = {c, 8};
	aibrix_io soon = io_of(AIBRIX_STORE_GET, "key", &third, 3);

	open_plain();
	soon.deadline_ns = 50;
	submit(AIBRIX_STORE_GET, "key", &first, 1);
	submit(AIBRIX_STORE_GET, "key", &second, 2);
	submit_at(&soon, 0);
	cr_expect_eq(aibrix_store_wake(store), 50);
	cr_expect_eq(aibrix_store_cancel(store, 2), AIBRIX_OK);
	cr_expect_eq(puppet.cancels, 0, "the backend does not know of it");
	cr_expect_eq(aibrix_store_wake(store), 0, "poll has something");
	cr_assert_eq(poll_at(49), 1);
	cr_expect_eq(dones[0].tag, 2);
	cr_expect_eq(dones[0].status, AIBRIX_E_CANCELED);
	cr_assert_eq(poll_at(50), 1);
	cr_expect_eq(dones[0].tag, 3);
	cr_expect_eq(dones[0].status, AIBRIX_E_TIMEOUT);
	puppet_end_get(&puppet, 0, "value");
	cr_assert_eq(poll_at(50), 1);
	cr_expect_str_eq(b, "bbb", "its memory is its own again");
	cr_expect_str_eq(c, "ccc");
	cr_expect_eq(aibrix_store_cancel(store, 2), AIBRIX_E_NOT_FOUND);
	aibrix_store_free(store);
}

Test(store_front, an_urgent_request_does_not_wait_for_one_that_is_not)
{
	char a[8], b[8];
	aibrix_iov first = {a, 8}, second = {b, 8};
	aibrix_io slow = io_of(AIBRIX_STORE_GET, "key", &first, 1);

	open_plain();
	slow.priority = AIBRIX_PRIORITY_BACKGROUND;
	submit_at(&slow, 0);
	submit(AIBRIX_STORE_GET, "key", &second, 2);
	cr_expect_eq(puppet.n, 2);
	aibrix_store_free(store);
}

Test(store_front, the_most_urgent_that_waits_goes_first)
{
	char a[8], b[8], c[8];
	aibrix_iov first = {a, 8}, second = {b, 8}, third = {c, 8};
	aibrix_io slow = io_of(AIBRIX_STORE_GET, "key", &second, 2);

	open_plain();
	slow.priority = AIBRIX_PRIORITY_BACKGROUND;
	submit(AIBRIX_STORE_GET, "key", &first, 1);
	submit_at(&slow, 0);
	submit(AIBRIX_STORE_GET, "key", &third, 3);
	puppet_end(&puppet, 0, AIBRIX_E_IO, 0);
	cr_assert_eq(poll_at(0), 1);
	cr_assert_eq(puppet.n, 1);
	cr_expect_eq(puppet.ios[0].priority, AIBRIX_PRIORITY_GET);
	aibrix_store_free(store);
}

Test(store_front, a_get_after_a_put_or_delete_does_not_join_one_before_it)
{
	static const uint32_t ops[] = {AIBRIX_STORE_PUT, AIBRIX_STORE_DELETE};
	char a[8], b[8], c[8], v[] = "v";
	aibrix_iov first = {a, 8}, second = {b, 8}, third = {c, 8};
	aibrix_iov put = {v, 1};

	for (uint32_t i = 0; i < 2; i++) {
		open_plain();
		submit(AIBRIX_STORE_GET, "key", &first, 1);
		submit(ops[i], "key", &put, 2);
		submit(AIBRIX_STORE_GET, "key", &second, 3);
		cr_expect_eq(puppet.n, 3);
		puppet_end(&puppet, 1, AIBRIX_OK, 0);
		cr_assert_eq(poll_at(0), 1);
		submit(AIBRIX_STORE_GET, "key", &third, 4);
		cr_expect_eq(puppet.n, 3, "not with one that was under way");
		aibrix_store_free(store);
	}
}

Test(store_front, a_put_after_a_delete_does_not_join_one_before_it)
{
	char v[] = "v", w[] = "w";
	aibrix_iov first = {v, 1}, second = {w, 1};

	open_plain();
	submit(AIBRIX_STORE_PUT, "key", &first, 1);
	submit(AIBRIX_STORE_DELETE, "key", NULL, 2);
	submit(AIBRIX_STORE_PUT, "key", &second, 3);
	submit(AIBRIX_STORE_DELETE, "key", NULL, 4);
	cr_expect_eq(puppet.n, 4);
	aibrix_store_free(store);
}

Test(store_front, a_prefix_ends_where_the_backend_stops_also_for_joined_ones)
{
	char a[4][8];
	aibrix_io ios[5];
	aibrix_iov iov[5];
	uint32_t n;

	open_plain();
	for (uint32_t i = 0; i < 5; i++) {
		iov[i] = (aibrix_iov){a[i % 4], 8};
		ios[i] = io_of(AIBRIX_STORE_GET, i % 2 ? "b" : "a", &iov[i], i);
	}
	puppet.takes = 1;
	cr_assert_eq(aibrix_store_submit(store, ios, 5, 0, &n), AIBRIX_OK);
	cr_expect_eq(n, 1, "the second was not taken, so the third is not");
	cr_expect_eq(store_stat(store).joined, 0);
	cr_expect_eq(store_stat(store).inflight, 1);
	puppet.takes = 5;
	cr_assert_eq(aibrix_store_submit(store, ios + 1, 4, 0, &n), AIBRIX_OK);
	cr_expect_eq(n, 4);
	cr_expect_eq(puppet.n, 2);
	puppet_end_get(&puppet, 0, "A");
	puppet_end_get(&puppet, 0, "B");
	cr_expect_eq(poll_at(0), 5);
	aibrix_store_free(store);
}

Test(store_front, completions_of_joined_ones_wait_for_room)
{
	char a[8], b[8];
	aibrix_iov first = {a, 8}, second = {b, 8};
	uint32_t n;

	open_plain();
	submit(AIBRIX_STORE_GET, "key", &first, 1);
	submit(AIBRIX_STORE_GET, "key", &second, 2);
	puppet_end_get(&puppet, 0, "value");
	cr_assert_eq(aibrix_store_poll(store, dones, 1, 0, 0, &n), AIBRIX_OK);
	cr_expect_eq(n, 1);
	cr_expect_eq(store_stat(store).inflight, 1);
	cr_assert_eq(aibrix_store_poll(store, dones, 1, 0, 0, &n), AIBRIX_OK);
	cr_expect_eq(n, 1);
	cr_expect_eq(dones[0].tag, 2);
	aibrix_store_free(store);
}

/* ---- misses that are remembered */

static void
open_absent(uint64_t absent_ns)
{
	open_store((aibrix_store_opts){.absent_ns = absent_ns});
}

/* Ask for a key, of which the backend says that it is not there. */
static void
miss(const char *key, uint64_t now)
{
	aibrix_io io = io_of(AIBRIX_STORE_PROBE, key, NULL, 50);

	submit_at(&io, now);
	cr_assert_eq(puppet.n, 1);
	puppet_end(&puppet, 0, AIBRIX_E_NOT_FOUND, 0);
	cr_assert_eq(poll_at(now), 1);
}

/* Does the backend hear of a probe at this time? */
static int
asked(const char *key, uint64_t now)
{
	aibrix_io io = io_of(AIBRIX_STORE_PROBE, key, NULL, 51);
	int heard;

	submit_at(&io, now);
	heard = puppet.n == 1;
	if (heard)
		puppet_end(&puppet, 0, AIBRIX_OK, 1);
	cr_assert_eq(poll_at(now), 1);
	cr_assert_eq(dones[0].tag, 51);
	cr_assert_eq(dones[0].status, heard ? AIBRIX_OK : AIBRIX_E_NOT_FOUND);
	return heard;
}

Test(store_front, a_miss_is_repeated_from_memory_until_its_time_is_over)
{
	char a[8];
	aibrix_iov iov = {a, 8};
	uint32_t polls;

	open_absent(1000);
	miss("key", 5000);
	polls = puppet.polls;
	cr_expect_not(asked("key", 5999));
	cr_expect_eq(puppet.polls, polls, "without a call of the backend");
	cr_expect(asked("other", 5999));
	submit(AIBRIX_STORE_GET, "key", &iov, 1);
	cr_expect_eq(puppet.n, 1, "the clock has jumped back: not believed");
	puppet_end(&puppet, 0, AIBRIX_E_CANCELED, 0);
	poll_at(5999);
	cr_expect(asked("key", 6000));
	cr_expect_eq(store_stat(store).absent, 1);
	cr_expect_eq(store_stat(store).probes, 4);
	aibrix_store_free(store);
}

Test(store_front, puts_and_deletes_are_never_answered_from_memory)
{
	char v[] = "v";
	aibrix_iov iov = {v, 1};

	open_absent(1000);
	miss("key", 10);
	submit(AIBRIX_STORE_DELETE, "key", NULL, 1);
	cr_expect_eq(puppet.n, 1);
	puppet_end(&puppet, 0, AIBRIX_E_NOT_FOUND, 0);
	poll_at(10);
	cr_expect_not(asked("key", 10));
	submit(AIBRIX_STORE_PUT, "key", &iov, 2);
	cr_expect_eq(puppet.n, 1);
	puppet_end(&puppet, 0, AIBRIX_OK, 1);
	poll_at(10);
	cr_expect(asked("key", 10), "the put ended it");
	aibrix_store_free(store);
}

Test(store_front, a_miss_that_a_put_overtook_is_not_remembered)
{
	char a[8], v[] = "v";
	aibrix_iov iov = {a, 8}, put = {v, 1};

	open_absent(1000);
	submit(AIBRIX_STORE_GET, "key", &iov, 1);
	submit(AIBRIX_STORE_PUT, "key", &put, 2);
	puppet_end(&puppet, 1, AIBRIX_OK, 1);
	puppet_end(&puppet, 0, AIBRIX_E_NOT_FOUND, 0);
	cr_assert_eq(poll_at(10), 2);
	cr_expect(asked("key", 10));

	/* Told before the put was done: the put ends it again. */
	miss("late", 10);
	submit(AIBRIX_STORE_PUT, "late", &put, 3);
	submit(AIBRIX_STORE_GET, "late", &iov, 4);
	puppet_end(&puppet, 1, AIBRIX_E_NOT_FOUND, 0);
	cr_assert_eq(poll_at(10), 1);
	puppet_end(&puppet, 0, AIBRIX_OK, 1);
	cr_assert_eq(poll_at(10), 1);
	cr_expect(asked("late", 10));
	aibrix_store_free(store);
}

Test(store_front, only_a_miss_is_remembered_and_no_outage)
{
	aibrix_io io = io_of(AIBRIX_STORE_PROBE, "key", NULL, 1);

	open_absent(1000);
	submit_at(&io, 10);
	puppet_end(&puppet, 0, AIBRIX_E_UNAVAILABLE, 0);
	cr_assert_eq(poll_at(10), 1);
	cr_expect(asked("key", 10));
	aibrix_store_free(store);
}

static int
remembers(uint32_t caps, uint64_t absent_ns, uint64_t after_ns)
{
	int heard;

	table = puppet_table();
	table.caps = caps;
	puppet = new_puppet();
	cr_assert_eq(puppet_store(&puppet, &table,
				  (aibrix_store_opts){.absent_ns = absent_ns},
				  &store),
		     AIBRIX_OK);
	miss("key", 10);
	heard = asked("key", 10 + after_ns);
	aibrix_store_free(store);
	return !heard;
}

Test(store_front, misses_are_remembered_by_default_behind_a_network)
{
	const uint64_t second = 1000000000;

	cr_expect(remembers(AIBRIX_CAP_REMOTE, 0, second - 1));
	cr_expect_not(remembers(AIBRIX_CAP_REMOTE, 0, second));
	cr_expect_not(remembers(AIBRIX_CAP_REMOTE, AIBRIX_FOREVER, 1));
	cr_expect_not(remembers(AIBRIX_CAP_LASTING, 0, 1));
	cr_expect(remembers(0, 3600 * second, 3599 * second));
	table = puppet_table();
	cr_expect_eq(
		puppet_store(&puppet, &table,
			     (aibrix_store_opts){.absent_ns = 3601 * second},
			     &store),
		AIBRIX_E_INVAL);
}

Test(store_front, of_more_misses_than_there_is_room_for_the_last_are_kept)
{
	uint32_t heard = 0;
	char key[16];

	open_absent(1000000);
	for (uint32_t i = 0; i < 40000; i++) {
		snprintf(key, sizeof(key), "%u", (unsigned)i);
		miss(key, 1 + i);
	}
	for (uint32_t i = 30000; i < 40000; i++) {
		snprintf(key, sizeof(key), "%u", (unsigned)i);
		heard += (uint32_t)asked(key, 40001);
	}
	/* 10000 keys in sets for 16384: few sets have more than 8 of them. */
	cr_expect_lt(heard, 1000);
	aibrix_store_free(store);
}

/* ---- bounds */

Test(store_front, memory_in_flight_is_bounded_and_one_is_always_taken)
{
	char a[100], b[60], c[41];
	aibrix_iov large = {a, 100}, first = {b, 60}, second = {c, 41};

	open_store((aibrix_store_opts){.inflight_bytes = 100});
	cr_expect_eq(submit(AIBRIX_STORE_GET, "a", &first, 1), AIBRIX_OK);
	cr_expect_eq(submit(AIBRIX_STORE_GET, "b", &second, 2), AIBRIX_E_FULL);
	second.bytes = 40;
	cr_expect_eq(submit(AIBRIX_STORE_GET, "a", &second, 2), AIBRIX_OK);
	cr_expect_eq(store_stat(store).inflight_bytes, 100);
	cr_expect_eq(submit(AIBRIX_STORE_PROBE, "c", NULL, 3), AIBRIX_OK,
		     "has no memory");
	puppet_end_get(&puppet, 0, "value");
	cr_expect_eq(poll_at(0), 2);
	cr_expect_eq(store_stat(store).inflight_bytes, 0);
	large.bytes = 100;
	cr_expect_eq(submit(AIBRIX_STORE_GET, "d", &large, 4), AIBRIX_OK);
	aibrix_store_free(store);

	open_store((aibrix_store_opts){.inflight_bytes = 10});
	cr_expect_eq(submit(AIBRIX_STORE_GET, "d", &large, 4), AIBRIX_OK);
	cr_expect_eq(submit(AIBRIX_STORE_GET, "a", &first, 1), AIBRIX_E_FULL);
	aibrix_store_free(store);
}

Test(store_front, puts_and_background_leave_half_of_the_requests_to_reads)
{
	static const char keys[] = "abcdefgh";
	char v[] = "v";
	aibrix_iov iov = {v, 1};
	aibrix_io ios[8];
	uint32_t n;

	open_store((aibrix_store_opts){.max_inflight = 8});
	for (uint32_t i = 0; i < 8; i++) {
		ios[i] = io_of(AIBRIX_STORE_PUT, "x", &iov, i);
		ios[i].key = keys + i;
		ios[i].priority = i % 2 ? AIBRIX_PRIORITY_PUT
					: AIBRIX_PRIORITY_BACKGROUND;
	}
	cr_assert_eq(aibrix_store_submit(store, ios, 8, 0, &n), AIBRIX_OK);
	cr_expect_eq(n, 4);
	cr_expect_eq(submit_at(&ios[4], 0), AIBRIX_E_FULL);
	for (uint32_t i = 4; i < 8; i++)
		ios[i].priority = AIBRIX_PRIORITY_GET;
	cr_assert_eq(aibrix_store_submit(store, ios + 4, 4, 0, &n), AIBRIX_OK);
	cr_expect_eq(n, 4);
	aibrix_store_free(store);
}

Test(store_front, puts_and_background_leave_half_of_the_memory_to_reads)
{
	char v[60];
	aibrix_iov iov = {v, 51};
	aibrix_io io = io_of(AIBRIX_STORE_PUT, "a", &iov, 0);

	open_store((aibrix_store_opts){.inflight_bytes = 100});
	io.priority = AIBRIX_PRIORITY_PUT;
	cr_expect_eq(submit_at(&io, 0), AIBRIX_OK, "alone");
	iov.bytes = 1;
	io.key = "b";
	cr_expect_eq(submit_at(&io, 0), AIBRIX_E_FULL);
	io.priority = AIBRIX_PRIORITY_GET;
	cr_expect_eq(submit_at(&io, 0), AIBRIX_OK);
	aibrix_store_free(store);
}

Test(store_front, a_store_for_one_request_takes_a_put)
{
	char v[] = "v";
	aibrix_iov iov = {v, 1};
	aibrix_io io = io_of(AIBRIX_STORE_PUT, "a", &iov, 0);

	open_store((aibrix_store_opts){.max_inflight = 1});
	io.priority = AIBRIX_PRIORITY_BACKGROUND;
	cr_expect_eq(submit_at(&io, 0), AIBRIX_OK);
	cr_expect_eq(submit_at(&io, 0), AIBRIX_E_FULL);
	aibrix_store_free(store);
}

/* ---- poll, descriptor and time */

static int event = -1;

static int
event_fd(const void *backend)
{
	(void)backend;
	return event;
}

static int
readable(void)
{
	struct pollfd p = {.fd = aibrix_store_fd(store), .events = POLLIN};

	cr_assert_geq(p.fd, 0);
	return poll(&p, 1, 0) == 1;
}

Test(store_front, descriptor_is_that_of_the_backend_and_of_the_front)
{
	uint64_t count = 1;

	table = puppet_table();
	table.fd = event_fd;
	puppet = new_puppet();
	event = eventfd(0, EFD_NONBLOCK);
	cr_assert_eq(puppet_store(&puppet, &table,
				  (aibrix_store_opts){.absent_ns = 1000},
				  &store),
		     AIBRIX_OK);
	cr_expect_not(readable());
	cr_expect_eq(aibrix_store_fd(store), aibrix_store_fd(store));
	cr_assert_eq(write(event, &count, 8), 8);
	cr_expect(readable(), "the backend's");
	cr_assert_eq(read(event, &count, 8), 8);
	miss("key", 10);
	cr_expect_not(readable());
	submit(AIBRIX_STORE_PROBE, "other", NULL, 1);
	submit(AIBRIX_STORE_PROBE, "other", NULL, 2);
	cr_expect_not(readable());
	cr_expect_eq(aibrix_store_cancel(store, 2), AIBRIX_OK);
	cr_expect(readable(), "the front's");
	cr_expect_eq(poll_at(10), 1);
	cr_expect_not(readable());
	aibrix_store_free(store);
	close(event);
}

Test(store_front, descriptor_that_is_asked_for_late_knows_what_is_ready)
{
	table = puppet_table();
	table.fd = event_fd;
	puppet = new_puppet();
	event = eventfd(0, EFD_NONBLOCK);
	cr_assert_eq(puppet_store(&puppet, &table,
				  (aibrix_store_opts){.absent_ns = 1000},
				  &store),
		     AIBRIX_OK);
	miss("key", 0);
	submit(AIBRIX_STORE_PROBE, "key", NULL, 1);
	cr_expect(readable());
	cr_expect_eq(poll_at(0), 1);
	cr_expect_not(readable());
	aibrix_store_free(store);
	close(event);
}

Test(store_front, wake_is_the_earlier_of_backend_and_joined)
{
	open_plain();
	puppet.wake_ns = 900;
	cr_expect_eq(aibrix_store_wake(store), 900);
	submit(AIBRIX_STORE_PROBE, "key", NULL, 1);
	cr_expect_eq(aibrix_store_wake(store), 900);
	puppet.wake_ns = AIBRIX_FOREVER;
	submit(AIBRIX_STORE_PROBE, "key", NULL, 2);
	cr_expect_eq(aibrix_store_wake(store), 2000000000);
	cr_expect_eq(aibrix_store_wake(NULL), AIBRIX_FOREVER);
	aibrix_store_free(store);
}

Test(store_front, who_polls_for_one_at_a_time_also_gets_the_backends)
{
	uint32_t n, seen = 0;

	open_absent(1000);
	miss("gone", 0);
	submit(AIBRIX_STORE_PROBE, "key", NULL, 7);
	puppet_end(&puppet, 0, AIBRIX_OK, 1);
	for (uint32_t i = 0; i < 4; i++) {
		submit(AIBRIX_STORE_PROBE, "gone", NULL, 8);
		cr_assert_eq(aibrix_store_poll(store, dones, 1, 0, 0, &n), 0);
		cr_expect_eq(n, 1);
		seen += dones[0].tag == 7;
	}
	cr_expect_eq(seen, 1);
	aibrix_store_free(store);
}

static uint64_t
ticking(void *ctx)
{
	uint64_t *now = ctx;

	return *now += 10;
}

Test(store_front, blocking_poll_ends_with_the_deadline_of_a_joined_one)
{
	uint64_t clock = 700;
	aibrix_io io = io_of(AIBRIX_STORE_PROBE, "key", NULL, 2);
	uint32_t n;

	open_store((aibrix_store_opts){.clock = ticking, .clock_ctx = &clock});
	submit(AIBRIX_STORE_PROBE, "key", NULL, 1);
	io.deadline_ns = 500;
	submit_at(&io, 0);
	cr_assert_eq(aibrix_store_poll(store, dones, 16, 0, 300, &n), 0);
	cr_expect_eq(n, 0, "the time is over");
	cr_assert_eq(aibrix_store_poll(store, dones, 16, 300, 1000, &n), 0);
	cr_assert_eq(n, 1);
	cr_expect_eq(dones[0].tag, 2);
	cr_expect_eq(dones[0].status, AIBRIX_E_TIMEOUT);
	aibrix_store_free(store);
}

Test(store_front, blocking_poll_does_not_end_with_strays)
{
	uint64_t clock = 0;
	uint32_t n;

	open_store((aibrix_store_opts){.clock = ticking, .clock_ctx = &clock});
	submit(AIBRIX_STORE_PROBE, "key", NULL, 1);
	puppet.dones[0] = (aibrix_done){.tag = 11};
	puppet.n_dones = 1;
	cr_assert_eq(aibrix_store_poll(store, dones, 16, 0, 200, &n), 0);
	cr_expect_eq(n, 0);
	cr_expect_geq(clock, 200);
	aibrix_store_free(store);
}
