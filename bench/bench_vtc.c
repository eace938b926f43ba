/*
 * What a fair queue costs with many users.
 *
 * One operation is a push, a pop or a done.  In a cycle of three the next
 * request runs, ends, and its user comes back with another one after a walk
 * through all users, so that every call moves something in the heap and
 * finds its records cold: they do not fit a core's cache.
 */

#include <stdlib.h>

#include <aibrix/vtc.h>
#include <aibrix/vtc_window.h>

#include "base/rand.h"
#include "bench.h"

enum { USERS = 100000, SIZES = 4096 };

struct bed {
	aibrix_vtc *vtc;
	aibrix_vtc_window *window;
	uint64_t user, now_ns, rand;
	uint32_t input[SIZES], output[SIZES];
};

static void
push(struct bed *b, uint64_t user)
{
	aibrix_vtc_request r = {.size = sizeof(r), .user = user};
	uint64_t ticket;

	r.input_tokens = b->input[user % SIZES];
	bench_check(aibrix_vtc_push(b->vtc, &r, b->now_ns, &ticket) ==
			    AIBRIX_OK,
		    "push");
}

/* push, pop, done, all users waiting. */
static void
cycle(void *ctx, uint64_t n)
{
	struct bed *b = ctx;

	for (uint64_t i = 0; i < n; i++) {
		aibrix_vtc_item item = {.size = sizeof(item)};

		b->now_ns += 1000;
		bench_check(
			aibrix_vtc_pop(b->vtc, b->now_ns, &item) == AIBRIX_OK &&
				aibrix_vtc_done(b->vtc, item.ticket,
						item.input_tokens,
						b->output[item.user % SIZES]) ==
					AIBRIX_OK,
			"pop");
		push(b, item.user);
	}
}

/* Another user each time, of whom nobody has heard for long. */
static void
arrive(void *ctx, uint64_t n)
{
	struct bed *b = ctx;

	for (uint64_t i = 0; i < n; i++) {
		aibrix_vtc_item item = {.size = sizeof(item)};

		push(b, 1 + rand_below(&b->rand, 2 * USERS));
		bench_check(aibrix_vtc_pop(b->vtc, b->now_ns, &item) ==
					    AIBRIX_OK &&
				    aibrix_vtc_done(b->vtc, item.ticket,
						    item.input_tokens,
						    10) == AIBRIX_OK,
			    "pop");
	}
}

static void
window_add(void *ctx, uint64_t n)
{
	struct bed *b = ctx;

	for (uint64_t i = 0; i < n; i++) {
		b->now_ns += 10000000;
		bench_check(aibrix_vtc_window_add(
				    b->window, 1 + rand_below(&b->rand, USERS),
				    b->input[b->rand % SIZES], 50,
				    b->now_ns) == AIBRIX_OK,
			    "add");
	}
}

static void
bed_fill(struct bed *b)
{
	for (uint32_t i = 0; i < SIZES; i++) {
		b->input[i] = rand_below(&b->rand, 4000);
		b->output[i] = rand_below(&b->rand, 1000);
	}
	for (uint64_t user = 1; user <= USERS; user++)
		push(b, user);
}

int
main(int argc, char **argv)
{
	static const struct bench_row rows[] = {
		{"vtc_op_100k", "ns",
		 "bound 200 ns; push, pop, done, 10^5 users waiting", 1},
		{"vtc_op_100k_arrivals", "ns",
		 "the same, 10^5 waiting and any of 2 x 10^5 arriving", 1},
		{"vtc_window_100k", "ns", "10^5 users, 100 requests/s", 1},
	};
	static struct bed bed = {.rand = 1};
	const aibrix_vtc_opts opts = {.size = sizeof(opts),
				      .max_requests = 4 * USERS,
				      .max_users = 4 * USERS};
	const aibrix_vtc_window_opts window = {.size = sizeof(window),
					       .max_users = USERS};
	const struct bench_peer ours[] = {
		{"ours", cycle, &bed, 3},
		{"ours", arrive, &bed, 3},
		{"ours", window_add, &bed, 1},
	};
	struct bench b;
	int status = bench_start(&b, argc, argv);

	if (status)
		return status - 1;
	bench_check(aibrix_vtc_new(&opts, &bed.vtc) == AIBRIX_OK &&
			    aibrix_vtc_window_new(&window, &bed.window) ==
				    AIBRIX_OK,
		    "set-up");
	bed_fill(&bed);
	for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++)
		bench_run(&b, &rows[i], &ours[i], NULL);
	aibrix_vtc_free(bed.vtc);
	aibrix_vtc_window_free(bed.window);
	return 0;
}
